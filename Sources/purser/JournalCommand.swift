// `purser journal`: looks into a state directory, whether the daemon runs or not. Nothing is ever changed or locked.

import ArgumentParser
import Core
import FileStorage
import Glibc
import Journal
import Sealing

struct JournalCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "journal",
        abstract: "Verify, dump, measure or copy the journal of a state directory; say what a start would repair.",
        discussion: "Reads only; the daemon may be running. What it is writing at that moment does not count yet.",
        subcommands: [Verify.self, Dump.self, Stats.self, Copy.self, Repair.self]
    )

    struct Place: ParsableArguments {
        @Option(help: ArgumentHelp("The state directory; without it the daemon's standard one.", valueName: "dir"))
        var state: String?

        func storage() throws -> SealedStorage<FileStorage, ZstdCodec> {
            let directory = FileStorage.journalDirectory(of: state ?? StateDirectory.current)
            guard access(directory, R_OK | X_OK) == 0 else {
                throw Failure.usage("cannot read \(directory.printable): \(systemError())")
            }
            return SealedStorage(FileStorage(directory: directory, access: .readOnly), ZstdCodec())
        }
    }

    struct Verify: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Check every byte of the journal.",
            discussion: "Exit status 1 when it is damaged: the first place is named, and nothing after it is trusted."
        )

        @OptionGroup var place: Place
        @OptionGroup(title: "Connection") var options: SharedOptions

        func run() throws {
            let report = JournalVerify.run(try place.storage())
            if options.json {
                Terminal.print(Verify.json(report).json)
            } else if let text = Verify.text(report) {
                Terminal.print(text)
            }
            if let problem = report.problem { throw Failure.refused(Verify.reason(problem)) }
        }

        /// What a sound journal holds; nil for one that is not.
        static func text(_ report: JournalVerify) -> String? {
            guard report.isGood, let found = report.recovered else { return nil }
            let segments = found.firstSegment == 0 ? 0 : Int(found.tail.segment) - Int(found.firstSegment) + 1
            var text = "intact: \(grouped(String(report.events))) events in \(grouped(String(report.batches))) batches, "
            text += "\(grouped(String(found.bytes))) bytes in \(segments) segments"
            if found.droppedEvents > 0 {
                text += ", \(grouped(String(found.droppedEvents))) of the events in sums only (\(found.condensed.count) condensed files)"
            }
            if report.batches > 0 { text += "; last written \(found.tail.lastTime)" }
            if found.cutBytes > 0 { text += "\n\(found.cutBytes) bytes at the end are being written, or were torn by a crash" }
            for name in found.ignored { text += "\nnot a segment, passed over: \(name.printable)" }
            return text
        }

        static func json(_ report: JournalVerify) -> Value {
            .fields(
                ("intact", .bool(report.isGood)),
                ("reason", report.problem.map { .string(reason($0)) }),
                ("events", .number(String(report.events))),
                ("batches", .number(String(report.batches))),
                ("facts", .number(String(report.facts))),
                ("checkedToSegment", .number(String(report.checkedTo.segment))),
                ("checkedToOffset", .number(String(report.checkedTo.offset))),
                ("journal", report.recovered.map { .string("\($0.tail.id)") }),
                ("droppedEvents", report.recovered.map { .number(String($0.droppedEvents)) }),
                ("nextSequence", report.recovered.map { .number(String($0.tail.nextSequence)) }),
                ("cutBytes", report.recovered.map { .number(String($0.cutBytes)) })
            )
        }

        static func reason(_ error: JournalError) -> String {
            if case .visitor(let inner as JournalError) = error { return reason(inner) }
            return "\(error)".printable
        }
    }

    struct Dump: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print the facts as JSON, one a line, oldest first.",
            discussion: "Names stand in place of string numbers. Digests of API keys are left out."
        )

        @OptionGroup var place: Place

        @Option(help: ArgumentHelp("Start with this segment.", valueName: "number"))
        var segment: UInt32 = 0

        @Option(help: ArgumentHelp("At most so many lines.", valueName: "count"))
        var limit: Int = .max

        @Flag(help: "Print events only.")
        var events = false

        @OptionGroup(title: "Connection") var options: SharedOptions

        private struct Enough: Error {}

        func run() throws {
            let storage = try place.storage()
            var left = max(0, limit)
            do throws(JournalError) {
                try JournalDump.run(storage, fromSegment: segment, eventsOnly: events) { lines in
                    Terminal.print(bytes: Dump.head(lines, &left))
                    if left == 0 { throw Enough() }
                }
            } catch {
                if case .visitor(let reason) = error, reason is Enough { return }
                throw Failure.refused(Verify.reason(error))
            }
        }

        /// The first `left` lines; `left` goes down by their number.
        static func head(_ lines: UnsafeRawBufferPointer, _ left: inout Int) -> UnsafeRawBufferPointer {
            var end = 0
            while left > 0, end < lines.count, let feed = lines[end...].firstIndex(of: 0x0A) {
                end = feed + 1
                left -= 1
            }
            return UnsafeRawBufferPointer(rebasing: lines[..<end])
        }
    }

    struct Stats: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "How much there is of what.")

        @OptionGroup var place: Place
        @OptionGroup(title: "Connection") var options: SharedOptions

        func run() throws {
            let storage = try place.storage()
            var stats: JournalStats
            do throws(JournalError) { stats = try JournalStats.run(storage) } catch { throw Failure.refused(Verify.reason(error)) }
            stats.savedBytes = UInt64(storage.savedBytes)
            Terminal.print(options.json ? Stats.json(stats).json : Stats.text(stats, Terminal.style))
        }

        static func json(_ stats: JournalStats) -> Value {
            let number: (UInt64) -> Value = { .number(String($0)) }
            let time: (Timestamp?) -> Value? = { $0.map { .string("\($0)") } }
            return .fields(
                ("segments", .number(String(stats.segments))), ("firstSegment", .number(String(stats.firstSegment))),
                ("fileBytes", number(stats.fileBytes - min(stats.savedBytes, stats.fileBytes))), ("savedBytes", number(stats.savedBytes)),
                ("condensedFiles", .number(String(stats.condensedFiles))),
                ("condensedBytes", number(stats.condensedBytes)), ("droppedEvents", number(stats.droppedEvents)),
                ("batches", number(stats.batches)), ("batchBytes", number(stats.batchBytes)),
                ("events", number(stats.events)), ("firstSequence", number(stats.firstSequence)),
                ("lastSequence", number(stats.lastSequence)), ("bytesPerEvent", stats.bytesPerEvent.map { .number("\($0)") }),
                ("firstWritten", time(stats.firstTime)), ("lastWritten", time(stats.lastTime)),
                ("earliestEvent", time(stats.earliest)), ("latestEvent", time(stats.latest)),
                ("pricedEvents", number(stats.pricedEvents)), ("unpricedEvents", number(stats.unpricedEvents)),
                ("costGivenEvents", number(stats.costGivenEvents)), ("costAmount", .number("\(stats.cost)")),
                ("revenueAmount", .number("\(stats.revenue)")),
                ("facts", .object(FactType.allCases.map { Value.Member(name: "\($0.name)", value: number(stats.count(of: $0))) }))
            )
        }

        static func text(_ stats: JournalStats, _ style: Style) -> String {
            let number: (UInt64) -> String = { grouped(String($0)) }
            let time: (Timestamp?) -> String = { $0.map { "\($0)" } ?? "-" }
            var lines: [(String, String)] = [
                ("events", number(stats.events)), ("  priced", number(stats.pricedEvents)), ("  unpriced", number(stats.unpricedEvents)),
                ("  cost given", number(stats.costGivenEvents)),
                ("cost", Amount(scaled: stats.cost.picodollars).exact), ("revenue", Amount(scaled: stats.revenue.picodollars).exact),
                ("earliest event", time(stats.earliest)), ("latest event", time(stats.latest)),
                ("first written", time(stats.firstTime)), ("last written", time(stats.lastTime)),
                ("segments", number(UInt64(stats.segments))), ("batches", number(stats.batches)),
                ("bytes used", number(stats.batchBytes)),
                ("bytes of files", number(stats.fileBytes - min(stats.savedBytes, stats.fileBytes))),
            ]
            if stats.savedBytes > 0 { lines.append(("saved by sealing", number(stats.savedBytes))) }
            if stats.condensedFiles > 0 {
                lines += [
                    ("first kept segment", number(UInt64(stats.firstSegment))), ("condensed files", number(UInt64(stats.condensedFiles))),
                    ("bytes of them", number(stats.condensedBytes)), ("events dropped", number(stats.droppedEvents)),
                ]
            }
            if let each = stats.bytesPerEvent { lines.append(("bytes an event", Amount("\(each)")?.fixed(1) ?? "-")) }
            let width = lines.map { $0.0.count }.max() ?? 0
            var facts = Table([
                Table.Column(title: "fact", alignment: .left), Table.Column(title: "count", alignment: .point),
                Table.Column(title: "bytes", alignment: .point),
            ])
            for type in FactType.allCases where stats.count(of: type) > 0 {
                facts.rows.append([
                    Table.Cell("\(type.name)"), Table.Cell(number(stats.count(of: type))), Table.Cell(number(stats.bytes(of: type))),
                ])
            }
            let list = lines.map { $0.0 + String(repeating: " ", count: width - $0.0.count + 2) + $0.1 }.joined(separator: "\n")
            return list + "\n\n" + facts.render(style)
        }
    }
}
