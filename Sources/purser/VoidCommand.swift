// `purser void`: takes an event out of every total, for good. The event stays on record, marked, with the reason.

import ArgumentParser
import Core

struct VoidCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "void",
        abstract: "Take an event out of every total.",
        discussion: """
            The event stays on record, marked as void, with the reason; totals change by exactly its amounts. There is no way back: \
            send the right event under another key. Asks first when a person is at the terminal, unless --yes is given.
            """
    )

    @Argument(help: ArgumentHelp("The event's idempotency key.", valueName: "key"))
    var key: String

    @Option(help: ArgumentHelp("Why, in up to \(Limits.reasonScalars) characters.", valueName: "text"))
    var reason: String

    @Flag(name: .shortAndLong, help: "Do not ask.")
    var yes = false

    @OptionGroup(title: "Connection") var options: SharedOptions

    func validate() throws {
        guard reason.contains(where: { $0 != " " }), reason.unicodeScalars.count <= Limits.reasonScalars else {
            throw ValidationError("--reason takes 1 to \(Limits.reasonScalars) characters")
        }
    }

    func run() throws {
        var service = try Service(options)
        let path = Service.base + "/events/" + percentEncoded(key)
        if !yes, Terminal.canAsk {
            let event = try service.data(HTTPRequest("GET", path))
            Terminal.status(EventDetail.text(event, style: Terminal.errorStyle) + "\n")
            guard Terminal.agrees("\nTake this event out of every total? There is no way back.") else {
                throw Failure.refused("nothing was changed")
            }
        }
        let body = Value.fields(("reason", .string(reason)))
        let data = try service.data(HTTPRequest("POST", path + "/void", body: Array(body.json.utf8)))
        Terminal.print(options.json ? data.json : VoidCommand.text(data))
    }

    static func text(_ data: Value) -> String {
        var amounts: [String] = []
        if let cost = data["costAmount"]?.amount, cost != .zero { amounts.append("cost \(cost.exact) USD") }
        if let revenue = data["revenueAmount"]?.amount, revenue != .zero { amounts.append("revenue \(revenue.exact) USD") }
        let key = data["eventIdempotencyKey"]?.string?.printable ?? "the event"
        let taken = amounts.isEmpty ? "It had no amounts." : "Out of every total: \(amounts.joined(separator: ", "))."
        return "\(key) (event \(data["eventId"]?.shown.printable ?? "-")) is void. \(taken)"
    }
}
