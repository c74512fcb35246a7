// EventFilterOptions: which events a question is about; shared by `margins`, `events`, `reprice` and `simulate`.
//
// `--to` means two things: where the daemon listens (`unix:` or `tcp:`), and with these commands also the end of a span
// of time. The argument tells them apart; the second is rewritten to `--until` before anything is parsed.

import ArgumentParser
import Core

struct EventFilterOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Events at or after this: an instant, a date, a month, or an age such as 24h or 7d.", valueName: "time"))
    var from: String?

    @Option(help: ArgumentHelp("Events before this; may also be written --to.", valueName: "time"))
    var until: String?

    @Option(help: ArgumentHelp("Only this customer.", valueName: "reference"))
    var customer: String?

    @Option(help: ArgumentHelp("Only this feature.", valueName: "key"))
    var feature: String?

    @Option(help: ArgumentHelp("Only this model.", valueName: "name"))
    var model: String?

    @Option(help: ArgumentHelp("Only this provider.", valueName: "name"))
    var provider: String?

    @Option(help: ArgumentHelp("Only events of this name.", valueName: "name"))
    var event: String?

    @Option(help: ArgumentHelp("Only this flow.", valueName: "id"))
    var flow: String?

    @Flag(help: "Only events without a price.")
    var unpriced = false

    /// The filter with its times made absolute, so that it means the same events however often it is used.
    func resolved(now: Timestamp) throws -> EventFilterText {
        var text = EventFilterText()
        func add(_ option: String, _ name: String, _ value: String?) {
            if let value { text.parts.append((option, name, value)) }
        }
        add("--from", "from", try Instant.query(from, option: "--from", now: now))
        add("--to", "to", try Instant.query(until, option: "--to", now: now))
        add("--customer", "customerReferenceId", customer)
        add("--feature", "featureKey", feature)
        add("--model", "model", model)
        add("--provider", "modelProvider", provider)
        add("--event", "eventName", event)
        add("--flow", "flowId", flow)
        text.isUnpriced = unpriced
        return text
    }

    /// The query, names as the HTTP interface has them.
    func query(now: Timestamp) throws -> [(name: String, value: String)] { try resolved(now: now).query }
}

/// A filter as the HTTP interface has it, and as it is typed.
struct EventFilterText {
    var parts: [(option: String, name: String, value: String)] = []
    var isUnpriced = false

    var query: [(name: String, value: String)] { parts.map { ($0.name, $0.value) } + (isUnpriced ? [("unpriced", "true")] : []) }

    /// Members of a request's body.
    var members: [Value.Member] {
        parts.map { Value.Member(name: $0.name, value: .string($0.value)) }
            + (isUnpriced ? [Value.Member(name: "unpriced", value: .bool(true))] : [])
    }

    var words: [String] { parts.flatMap { [$0.option, $0.value] } + (isUnpriced ? ["--unpriced"] : []) }

    /// The filter of a request's body, as a run remembers it, in words.
    static func shown(_ filter: Value) -> String {
        guard case .object(let members) = filter, !members.isEmpty else { return "everything" }
        let names = [
            "customerReferenceId": "customer", "featureKey": "feature", "modelProvider": "provider", "eventName": "event", "flowId": "flow",
        ]
        return members.map { member in
            if member.name == "unpriced" { return member.value == .bool(true) ? "unpriced" : "priced" }
            return (names[member.name] ?? member.name) + " " + member.value.shown
        }.joined(separator: ", ")
    }
}

/// Rewrites `--to TIME` after a command that takes a filter to `--until TIME`; everything else stays as typed.
func timesApart(_ arguments: [String]) -> [String] {
    var index = 0
    // The options that may stand in front of a command.
    while index < arguments.count, arguments[index].hasPrefix("-") {
        let takesValue = arguments[index] == "--to" || arguments[index] == "--key-file"
        index += takesValue ? 2 : 1
    }
    guard index < arguments.count, ["margins", "events", "reprice", "simulate"].contains(arguments[index]) else { return arguments }
    let isAddress: (Substring) -> Bool = { $0.hasPrefix("unix:") || $0.hasPrefix("tcp:") }
    var result = Array(arguments[...index])
    index += 1
    while index < arguments.count {
        let argument = arguments[index]
        if argument == "--" { break }
        let next = index + 1 < arguments.count ? arguments[index + 1][...] : ""
        if argument == "--to", !isAddress(next) {
            result.append("--until")
        } else if argument.hasPrefix("--to="), !isAddress(argument.dropFirst(5)) {
            result.append("--until=" + argument.dropFirst(5))
        } else {
            result.append(argument)
        }
        index += 1
    }
    return result + arguments[index...]
}
