// `purser events`: single events, newest first; with --follow, as they come in; with `show`, one of them with its history.

import ArgumentParser
import Core
import Glibc

struct EventsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "events",
        abstract: "Single events, newest first.",
        discussion: "--follow shows the last ones, oldest first, and then each new one as it is recorded.",
        subcommands: [List.self, Show.self],
        defaultSubcommand: List.self
    )

    @OptionGroup var options: SharedOptions

    /// One event with everything that is known of it.
    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "One event: its price line by line, and every correction of it.")

        @Argument(help: ArgumentHelp("The event's idempotency key.", valueName: "key"))
        var key: String

        @OptionGroup(title: "Connection") var options: SharedOptions

        func run() throws {
            var service = try Service(options)
            let data = try service.data(HTTPRequest("GET", Service.base + "/events/" + percentEncoded(key)))
            Terminal.print(options.json ? data.json : EventDetail.text(data, style: Terminal.style))
        }
    }

    static func sequence(_ item: Value) -> Int { item["sequence"]?.integer ?? 0 }
}

extension EventsCommand {
    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Single events, newest first; what `purser events` does by itself.",
            discussion: "--follow shows the last ones, oldest first, and then each new one as it is recorded."
        )

        @OptionGroup(title: "Events") var filter: EventFilterOptions

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
            let query = try filter.query(now: Instant.now)
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
    }
}
