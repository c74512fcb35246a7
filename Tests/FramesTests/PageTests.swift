// The pages in protocol/ against the code: the same names, the same numbers, the same order, the same bytes.

import Core
import Foundation
import Frames
import Testing

@Suite struct PageTests {
    /// The cells of every row of a table whose first cells match.
    private func rows(_ page: String, where matches: ([String]) -> Bool) -> [[String]] {
        Repository.text("protocol/\(page)").split(separator: "\n").compactMap { line in
            guard line.hasPrefix("|") else { return nil }
            let cells = line.dropFirst().dropLast().split(separator: "|", omittingEmptySubsequences: false)
            let trimmed = cells.map { $0.trimmingCharacters(in: .whitespaces).replacingOccurrences(of: "`", with: "") }
            return matches(trimmed) ? trimmed : nil
        }
    }

    /// Number and name of every pair of neighbouring cells that hold one, in tables whose header row starts with `title`.
    private func pairs(_ page: String, _ title: String) -> [Int: String] {
        var found: [Int: String] = [:]
        var inside = false
        for line in Repository.text("protocol/\(page)").split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("| \(title) |") { inside = true }
            guard line.hasPrefix("|") else {
                inside = false
                continue
            }
            guard inside else { continue }
            let cells = line.split(separator: "|", omittingEmptySubsequences: false).map { $0.trimmingCharacters(in: .whitespaces) }
            for (number, name) in zip(cells, cells.dropFirst()) {
                if let number = Int(number), name.hasPrefix("`") { found[number] = name.replacingOccurrences(of: "`", with: "") }
            }
        }
        return found
    }

    @Test func limitsPageHoldsEveryLimitOfTheSource() throws {
        let source = Repository.text("Sources/Core/Limits.swift")
        var values: [String: Int] = [:]
        for match in source.matches(of: /static let (\w+) = ([\d_ *]+)/) {
            let factors = match.2.split(separator: "*").map { $0.replacingOccurrences(of: "_", with: "") }
            values[String(match.1)] = factors.reduce(1) { $0 * (Int($1.trimmingCharacters(in: .whitespaces)) ?? 0) }
        }
        #expect(values.count == source.components(separatedBy: "static let ").count - 1, "a limit is not written as a product of numbers")
        let table = rows("limits.md") { $0.count == 5 && values[$0[0]] != nil || $0.count == 5 && Int($0[1]) != nil }
        #expect(Dictionary(uniqueKeysWithValues: table.map { ($0[0], Int($0[1])) }) == values.mapValues(Optional.init))
        for row in table { #expect(row.allSatisfy { !$0.isEmpty }, "\(row[0])") }
    }

    @Test func outcomesPageHoldsTheEnumsInTheirOrder() {
        let outcomes = rows("outcomes.md") { $0.count == 6 && Int($0[0]) != nil }
        #expect(outcomes.map { $0[0] } == Outcome.allCases.map { "\($0.rawValue)" })
        #expect(outcomes.map { $0[1] } == Outcome.allCases.map { "\($0.name)" })
        #expect(outcomes.map { $0[2] } == Outcome.allCases.map { "\($0.httpStatus)" })
        #expect(outcomes.map { $0[3] } == Outcome.allCases.map { "\($0.code)" })
        let fields = rows("outcomes.md") { $0.count == 3 && Int($0[0]) != nil }
        #expect(fields.map { $0[0] } == EventField.allCases.map { "\($0.rawValue)" })
        #expect(fields.map { $0[1] } == EventField.allCases.map { "\($0)" })
        #expect(fields.map { $0[2] } == EventField.allCases.map { "\($0.name)" })
    }

    @Test func binaryPageHoldsEveryCode() {
        let errors = rows("binary.md") { $0.count == 4 && Int($0[0]) != nil && ["yes", "no"].contains($0[2]) }
        #expect(errors.map { $0[0] } == FrameError.allCases.map { "\($0.rawValue)" })
        #expect(errors.map { $0[1] } == FrameError.allCases.map { "\($0.name)" })
        #expect(errors.map { $0[2] } == FrameError.allCases.map { $0.closes ? "yes" : "no" })
        func codes<T: CaseIterable & RawRepresentable>(_ type: T.Type) -> [Int: String] where T.RawValue == UInt8 {
            Dictionary(uniqueKeysWithValues: T.allCases.map { (Int($0.rawValue), "\($0)") })
        }
        #expect(pairs("binary.md", "kind") == codes(UsageKind.self))
        #expect(pairs("binary.md", "limit id") == codes(FrameLimit.self))
        // One table holds tiers on its left and extras on its right; their numbers overlap, so the last of each wins.
        let mixed = rows("binary.md") { $0.count == 6 && Int($0[3]) != nil && EventExtra.allCases.map { "\($0)" }.contains($0[4]) }
        #expect(mixed.map { "\($0[3]) \($0[4])" } == EventExtra.allCases.map { "\($0.rawValue) \($0)" })
        let tiers = mixed.filter { !$0[0].isEmpty }
        #expect(tiers.map { "\($0[0]) \($0[1])" } == ServiceTier.allCases.map { "\($0.rawValue) \($0.name)" })
        let types = rows("binary.md") { $0.count == 4 && $0[0].hasPrefix("0x") }
        #expect(types.map { UInt8($0[0].dropFirst(2), radix: 16) } == FrameType.allCases.map(\.rawValue))
        #expect(types.map { $0[2] } == FrameType.allCases.map { $0.isRequest ? "client" : "server" })
        #expect(
            FrameLimit.allCases.allSatisfy { limit in
                rows("limits.md") { $0[0] == "\(limit)" }.first.map { $0[1] } == "\(limit.value)"
            })
    }

    @Test func theTranscriptIsTheBytesOfTheVectors() throws {
        let page = Repository.text("protocol/binary.md")
        let block = try #require(page.components(separatedBy: "```transcript\n").dropFirst().first?.components(separatedBy: "```").first)
        var sides = ["C": "", "S": ""]
        var side = ""
        for line in block.split(separator: "\n") {
            if line.dropFirst().hasPrefix(":") { side = String(line.prefix(1)) }
            sides[side]?.append(contentsOf: line.dropFirst(3).prefix(47).filter { $0 != " " })
        }
        #expect(sides["C"] == Vectors.client.first { $0.name == "transcript-client" }?.hex)
        #expect(sides["S"] == Vectors.server.first { $0.name == "transcript-server" }?.hex)
    }

    @Test func aSecondImplementationReadsAndWritesEveryVector() throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        let script = Repository.root.appendingPathComponent("Tests/FramesTests/purser_frames.py").path
        process.arguments = ["python3", "-B", script, "check"]
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "\(text)")
        #expect(text.contains("\(Vectors.all.count) vectors, 0 failures"))
    }
}
