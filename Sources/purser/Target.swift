// Target: where the daemon listens, and the key that opens it.
//
// Without --to the same places are tried in which the daemon listens by itself: a Unix socket that exists, else loopback
// TCP. A key is read from a file or the environment and goes nowhere but into a request.

import Client
import Glibc

typealias Target = ServerAddress

extension ServerAddress {
    static let defaultPort: UInt16 = 7787
    /// Bytes of `sockaddr_un.sun_path`, its terminating zero included.
    static let longestPath = 108

    /// The `Host` header of requests.
    var authority: String {
        switch self {
        case .unix: "localhost"
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        }
    }

    /// The first socket that exists, else loopback TCP.
    static func standard(environment: (String) -> String?, exists: (String) -> Bool) -> Target {
        var paths: [String] = []
        if let runtime = environment("RUNTIME_DIRECTORY"), !runtime.isEmpty { paths.append(firstOfList(runtime) + "/purser.sock") }
        paths.append("/run/purser/purser.sock")
        if let user = environment("XDG_RUNTIME_DIR"), !user.isEmpty { paths.append(user + "/purser/purser.sock") }
        for path in paths where path.utf8.count < longestPath && exists(path) { return .unix(path: path) }
        return .tcp(host: "127.0.0.1", port: defaultPort)
    }
}

/// Where the daemon keeps its state when nobody says otherwise.
enum StateDirectory {
    static func standard(environment: (String) -> String?, isRoot: Bool) -> String {
        if let given = environment("STATE_DIRECTORY"), !given.isEmpty { return firstOfList(given) }
        if isRoot { return "/var/lib/purser" }
        if let state = environment("XDG_STATE_HOME"), !state.isEmpty { return state + "/purser" }
        return (environment("HOME") ?? "") + "/.local/state/purser"
    }

    static var current: String { standard(environment: { Environment[$0] }, isRoot: geteuid() == 0) }
}

/// systemd gives several directories as one colon-separated list; the first is ours.
private func firstOfList(_ list: String) -> String { String(list.prefix { $0 != ":" }) }

/// An API key. Its text is shown nowhere: it has no description.
struct APIKey {
    let text: String

    /// Longest key that is read.
    static let longest = 256

    /// One line of visible ASCII, blanks around it ignored; nil otherwise.
    init?(_ text: String) {
        let blanks: (Character) -> Bool = { $0 == " " || $0 == "\n" || $0 == "\r\n" || $0 == "\t" }
        var rest = Substring(text)
        while let first = rest.first, blanks(first) { rest.removeFirst() }
        while let last = rest.last, blanks(last) { rest.removeLast() }
        guard !rest.isEmpty, rest.utf8.count <= APIKey.longest, rest.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { return nil }
        self.text = String(rest)
    }

    /// --key-file, else $PURSER_API_KEY, else for TCP the key that the daemon left in its state directory.
    static func find(file: String?, for target: Target) throws -> APIKey? {
        if let file {
            guard let bytes = readFile(file, limit: 4096) else {
                throw Failure.usage("cannot read the key file \(file.printable): \(systemError())")
            }
            guard let key = APIKey(String(decoding: bytes, as: UTF8.self)) else {
                throw Failure.usage("\(file.printable) does not hold one API key")
            }
            return key
        }
        if let given = Environment["PURSER_API_KEY"], !given.isEmpty {
            guard let key = APIKey(given) else { throw Failure.usage("PURSER_API_KEY does not hold one API key") }
            return key
        }
        guard case .tcp = target, let bytes = readFile(StateDirectory.current + "/api-key", limit: 4096) else { return nil }
        return APIKey(String(decoding: bytes, as: UTF8.self))
    }
}

// MARK: - Files

/// The bytes of a file, or of standard input for `-`; nil with errno set when it cannot be read or is longer than `limit`.
func readFile(_ path: String, limit: Int) -> [UInt8]? {
    let descriptor = path == "-" ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { if path != "-" { close(descriptor) } }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
        let count = chunk.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
        if count < 0 {
            if errno == EINTR { continue }
            return nil
        }
        if count == 0 { return bytes }
        bytes += chunk[..<count]
        if bytes.count > limit {
            errno = EFBIG
            return nil
        }
    }
}

/// Writes a file, in place of one of that name; false with errno set when it cannot.
func writeFile(_ path: String, _ bytes: [UInt8]) -> Bool {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { return false }
    let written = bytes.withUnsafeBytes { all in
        var rest = all
        while !rest.isEmpty {
            let count = write(descriptor, rest.baseAddress, rest.count)
            if count < 0 {
                if errno == EINTR { continue }
                return false
            }
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
        return true
    }
    return close(descriptor) == 0 && written
}

/// What errno says.
func systemError(_ number: Int32 = errno) -> String { String(cString: strerror(number)) }
