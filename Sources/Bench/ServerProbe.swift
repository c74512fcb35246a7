// ServerProbe: what a process has used, by what the kernel says of it in /proc.
//
// Processor time is taken from each thread's `schedstat`, which counts nanoseconds; `stat` counts in ticks of ten milliseconds, too
// coarse for a run of seconds. A thread that ended between two readings takes its time with it; the daemon's live as
// long as it does. Numbers of a process in another PID namespace are not to be had: then there are none, not zeros.

import Glibc

/// What a process had used at one instant.
public struct ServerUsage: Sendable {
    /// Nanoseconds of processor time by thread; the first thread is the loop.
    public var threads: [(id: Int32, name: String, nanoseconds: Int64)] = []
    /// Bytes.
    public var resident: Int64 = 0
    public var peakResident: Int64 = 0

    public var nanoseconds: Int64 { threads.reduce(0) { $0 + $1.nanoseconds } }

    /// Reads it; nil when the kernel does not tell.
    public init?(process: Int32) {
        guard let directory = opendir("/proc/\(process)/task") else { return nil }
        defer { closedir(directory) }
        while let entry = readdir(directory) {
            let text = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            guard let id = Int32(text) else { continue }
            let path = "/proc/\(process)/task/\(id)"
            guard let stat = smallFile(path + "/schedstat"), let used = stat.split(separator: " ").first.flatMap({ Int64($0) }) else {
                continue
            }
            let name = (smallFile(path + "/comm") ?? "").split(separator: "\n").first.map(String.init) ?? ""
            threads.append((id, id == process ? "loop" : name, used))
        }
        guard !threads.isEmpty else { return nil }
        threads.sort { $0.id < $1.id }
        for line in (smallFile("/proc/\(process)/status") ?? "").split(separator: "\n") {
            if line.hasPrefix("VmRSS:") { resident = ServerUsage.kilobytes(line) }
            if line.hasPrefix("VmHWM:") { peakResident = ServerUsage.kilobytes(line) }
        }
    }

    private static func kilobytes(_ line: Substring) -> Int64 {
        (line.split(whereSeparator: { $0 == " " || $0 == "\u{9}" }).dropFirst().first.flatMap { Int64($0) } ?? 0) * 1024
    }

    /// Nanoseconds by thread since an earlier reading, those that used any, the busiest first.
    public func since(_ earlier: ServerUsage) -> [(name: String, nanoseconds: Int64)] {
        var list: [(name: String, nanoseconds: Int64)] = []
        for (index, thread) in threads.enumerated() {
            let before = earlier.threads.first { $0.id == thread.id }?.nanoseconds ?? 0
            guard thread.nanoseconds > before else { continue }
            let isNamed = index == 0 || thread.name != processName
            list.append((isNamed ? thread.name : "thread \(index + 1)", thread.nanoseconds - before))
        }
        return list.sorted { $0.nanoseconds > $1.nanoseconds }
    }

    /// A thread that was not given a name has that of the process.
    private var processName: String {
        threads.first.flatMap { smallFile("/proc/\($0.id)/comm") }.map { String($0.prefix { $0 != "\n" }) } ?? ""
    }
}

/// A file of /proc or /sys as text; nil when it cannot be read.
func smallFile(_ path: String) -> String? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 65_536)
    var have = 0
    while have < bytes.count {
        let got = bytes.withUnsafeMutableBytes { read(descriptor, $0.baseAddress! + have, $0.count - have) }
        if got < 0, errno == EINTR { continue }
        if got <= 0 { break }
        have += got
    }
    return String(decoding: bytes[..<have], as: UTF8.self)
}

/// Bytes that the files of the state directory take.
public struct StateSize: Equatable, Sendable {
    /// Blocks on disk: segments are there in full before they are used.
    public var journal: Int64 = 0
    public var keys: Int64 = 0
    /// SQLite's files, the write-ahead log too.
    public var books: Int64 = 0

    public init?(_ directory: String) {
        guard access(directory, R_OK | X_OK) == 0 else { return nil }
        journal = StateSize.allocated(in: directory + "/journal", prefix: "")
        keys = StateSize.allocated(in: directory + "/keys", prefix: "")
        books = StateSize.allocated(in: directory, prefix: "books.db")
    }

    private static func allocated(in path: String, prefix: String) -> Int64 {
        guard let directory = opendir(path) else { return 0 }
        defer { closedir(directory) }
        var sum: Int64 = 0
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            var status = stat()
            if name.hasPrefix(prefix), lstat(path + "/" + name, &status) == 0, status.st_mode & S_IFMT == S_IFREG {
                sum += Int64(status.st_blocks) * 512
            }
        }
        return sum
    }
}
