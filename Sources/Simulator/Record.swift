// Record: what one run leaves behind: a hash of everything that happened in order, the last lines of it for a reader, what
// was counted, and the first promise that was found broken.

internal import Core

/// Shared by all parts of one world; one run is one thread.
final class Record {
    private struct Line {
        var time: UInt64
        var what: StaticString
        var subject: String
        var a: Int
        var b: Int
    }

    /// Simulated nanoseconds since the start of the run.
    var time: UInt64 = 0
    var coverage = Coverage()
    private(set) var hash: UInt64 = 0x9E37_79B9_7F4A_7C15
    private(set) var failure: String?
    /// Called with every line as it is noted.
    var follow: ((String) -> Void)?
    private var lines: [Line] = []
    private var next = 0
    private static let kept = 120

    /// Notes that something happened. `subject` names a file, a connection, an event.
    func note(_ what: StaticString, _ subject: String = "", _ a: Int = 0, _ b: Int = 0) {
        mix(time)
        mix(hashBytes(UnsafeRawBufferPointer(start: what.utf8Start, count: what.utf8CodeUnitCount), seed: hash))
        var copy = subject
        copy.withUTF8 { mix(hashBytes(UnsafeRawBufferPointer($0), seed: 1)) }
        mix(UInt64(bitPattern: Int64(a)))
        mix(UInt64(bitPattern: Int64(b)))
        let line = Line(time: time, what: what, subject: subject, a: a, b: b)
        if lines.count < Record.kept { lines.append(line) } else { lines[next] = line }
        next = (next + 1) % Record.kept
        if let follow { follow(Record.text(line)) }
    }

    private func mix(_ word: UInt64) {
        hash = (hash ^ word) &* 0x9FB2_1C65_1E98_DF25
        hash ^= hash >> 29
    }

    /// A promise was broken. The first one counts.
    func fail(_ text: String) {
        guard failure == nil else { return }
        failure = text
        note("FAILED", text)
    }

    /// The last lines, oldest first.
    var trace: [String] {
        let ordered = lines.count < Record.kept ? lines : Array(lines[next...] + lines[..<next])
        return ordered.map(Record.text)
    }

    private static func text(_ line: Line) -> String {
        let micro = String(line.time / 1000 % 1_000_000)
        let second = "\(line.time / 1_000_000_000)." + String(repeating: "0", count: 6 - micro.count) + micro
        return "\(second)  \(line.what) \(line.subject)" + (line.a != 0 || line.b != 0 ? "  \(line.a) \(line.b)" : "")
    }
}
