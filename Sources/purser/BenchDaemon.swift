// BenchDaemon: a private purserd for a measurement: in a fresh directory on the disk under test, on a Unix socket and loopback TCP,
// stopped by its process id and its directory removed whatever happens, Ctrl-C included.

import Client
import Glibc

struct BenchDaemon {
    let directory: String
    let socket: Target
    let tcp: Target
    private(set) var process: pid_t = 0
    /// From the call that started it to its first answer.
    private(set) var readyNanoseconds: Int64 = 0
    private let daemon: String
    private let keeps: Bool

    var state: String { directory + "/state" }
    private var log: String { directory + "/purserd.log" }

    /// Milliseconds that it may take to be ready (a long journal is read first), and to stop.
    private static let patience = 60_000

    /// Makes the directory in `place`, or where temporary files go.
    init(in place: String?, keeps: Bool) throws {
        daemon = try Daemon.find()
        self.keeps = keeps
        let base = place ?? Environment["TMPDIR"].flatMap { $0.isEmpty ? nil : $0 } ?? "/tmp"
        var template = Array((base + "/purser-bench-XXXXXX").utf8CString)
        guard mkdtemp(&template) != nil else { throw Failure.usage("cannot make a directory in \(base.printable): \(systemError())") }
        directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        // A socket's path is short; the file system under test may be far down.
        let inside = directory + "/purser.sock"
        socket = .unix(path: inside.utf8.count < Target.longestPath ? inside : "/tmp/purser-bench-\(getpid()).sock")
        tcp = .tcp(host: "127.0.0.1", port: try Demo.freePort())
    }

    /// Starts it and waits until it answers. `configuration` is the text of its file; without it there is none.
    mutating func start(configuration: String? = nil) throws {
        var arguments = [daemon, "--state", state, "--listen", "\(socket)", "--listen", "\(tcp)"]
        if let configuration {
            let file = directory + "/purser.toml"
            guard let opened = fopen(file, "w") else { throw Failure.usage("cannot write \(file.printable): \(systemError())") }
            fputs(configuration, opened)
            fclose(opened)
            arguments += ["--config", file]
        }
        let begin = Instant.monotonic
        process = try Daemon.start(arguments, errors: log)
        Abandonment.process = process
        let request = HTTPRequest("GET", "/readyz")
        while true {
            var connection = HTTPConnection(target: socket, key: nil, seconds: 10)
            if let reply = try? connection.ask(request), reply.status == 200 { break }
            try Interruption.check()
            if let status = Daemon.wait(process, milliseconds: 0) {
                process = 0
                Abandonment.process = 0
                throw Failure.unreachable("purserd ended with status \(status):\n\(tailOfLog)")
            }
            if Instant.monotonic - begin > Int64(BenchDaemon.patience) * 1_000_000 {
                throw Failure.unreachable("purserd was not ready in time:\n\(tailOfLog)")
            }
            usleep(200)
        }
        readyNanoseconds = Instant.monotonic - begin
    }

    /// Stops it; false when it did not stop by itself, or not cleanly.
    @discardableResult
    mutating func stop() -> Bool {
        guard process > 0 else { return true }
        kill(process, SIGTERM)
        let status = Daemon.wait(process, milliseconds: BenchDaemon.patience)
        if status == nil {
            kill(process, SIGKILL)
            _ = Daemon.wait(process)
        }
        process = 0
        Abandonment.process = 0
        if status != 0 { Terminal.complain("purserd did not stop as it should (status \(status ?? -1)):\n\(tailOfLog)") }
        return status == 0
    }

    /// Stops it and removes what it left.
    mutating func end() {
        stop()
        if case .unix(let path) = socket { unlink(path) }
        if !keeps { removeTree(directory) }
    }

    /// The key it made; the Unix socket needs none.
    func key(for target: Target) throws -> APIKey? {
        guard case .tcp = target else { return nil }
        guard let key = readFile(state + "/api-key", limit: 4096).flatMap({ APIKey(String(decoding: $0, as: UTF8.self)) }) else {
            throw Failure.refused("the daemon left no API key in its state directory")
        }
        return key
    }

    private var tailOfLog: String {
        guard let bytes = readFile(log, limit: 1024 * 1024) else { return "(it said nothing)" }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").suffix(5).map { "  " + String($0).printable }.joined(
            separator: "\n")
    }
}

/// The private daemon's process, for somebody who presses Ctrl-C a second time: it is told to stop, and then so do we.
enum Abandonment {
    nonisolated(unsafe) static var process: pid_t = 0
    private nonisolated(unsafe) static var asked: sig_atomic_t = 0

    /// Ctrl-C once: finish early. Twice: at once.
    static func watch() {
        signal(SIGINT) { _ in Abandonment.interrupted() }
        signal(SIGTERM) { _ in Abandonment.interrupted() }
    }

    private static func interrupted() {
        Interruption.note()
        asked += 1
        guard asked > 1 else { return }
        if process > 0 { kill(process, SIGTERM) }
        _exit(130)
    }
}
