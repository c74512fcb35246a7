// `purser journal copy`: a backup of the journal while the daemon writes to it.

import ArgumentParser
import Core
import FileStorage
import Glibc
import Journal

extension JournalCommand {
    struct Copy: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Copy the journal to an empty directory: a backup, also while the daemon writes.",
            discussion: """
                Everything is checked before, and the copy again afterwards. It holds every event that was acknowledged before the \
                command began. Put in the place of the state directory, the copy is all that purserd needs.
                """
        )

        @Argument(help: ArgumentHelp("The directory to make.", valueName: "directory"))
        var directory: String

        @OptionGroup var place: Place
        @OptionGroup(title: "Connection") var options: SharedOptions

        func run() throws {
            let source = try place.storage()
            let report = JournalVerify.run(source)
            if let problem = report.problem { throw Failure.refused(Verify.reason(problem)) }
            guard let found = report.recovered else { return }
            let target = FileStorage.journalDirectory(of: directory)
            // Never into a directory with something in it: two journals mixed are none.
            for path in [directory, target] {
                guard mkdir(path, 0o700) == 0 || path == directory && errno == EEXIST else {
                    throw Failure.usage("cannot make \(path.printable): \(systemError())")
                }
            }
            let copy = FileStorage(directory: target)
            let bytes: Int
            do throws(StorageError) {
                bytes = try JournalCopy.run(source, to: copy, found)
            } catch {
                throw Failure.refused("\(error.operation) of \(error.file.printable): \(String(cString: strerror(error.errno)))")
            }
            let again = JournalVerify.run(FileStorage(directory: target, access: .readOnly))
            guard again.isGood, again.events == report.events else {
                let reason = again.problem.map { Verify.reason($0) } ?? "events are missing"
                throw Failure.refused("the copy does not hold what was copied: \(reason)")
            }
            let (events, size) = (String(again.events), String(bytes))
            if options.json {
                let fields = Value.fields(("events", .number(events)), ("bytes", .number(size)), ("directory", .string(directory)))
                Terminal.print(fields.json)
            } else {
                Terminal.print("copied \(grouped(events)) events, \(grouped(size)) bytes, to \(directory.printable); it is intact")
            }
        }
    }
}
