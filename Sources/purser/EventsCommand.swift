// `purser events`: single events, newest first; with --follow, as they come in.

import ArgumentParser
import Core
import Glibc

struct EventsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "events",
        abstract: "Single events, newest first.",
        discussion: "--follow shows the last ones, oldest first, and then each new one as it is recorded."
    )

    @OptionGroup(title: "Events") var filter: EventFilterOptions

    @Option(help: ArgumentHelp("Only this flow.", valueName: "id"))
    var flow: String?

    @Flag(help: "Only events without a price.")
    var unpriced = false

    @Option(help: ArgumentHelp("At most so many.", valueName: "count"))
    var limit = 25

    @Flag(help: "Keep going: show new events until interrupted.")
    var follow = false

    @OptionGroup(title: "Connection") var options: SharedOptions

    func validate() throws {
        guard limit > 0 else { throw ValidationError("--limit takes a number above 0") }
    }

    func run() throws {
        var service = try Service(options)
        let query = try queryOfFilter()
        if follow { return try followNewest(&service, query) }
        var left = limit
        var cursor: String?
        var items: [Value] = []
        repeat {
            let data = try page(&service, query, limit: min(left, Limits.queryLimit), cursor: cursor)
            if options.json { Terminal.print(data.json) }
            let page = data["items"]?.elements ?? []
            left -= page.count
            cursor = page.isEmpty ? nil : data["nextCursor"]?.shown
            if !options.json { items += page }
        } while left > 0 && cursor != nil
        if !options.json { Terminal.print(items.isEmpty ? "No events." : EventsTable.render(items, style: Terminal.style)) }
    }

    private func queryOfFilter() throws -> [(name: String, value: String)] {
        var query = try filter.query(now: Instant.now)
        if let flow { query.append(("flowId", flow)) }
        if unpriced { query.append(("unpriced", "true")) }
        return query
    }

    private func page(
        _ service: inout Service, _ query: [(name: String, value: String)], limit: Int, cursor: String?
    ) throws -> Value {
        var request = HTTPRequest("GET", Service.base + "/events")
        request.query = query + [("limit", String(limit))]
        if let cursor { request.query.append(("cursor", cursor)) }
        return try service.data(request)
    }

    // MARK: - Following

    /// Asks once a second for what came after the last event shown.
    private func followNewest(_ service: inout Service, _ query: [(name: String, value: String)]) throws {
        var last = 0
        var layout = EventsTable.Following(style: Terminal.style)
        var isFirst = true
        var isAway = false
        while true {
            do {
                for item in try newer(than: last, isFirst: isFirst, &service, query) {
                    Terminal.print(options.json ? item.json : layout.line(item))
                    last = max(last, EventsCommand.sequence(item))
                }
                if isAway { Terminal.complain("the daemon is back") }
                isAway = false
                isFirst = false
            } catch let failure as Failure where failure.status == ExitStatus.unreachable && !isFirst {
                // A daemon that is being restarted comes back: whoever follows wants to go on.
                if !isAway { Terminal.complain("\(failure.message); waiting for it") }
                isAway = true
            }
            sleep(1)
        }
    }

    /// The events after `last`, oldest first. The first time the newest few are enough; later everything that was missed is
    /// fetched, page by page.
    private func newer(
        than last: Int, isFirst: Bool, _ service: inout Service, _ query: [(name: String, value: String)]
    ) throws -> [Value] {
        var fresh: [Value] = []
        var cursor: String?
        repeat {
            let data = try page(&service, query, limit: isFirst ? min(limit, Limits.queryLimit) : 200, cursor: cursor)
            let items = data["items"]?.elements ?? []
            let new = items.filter { EventsCommand.sequence($0) > last }
            fresh += new
            cursor = isFirst || new.count < items.count || items.isEmpty ? nil : data["nextCursor"]?.shown
        } while cursor != nil
        return fresh.sorted { EventsCommand.sequence($0) < EventsCommand.sequence($1) }
    }

    static func sequence(_ item: Value) -> Int { item["sequence"]?.integer ?? 0 }
}

/// Events as a table.
enum EventsTable {
    static func render(_ items: [Value], style: Style) -> String {
        var table = Table([
            Table.Column(title: "occurred", alignment: .left), Table.Column(title: "customer", alignment: .left),
            Table.Column(title: "feature", alignment: .left), Table.Column(title: "event", alignment: .left),
            Table.Column(title: "model", alignment: .left), Table.Column(title: "input", alignment: .point),
            Table.Column(title: "output", alignment: .point), Table.Column(title: "cost", alignment: .point),
            Table.Column(title: "revenue", alignment: .point), Table.Column(title: "margin", alignment: .point),
        ])
        let amounts = ["costAmount", "revenueAmount", "marginAmount"]
        let places = Amount.places(for: items.flatMap { item in amounts.compactMap { item[$0]?.amount } })
        table.rows = items.map { item in
            let loses = (item["marginAmount"]?.amount ?? .zero) < .zero
            return names(item).map { Table.Cell($0) } + [
                Table.Cell(tokens(item, "inputTokens")), Table.Cell(tokens(item, "outputTokens")),
                Table.Cell(item["costAmount"]?.amount?.shown(places) ?? "unpriced"),
                Table.Cell(item["revenueAmount"]?.amount?.shown(places) ?? "-"),
                Table.Cell(item["marginAmount"]?.amount?.shown(places) ?? "-", isLoss: loses),
            ]
        }
        return table.render(style)
    }

    static func names(_ item: Value) -> [String] {
        [
            item["occurredAt"]?.string.map(wholeSeconds) ?? "-", item["customerReferenceId"]?.string ?? "-",
            item["featureKey"]?.string ?? "-",
            item["eventName"]?.string ?? "-", (item["model"] ?? item["costInput"]?["model"])?.string ?? "-",
        ]
    }

    /// An instant without its fraction: `2026-08-06T12:00:00Z`.
    static func wholeSeconds(_ instant: String) -> String {
        guard let point = instant.firstIndex(of: ".") else { return instant }
        return instant[..<point] + "Z"
    }

    private static func tokens(_ item: Value, _ name: String) -> String {
        (item[name] ?? item["costInput"]?[name])?.amount?.fixed(0) ?? "-"
    }

    /// Lines that come one at a time: columns grow with what was seen and never shrink.
    struct Following {
        var style: Style
        private var widths = [20, 12, 12, 12, 16]

        init(style: Style) { self.style = style }

        mutating func line(_ item: Value) -> String {
            var text = ""
            for (index, name) in EventsTable.names(item).enumerated() {
                let shown = name.printable.cut(toCells: Table.textCells, mark: style.unicode ? "…" : "~")
                widths[index] = max(widths[index], shown.cells)
                text += shown + String(repeating: " ", count: widths[index] - shown.cells + 2)
            }
            let cost = item["costAmount"]?.amount?.shown(6) ?? "unpriced"
            let revenue = item["revenueAmount"]?.amount?.shown(6) ?? "-"
            return text + style.dim("cost ") + cost + style.dim("  revenue ") + revenue
        }
    }
}
