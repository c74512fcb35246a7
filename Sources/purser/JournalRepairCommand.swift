// `purser journal repair --dry-run`: what a start of the daemon would do to the files of the journal. The start does it; this never
// does.

import ArgumentParser
import Core
import FileStorage
import Journal

extension JournalCommand {
    struct Repair: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Say what a start of purserd would change in the journal, or why it would refuse it.",
            discussion: """
                Changes nothing, and has to be asked for with --dry-run: a start of purserd is what repairs. While a daemon runs, what it \
                is writing at that moment looks torn. Exit status 1 when a start would refuse the journal.
                """
        )

        @Flag(help: "Only say it.")
        var dryRun = false

        @OptionGroup var place: Place
        @OptionGroup(title: "Connection") var options: SharedOptions

        func run() throws {
            guard dryRun else {
                throw Failure.usage("a start of purserd repairs what can be repaired; --dry-run says what it would do")
            }
            let storage = try place.storage()
            let report = JournalVerify.run(storage)
            if let problem = report.problem { try refuse(problem) }
            let rehearsed = RehearsedStorage(storage)
            let found: RecoveredJournal
            do throws(JournalError) {
                // Segments that are there are as long as the one in use, whatever new ones would be.
                let size = report.recovered?.tail.segmentBytes ?? Limits.segmentBytes
                found = try Recovery.run(rehearsed, segmentBytes: size) { _, _ in }
            } catch {
                return try refuse(error)
            }
            Terminal.print(options.json ? Repair.json(rehearsed.changes, found).json : Repair.text(rehearsed.changes, found))
        }

        private func refuse(_ problem: JournalError) throws {
            let reason = Verify.reason(problem)
            if options.json { Terminal.print(Value.fields(("starts", .bool(false)), ("reason", .string(reason))).json) }
            throw Failure.refused("a start would refuse it and change nothing: \(reason)")
        }

        static func text(_ changes: [RehearsedChange], _ found: RecoveredJournal) -> String {
            let number: (Int) -> String = { grouped(String($0)) }
            var lines = changes.map { change in
                switch change.kind {
                case .cut:
                    "\(change.file): \(number(change.bytes)) bytes from byte \(number(change.offset)) on set to 0: torn, or being written"
                case .extended: "\(change.file): extended by \(number(change.bytes)) zeros from byte \(number(change.offset)) on"
                case .removed: "\(change.file): removed, \(number(change.bytes)) bytes; nothing in it counts"
                }
            }
            lines.insert(lines.isEmpty ? "a start would change nothing" : "a start would make these changes:", at: 0)
            lines += found.ignored.map { "\($0.printable): not a segment, passed over" }
            lines.append("\(grouped(String(found.events))) events are there before and after")
            return lines.joined(separator: "\n")
        }

        static func json(_ changes: [RehearsedChange], _ found: RecoveredJournal) -> Value {
            .fields(
                ("starts", .bool(true)),
                (
                    "changes",
                    .array(
                        changes.map {
                            .fields(
                                ("change", .string($0.kind.rawValue)), ("file", .string($0.file)), ("offset", .number(String($0.offset))),
                                ("bytes", .number(String($0.bytes))))
                        })
                ),
                ("ignored", .array(found.ignored.map { .string($0) })), ("events", .number(String(found.events)))
            )
        }
    }
}
