// Daemon: the `purserd` that belongs to this tool: the binary beside it, else the one in PATH.

import Glibc

enum Daemon {
    /// The path of `purserd`, or a failure that says where it was looked for.
    static func find() throws -> String {
        var places: [String] = []
        if let own = ownPath(), let slash = own.lastIndex(of: "/") { places.append(String(own[..<slash])) }
        places += (Environment["PATH"] ?? "").split(separator: ":").map(String.init)
        for place in places {
            let path = place + "/purserd"
            if access(path, X_OK) == 0 { return path }
        }
        throw Failure.usage("purserd is neither beside purser nor in PATH")
    }

    private static func ownPath() -> String? {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = buffer.withUnsafeMutableBytes { readlink("/proc/self/exe", $0.baseAddress!, $0.count) }
        return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
    }

    /// Starts a program; its standard streams are this program's, but for standard error when `errors` names a file to
    /// append to. The result is its process id.
    static func start(_ arguments: [String], errors: String? = nil) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        if let errors { posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, errors, O_WRONLY | O_CREAT | O_APPEND, 0o600) }
        // The child gets the default for SIGPIPE back.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var defaults = sigset_t()
        sigemptyset(&defaults)
        sigaddset(&defaults, SIGPIPE)
        posix_spawnattr_setsigdefault(&attributes, &defaults)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF))
        var list: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
        list.append(nil)
        defer { for text in list { free(text) } }
        var child: pid_t = 0
        let code = posix_spawn(&child, arguments[0], &actions, &attributes, &list, environ)
        guard code == 0 else { throw Failure.usage("cannot start \(arguments[0].printable): \(systemError(code))") }
        return child
    }

    /// The exit status of a child, waiting up to `milliseconds` (for ever when negative); nil when it still runs. A child that
    /// a signal ended has 128 and the signal's number.
    static func wait(_ child: pid_t, milliseconds: Int = -1) -> Int32? {
        var status: Int32 = 0
        let end = Instant.monotonic + Int64(milliseconds) * 1_000_000
        while true {
            let result = waitpid(child, &status, milliseconds < 0 ? 0 : WNOHANG)
            if result == child { break }
            if result < 0, errno != EINTR { return 127 }
            if milliseconds >= 0 {
                if Instant.monotonic >= end { return nil }
                usleep(2000)
            }
        }
        return status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F)
    }
}
