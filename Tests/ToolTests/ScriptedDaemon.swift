// A daemon that answers what a test says, over real HTTP on a Unix socket, and the tool's binary run against it.

import Foundation
import Glibc
import Synchronization
import Testing

@testable import purser

/// Answers by method and path, and keeps what it was asked. Ends with the test.
final class ScriptedDaemon: Sendable {
    struct Request: Sendable, Equatable {
        var method: String
        /// With its query.
        var target: String
        var type: String?
        var body: String
    }

    struct Reply: Sendable {
        var status = 200
        var type = "application/json"
        var body: String
        /// The connection breaks instead.
        var breaks = false
    }

    private struct State {
        var replies: [String: Reply] = [:]
        var requests: [Request] = []
    }

    private let state = Mutex(State())
    private let listener: Int32
    private let folder: String
    var path: String { folder + "/s" }

    init() throws {
        var template = Array("/tmp/purser-tool-XXXXXX".utf8CString)
        folder = try #require(mkdtemp(&template)).withMemoryRebound(to: CChar.self, capacity: 1) { String(cString: $0) }
        listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array((folder + "/s").utf8)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let bound = withUnsafeBytes(of: &address) {
            bind(listener, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t(MemoryLayout<sockaddr_un>.size))
        }
        try #require(bound == 0 && listen(listener, 8) == 0)
        Thread.detachNewThread { [listener] in
            while true {
                let connection = accept(listener, nil, nil)
                // The listener was shut down: the test is over. Closed here, where nobody accepts on a number used anew.
                guard connection >= 0 else {
                    close(listener)
                    return
                }
                self.serve(connection)
                close(connection)
            }
        }
    }

    func end() {
        shutdown(listener, Int32(SHUT_RDWR))
        removeTree(folder)
    }

    /// What to answer to `GET /prices`; paths are those after `/api/v1/client`, without their query.
    func on(_ what: String, _ body: String, status: Int = 200, type: String = "application/json", breaks: Bool = false) {
        state.withLock { $0.replies[what] = Reply(status: status, type: type, body: body, breaks: breaks) }
    }

    /// The envelope around data.
    func data(_ what: String, _ json: String, status: Int = 200) { on(what, "{\"data\":\(json),\"success\":true}", status: status) }

    var requests: [Request] { state.withLock(\.requests) }

    private func serve(_ connection: Int32) {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            while let (request, rest) = ScriptedDaemon.take(bytes) {
                bytes = rest
                let name = request.method + " " + request.target.prefix { $0 != "?" }.replacing(Service.base, with: "")
                let reply = state.withLock { state in
                    state.requests.append(request)
                    return state.replies[name]
                }
                let missing =
                    "{\"error\":{\"code\":\"not_found\",\"message\":\"no \(name) (errorId=77)\",\"detail\":null},\"success\":false}"
                let answer = reply ?? Reply(status: 404, body: missing)
                if answer.breaks { return }
                let head =
                    "HTTP/1.1 \(answer.status) OK\r\ncontent-type: \(answer.type)\r\ncontent-length: \(answer.body.utf8.count)\r\n\r\n"
                let all = Array((head + answer.body).utf8)
                var sent = 0
                while sent < all.count {
                    let count = all[sent...].withUnsafeBytes { send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
                    if count <= 0 { return }
                    sent += count
                }
            }
            let count = chunk.withUnsafeMutableBytes { recv(connection, $0.baseAddress, $0.count, 0) }
            if count <= 0 { return }
            bytes += chunk[..<count]
        }
    }

    /// The first whole request of these bytes, and what follows it.
    private static func take(_ bytes: [UInt8]) -> (Request, [UInt8])? {
        let text = String(decoding: bytes, as: UTF8.self)
        guard let end = text.firstRange(of: "\r\n\r\n") else { return nil }
        let lines = text[..<end.lowerBound].components(separatedBy: "\r\n")
        var length = 0
        var type: String?
        for line in lines.dropFirst() {
            let lower = line.lowercased()
            if lower.hasPrefix("content-length: ") { length = Int(lower.dropFirst(16)) ?? 0 }
            if lower.hasPrefix("content-type: ") { type = String(lower.dropFirst(14)) }
        }
        let head = text[..<end.upperBound].utf8.count
        guard bytes.count >= head + length else { return nil }
        let words = lines[0].split(separator: " ")
        let body = String(decoding: bytes[head..<head + length], as: UTF8.self)
        let request = Request(method: String(words[0]), target: String(words[1]), type: type, body: body)
        return (request, Array(bytes[(head + length)...]))
    }

    // MARK: - The tool

    struct Result {
        var status: Int32
        var output: String
        var errors: String
    }

    /// Runs `purser --to unix:… arguments` with nobody at the terminal.
    func tool(_ arguments: String...) throws -> Result { try ScriptedDaemon.tool(["--to", "unix:" + path] + arguments) }

    static func tool(_ arguments: [String]) throws -> Result {
        let process = Process()
        process.executableURL = try binary()
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        let (output, errors) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = errors
        var environment = ProcessInfo.processInfo.environment
        for name in ["PURSER_API_KEY", "RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"] { environment[name] = nil }
        process.environment = environment
        try process.run()
        // The tool says little on standard error: it cannot block there while this reads its output.
        let out = output.fileHandleForReading.readDataToEndOfFile()
        let err = errors.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return Result(
            status: process.terminationStatus, output: String(decoding: out, as: UTF8.self), errors: String(decoding: err, as: UTF8.self))
    }

    /// `purser` is beside the test bundle, or inside the folder that a helper of the toolchain was given.
    private static func binary() throws -> URL {
        let candidates = [try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")] + CommandLine.arguments
        for candidate in candidates {
            let tool = URL(fileURLWithPath: candidate).deletingLastPathComponent().appendingPathComponent("purser")
            if FileManager.default.isExecutableFile(atPath: tool.path) { return tool }
        }
        throw Unfound(description: "purser is not beside \(candidates)")
    }

    private struct Unfound: Error, CustomStringConvertible {
        var description: String
    }
}
