// EventFilterOptions: which events a question is about; shared by `margins` and `events`.
//
// `--to` means two things: where the daemon listens (`unix:` or `tcp:`), and with these two commands also the end of a span
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

    /// The query, names as the HTTP interface has them.
    func query(now: Timestamp) throws -> [(name: String, value: String)] {
        var query: [(name: String, value: String)] = []
        func add(_ name: String, _ value: String?) { if let value { query.append((name, value)) } }
        add("from", try Instant.query(from, option: "--from", now: now))
        add("to", try Instant.query(until, option: "--to", now: now))
        add("customerReferenceId", customer)
        add("featureKey", feature)
        add("model", model)
        add("modelProvider", provider)
        add("eventName", event)
        return query
    }
}

/// Rewrites `--to TIME` after `margins` or `events` to `--until TIME`; everything else stays as typed.
func timesApart(_ arguments: [String]) -> [String] {
    var index = 0
    // The options that may stand in front of a command.
    while index < arguments.count, arguments[index].hasPrefix("-") {
        let takesValue = arguments[index] == "--to" || arguments[index] == "--key-file"
        index += takesValue ? 2 : 1
    }
    guard index < arguments.count, arguments[index] == "margins" || arguments[index] == "events" else { return arguments }
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
