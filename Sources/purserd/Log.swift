// Log: one line a happening, on standard error. Never a key, never a payload.
//
// Three readers, told apart once at the start: a terminal or a file gets the text; the journal of systemd gets the text with its
// fields, in the journal's own protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL); and where standard error leads to the journal and that
// protocol cannot be spoken, the line begins with `<level>` (sd-daemon(3)). JOURNAL_STREAM says where standard error leads.
//
// Nothing waits for the journal: the loop must not stand still because a log does. A kind of line that repeats is cut off after
// `Limits.logLines` in `Limits.logSeconds`, and the next line of its kind that is written says how many were left out.

import Core
import Glibc
import Runtime
import Server
import Synchronization

enum Log {
    private struct Kind {
        var since: UInt64
        var count = 0
        var left = 0
    }

    private enum Sink {
        case plain
        case prefixed
        case journal(Int32)
    }

    private struct State {
        /// Kinds are words of this program: there are a few dozen at most.
        var kinds: [String: Kind] = [:]
        var errors: UInt64 = 0
        var warnings: UInt64 = 0
        var lastKind: String?
        var lastAt = Timestamp(nanoseconds: 0)
    }

    private static let state = Mutex<State>(State())
    private static let sink = findSink()

    static func error(_ kind: String, _ text: String, _ fields: [(name: String, value: String)] = []) {
        write(LogLine(.error, kind, text, fields))
    }

    static func warning(_ kind: String, _ text: String, _ fields: [(name: String, value: String)] = []) {
        write(LogLine(.warning, kind, text, fields))
    }

    static func notice(_ kind: String, _ text: String, _ fields: [(name: String, value: String)] = []) {
        write(LogLine(.notice, kind, text, fields))
    }

    static func info(_ kind: String, _ text: String, _ fields: [(name: String, value: String)] = []) {
        write(LogLine(.info, kind, text, fields))
    }

    /// May be called on any thread.
    static func write(_ line: LogLine) {
        let instant = EventLoop.instant
        let now = instant.monotonic
        let left: Int? = state.withLock { state in
            if line.level.rawValue <= LogLine.Level.warning.rawValue {
                if line.level == .error { state.errors += 1 } else { state.warnings += 1 }
                (state.lastKind, state.lastAt) = (line.kind, instant.wall)
            }
            var kind = state.kinds[line.kind] ?? Kind(since: now)
            defer { state.kinds[line.kind] = kind }
            if now &- kind.since > UInt64(Limits.logSeconds) * 1_000_000_000 {
                let left = kind.left
                kind = Kind(since: now, count: 1)
                return left
            }
            kind.count += 1
            guard kind.count > Limits.logLines else { return 0 }
            kind.left += 1
            return nil
        }
        guard let left else { return }
        if left > 0 {
            put(LogLine(line.level, line.kind, "\(left) more lines like the next one were left out"))
        }
        put(line)
    }

    /// What the metrics say of it.
    static func count(into figures: inout HostFigures) {
        state.withLock { state in
            (figures.errors, figures.warnings) = (state.errors, state.warnings)
            (figures.lastKind, figures.lastAt) = (state.lastKind, state.lastAt)
        }
    }

    private static func put(_ line: LogLine) {
        switch sink {
        case .plain: say(line.text)
        case .prefixed: say("<\(line.level.rawValue)>\(line.text)")
        case .journal(let socket):
            if !tell(socket, line) { say("<\(line.level.rawValue)>\(line.text)") }
        }
    }

    /// Control characters become `?`, so that nothing can forge a line or a field.
    private static func clean(_ text: String) -> [UInt8] { text.utf8.map { $0 < 0x20 || $0 == 0x7F ? UInt8(0x3F) : $0 } }

    /// The text and a newline in one call.
    private static func say(_ text: String) {
        let bytes = clean(text) + [0x0A]
        _ = Glibc.write(2, bytes, bytes.count)
    }

    // MARK: The journal

    private static func findSink() -> Sink {
        guard let stream = getenv("JOURNAL_STREAM") else { return .plain }
        let parts = String(cString: stream).split(separator: ":").map { UInt64($0) }
        var info = stat()
        guard parts.count == 2, fstat(2, &info) == 0, parts[0] == UInt64(info.st_dev), parts[1] == UInt64(info.st_ino) else {
            return .plain
        }
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        return descriptor >= 0 ? .journal(descriptor) : .prefixed
    }

    private static let journalPath = Array("/run/systemd/journal/socket".utf8)

    /// False when the journal is not there; a line that it has no room for now is lost.
    private static func tell(_ descriptor: Int32, _ line: LogLine) -> Bool {
        var message: [UInt8] = []
        func add(_ name: String, _ value: String) { message += Array("\(name)=".utf8) + clean(value) + [0x0A] }
        add("MESSAGE", line.text)
        add("PRIORITY", "\(line.level.rawValue)")
        add("SYSLOG_IDENTIFIER", "purserd")
        add("PURSER_HAPPENING", line.kind)
        for field in line.fields { add("PURSER_" + field.name, field.value) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: journalPath) }
        let sent = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(
                    descriptor, message, message.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT), $0,
                    socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        return sent >= 0 || errno == EAGAIN || errno == ENOBUFS
    }
}
