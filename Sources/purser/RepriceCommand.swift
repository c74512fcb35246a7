// `purser reprice`: past events at the prices that are known now, each as of when it happened.
//
// Looking is the default and changes nothing. Applying writes corrections beside the events, never over them, as a numbered
// run that can be taken back. On a terminal a person sees what will change and is asked before anything does.

import ArgumentParser
import Core

struct RepriceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reprice",
        abstract: "Price past events again, by what is known of the prices now.",
        discussion: """
            Without --apply, --reverse or --list: shows what would change, and changes nothing. Each event is priced as of when it \
            happened. A cost that came with its event stays, and so does one for which there is no price any more.

            --apply and --reverse ask first when a person is at the terminal, unless --yes is given.
            """
    )

    @Flag(help: "Only show what would change; the default.")
    var dryRun = false

    @Flag(help: "Correct the events.")
    var apply = false

    @Option(help: ArgumentHelp("Take a run back: its events cost again what they did before it.", valueName: "run"))
    var reverse: Int?

    @Flag(help: "Show the runs there were, newest first.")
    var list = false

    @Flag(name: .shortAndLong, help: "Do not ask.")
    var yes = false

    @OptionGroup(title: "Events") var filter: EventFilterOptions

    @OptionGroup(title: "Connection") var options: SharedOptions

    static let path = Service.base + "/reprices"

    func validate() throws {
        guard [dryRun, apply, reverse != nil, list].filter(\.self).count <= 1 else {
            throw ValidationError("give one of --dry-run, --apply, --reverse and --list")
        }
        if reverse != nil || list {
            guard try filter.resolved(now: Instant.now).words.isEmpty else {
                throw ValidationError("--reverse and --list take no filter: a run is taken back as a whole")
            }
        }
        if let reverse, reverse < 1 { throw ValidationError("--reverse takes the number of a run, as --list shows it") }
        guard !yes || apply || reverse != nil else { throw ValidationError("--yes goes with --apply or --reverse") }
    }

    func run() throws {
        var service = try Service(options, seconds: Service.longSeconds)
        if list {
            try showRuns(&service)
        } else if let reverse {
            try takeBack(reverse, &service)
        } else {
            try price(&service)
        }
    }

    // MARK: - Pricing again

    private func price(_ service: inout Service) throws {
        let events = try filter.resolved(now: Instant.now)
        guard apply else {
            let preview = try ask(&service, events, applies: false)
            if options.json { return Terminal.print(preview.json) }
            let again = TypedLine.purser(options.words + ["reprice"] + events.words + ["--apply"])
            return Terminal.print(RepricePreview(preview).text(Terminal.style, toApply: again))
        }
        if !yes, Terminal.canAsk {
            let preview = RepricePreview(try ask(&service, events, applies: false))
            Terminal.status(preview.text(Terminal.errorStyle, toApply: nil) + "\n")
            if preview.changed == 0 { return }
            guard Terminal.agrees("\nCorrect \(RepricePreview.count(preview.changed, "event"))?") else {
                throw Failure.refused("nothing was changed")
            }
        }
        show(try ask(&service, events, applies: true))
    }

    private func ask(_ service: inout Service, _ events: EventFilterText, applies: Bool) throws -> Value {
        let members = events.members + [Value.Member(name: "apply", value: .bool(applies))]
        return try changing(
            applies, try service.data(HTTPRequest("POST", RepriceCommand.path, body: Array(Value.object(members).json.utf8))))
    }

    /// When the connection broke while the daemon was at it, whether it happened is not known here.
    private func changing(_ changes: Bool, _ data: @autoclosure () throws -> Value) throws -> Value {
        do {
            return try data()
        } catch let failure as Failure where changes && failure.status == ExitStatus.unreachable {
            let look = TypedLine.purser(options.words + ["reprice", "--list"])
            throw Failure.unreachable("\(failure.message)\n        whether it began shows: \(look)")
        }
    }

    // MARK: - Taking back

    private func takeBack(_ run: Int, _ service: inout Service) throws {
        if !yes, Terminal.canAsk {
            let data = try service.data(HTTPRequest("GET", RepriceCommand.path + "/\(run)"))
            Terminal.status(RunTable.render([data], style: Terminal.errorStyle) + "\n")
            guard Terminal.agrees("\nTake run \(run) back?") else { throw Failure.refused("nothing was changed") }
        }
        show(try changing(true, try service.data(HTTPRequest("POST", RepriceCommand.path + "/\(run)/reverse"))))
    }

    // MARK: - Showing

    private func show(_ run: Value) {
        Terminal.print(options.json ? run.json : RepriceCommand.text(of: run, again: options.words))
    }

    private func showRuns(_ service: inout Service) throws {
        let data = try service.data(HTTPRequest("GET", RepriceCommand.path))
        if options.json { return Terminal.print(data.json) }
        let items = data["items"]?.elements ?? []
        Terminal.print(items.isEmpty ? "No runs: nothing was priced again." : RunTable.render(items, style: Terminal.style))
    }

    /// What a run did, in sentences. `again` are the words of the connection, for the line to type.
    static func text(of run: Value, again: [String]) -> String {
        let events = run["events"]?.integer ?? 0
        guard let id = run["id"]?.integer else { return "Nothing to change: no event would cost anything else." }
        let names = ["costBefore", "costAfter", "costDifference"]
        let places = Amount.places(for: names.compactMap { run[$0]?.amount })
        let amounts = names.map { run[$0]?.amount ?? .zero }
        var text = "Run \(id)"
        if let other = run["reverses"]?.integer { text += " took run \(other) back" }
        let fresh = run["newlyPriced"]?.integer ?? 0
        text += ": \(RepricePreview.count(events, "event")) that "
        text += fresh == events && fresh > 0 ? "had no cost " : "cost \(amounts[0].shown(places)) USD "
        text += events == 1 ? "costs " : "cost "
        text += "\(amounts[1].shown(places)) USD now"
        if fresh < events || fresh == 0 { text += " (\(amounts[2].signed(places)))" }
        if fresh > 0, fresh < events { text += "; \(grouped(String(fresh))) of them had no cost before" }
        text += "."
        if run["kind"]?.string != "reverse" {
            if let prices = run["prices"]?.string { text += "\nBy the prices in force, catalogue \(prices.printable)." }
            text += "\nTo take it back:  " + TypedLine.purser(again + ["reprice", "--reverse", "\(id)"])
        }
        return text
    }
}

