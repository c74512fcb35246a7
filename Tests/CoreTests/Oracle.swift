// Oracle: a second opinion from Python, which shares no code with what it judges. One process reads many questions, one a
// line, and writes as many answers.

import Foundation
import Testing

/// A generator with a fixed seed (SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators"), so
/// that a failure is the same failure next time.
struct Seeded: RandomNumberGenerator {
    var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

enum Oracle {
    static let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("oracle/core_oracle.py")

    struct Failed: Error, CustomStringConvertible {
        var description: String
    }

    /// The answers of `core_oracle.py` in `mode` to `questions`, in their order.
    static func answers(_ mode: String, to questions: [String]) throws -> [String] {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("purser-oracle-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let input = folder.appendingPathComponent("questions")
        let output = folder.appendingPathComponent("answers")
        try (questions.joined(separator: "\n") + "\n").write(to: input, atomically: false, encoding: .utf8)
        let python = Process()
        python.executableURL = URL(fileURLWithPath: "/usr/bin/python3")
        python.arguments = ["-I", script.path, mode, input.path, output.path]
        python.standardInput = FileHandle.nullDevice
        try python.run()
        python.waitUntilExit()
        guard python.terminationStatus == 0 else { throw Failed(description: "python3 ended with \(python.terminationStatus)") }
        var lines = try String(contentsOf: output, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false).map(
            String.init)
        if lines.last == "" { lines.removeLast() }
        guard lines.count == questions.count else { throw Failed(description: "\(lines.count) answers to \(questions.count) questions") }
        return lines
    }
}
