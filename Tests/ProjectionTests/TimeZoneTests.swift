// Time zones against Python's zoneinfo, which reads the same files with other code.

import Core
import Foundation
import Testing

@testable import Projection

@Suite struct TimeZoneTests {
    private static let script = """
        import sys
        from datetime import datetime, timedelta, timezone
        from zoneinfo import ZoneInfo
        epoch = datetime(1970, 1, 1, tzinfo=timezone.utc)
        for line in open(sys.argv[1]):
            name, *seconds = line.split()
            zone = ZoneInfo(name)
            offsets = ((epoch + timedelta(seconds=int(s))).astimezone(zone).utcoffset() for s in seconds)
            print(name, *(int(offset.total_seconds()) for offset in offsets))
        """

    @Test func offsetsOfEveryZoneAgreeWithPython() throws {
        var random = Seeded(11)
        var questions: [String] = []
        var answers: [String] = []
        for name in try zoneNames() {
            let rules = try #require(TimeZoneRules(name: Array(name.utf8)), "\(name)")
            var seconds = (0..<40).map { _ in Int64.random(in: 0..<7_258_118_400, using: &random) }
            // Beside transitions, near and far.
            let inside = rules.transitions.filter { $0 > 1 && $0 < 7_258_118_000 }
            for time in inside.shuffled(using: &random).prefix(20) + inside.suffix(2) { seconds += [time - 1, time, time + 1] }
            questions.append("\(name) \(seconds.map(String.init).joined(separator: " "))")
            answers.append("\(name) \(seconds.map { String(rules.offset(at: $0).offset) }.joined(separator: " "))")
        }
        #expect(questions.count > 300)
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("purser-zones-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appendingPathComponent("questions")
        try (questions.joined(separator: "\n") + "\n").write(to: file, atomically: false, encoding: .utf8)
        let (status, output) = try run("/usr/bin/python3", ["-I", "-c", TimeZoneTests.script, file.path])
        #expect(status == 0)
        let expected = output.split(separator: "\n").map(String.init)
        #expect(expected.count == answers.count)
        for (mine, theirs) in zip(answers, expected) where mine != theirs { Issue.record("\(mine)\nis not\n\(theirs)") }
    }

    private func zoneNames() throws -> [String] {
        let text = try String(contentsOfFile: TimeZoneRules.directory + "tzdata.zi", encoding: .utf8)
        return text.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ")
            if fields.first == "Z" { return String(fields[1]) }
            return fields.first == "L" ? String(fields[2]) : nil
        }
    }

    @Test(arguments: [
        "../../etc/passwd", "/etc/passwd", "Europe//Berlin", "Europe/", "/", ".", "..", "Europe/Berlin\0", "Europe/Berlin ",
        "europe\\berlin",
        "tzdata.zi", "right/UTC", "posix/UTC", "localtime", "Europe", "Nowhere/Land", "zone.tab", "leapseconds",
        String(repeating: "A", count: 65),
    ]) func namesThatAreNoZonesAreRefused(_ name: String) { #expect(TimeZoneRules(name: Array(name.utf8)) == nil) }

    @Test func anUnknownZoneIsInvalid() throws {
        let journal = try TestJournal()
        let projection = try openProjection(journal)
        let query = MarginsQuery(groupBy: [.day], filter: EventFilter(), timezone: Array("Nowhere/Land".utf8))
        let answer = projection.answer(.margins(query), now: Timestamp(nanoseconds: 0))
        #expect(answer.status == 400 && answer.code == "validation_failed")
        #expect(answer.message == "Invalid value for parameter: timezone")
    }

    /// Every prefix and many mutations of a real file: refused or read, never a trap.
    @Test func damagedZoneFilesNeverTrap() throws {
        let good = [UInt8](try Data(contentsOf: URL(fileURLWithPath: TimeZoneRules.directory + "America/New_York")))
        var read = 0
        for length in 0..<good.count where good[..<length].withUnsafeBytes({ TimeZoneRules(tzif: $0) }) != nil { read += 1 }
        #expect(read == 0)
        var random = Seeded(12)
        for _ in 0..<1000 {
            var bytes = good
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            if let rules = bytes.withUnsafeBytes({ TimeZoneRules(tzif: $0) }) {
                let start = Int64.random(in: 0..<7_200_000_000, using: &random) * 1_000_000_000
                let dates = LocalDates(from: start, to: start + 400 * 86_400_000_000_000, in: rules)
                #expect(!dates.starts.isEmpty)
            }
        }
    }

    @Test func footersAreReadOrRefused() {
        func zone(_ text: String) -> PosixZone? { PosixZone(Array(text.utf8)) }
        #expect(zone("EST5EDT,M3.2.0,M11.1.0")?.saving?.offset == Int32(-14_400))
        #expect(zone("<+0330>-3:30")?.standard == 12_600)
        #expect(zone("IST-1GMT0,M10.5.0,M3.5.0/1")?.saving?.offset == 0)
        #expect(zone("<-02>2<-01>,M3.5.0/-1,M10.5.0/0")?.saving != nil)
        for bad in [
            "", "EST", "5", "EST5EDT", "EST5EDT,M13.1.0,M1.1.0", "EST5EDT,M3.6.0,M1.1.0", "EST99", "EST5EDT,M3.2.0", "<ab5", "EST5x",
        ] {
            #expect(zone(bad) == nil, "\(bad)")
        }
    }
}