/// Runs of corrections as a table.
enum RunTable {
    static func render(_ runs: [Value], style: Style) -> String {
        var table = Table([
            Table.Column(title: "run", alignment: .point), Table.Column(title: "at", alignment: .left),
            Table.Column(title: "what", alignment: .left), Table.Column(title: "status", alignment: .left),
            Table.Column(title: "events", alignment: .point), Table.Column(title: "newly priced", alignment: .point),
            Table.Column(title: "cost before", alignment: .point), Table.Column(title: "cost after", alignment: .point),
            Table.Column(title: "difference", alignment: .point), Table.Column(title: "of", alignment: .left),
        ])
        let names = ["costBefore", "costAfter", "costDifference"]
        let places = Amount.places(for: runs.flatMap { run in names.compactMap { run[$0]?.amount } })
        table.rows = runs.map { run in
            let isBack = run["status"]?.string == "reversed"
            func cell(_ text: String?, isLoss: Bool = false) -> Table.Cell { Table.Cell(text ?? "-", isLoss: isLoss, isFaint: isBack) }
            let difference = run["costDifference"]?.amount
            return [
                cell(run["id"]?.shown), cell(run["at"]?.string.map(EventsTable.wholeSeconds)), cell(what(run)), cell(status(run)),
                cell(run["events"]?.amount?.fixed(0)), cell(run["newlyPriced"]?.amount?.fixed(0)),
                cell(run["costBefore"]?.amount?.shown(places)), cell(run["costAfter"]?.amount?.shown(places)),
                cell(difference?.signed(places), isLoss: (difference ?? .zero) > .zero),
                cell(run["filter"].map(EventFilterText.shown)),
            ]
        }
        return table.render(style)
    }

    private static func what(_ run: Value) -> String {
        switch run["kind"]?.string {
        case "reprice": "priced again"
        case "pricing": "priced by itself"
        case "reverse": "took back \(run["reverses"]?.shown ?? "a run")"
        case let other: other ?? "-"
        }
    }

    private static func status(_ run: Value) -> String {
        let status = run["status"]?.string ?? "-"
        guard status == "reversed", let other = run["reversedBy"]?.shown else { return status }
        return "taken back by \(other)"
    }
}
