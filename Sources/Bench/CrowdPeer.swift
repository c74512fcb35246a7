// CrowdPeer: one connection of a crowd, what its kind says, and where all of them go.

import CLinux
import Client
import Core
import Frames
import Glibc

struct CrowdPeer {
    let manner: UInt8
    var descriptor: Int32 = -1
    /// Bytes of its script that were sent.
    var sent = 0
    /// When it connected, nanoseconds.
    var born: Int64 = 0
    /// The next peer of the same slot; -1 for none.
    var next: Int32 = -1
    var isOnWheel = false

    init(manner: UInt8) { self.manner = manner }
}

/// What a kind of peer says: `first` bytes at once, the others one by one. Made once, kept as long as the program runs.
struct CrowdScript: @unchecked Sendable {
    let bytes: UnsafeRawPointer
    let count: Int
    let first: Int

    static let reader: UInt8 = 3
    static let idle: UInt8 = 4
    static let tooLong = Array("took too long".utf8)
    static let noRoom = Array(" 503 ".utf8)

    /// Heads, bodies, frames, readers: in the order of their numbers.
    static func all(_ target: BenchTarget) -> [CrowdScript] {
        func whole(_ text: [UInt8], first: Int) -> CrowdScript {
            let copy = UnsafeMutableRawPointer.allocate(byteCount: text.count, alignment: 16)
            text.withUnsafeBytes { copy.copyMemory(from: $0.baseAddress!, byteCount: text.count) }
            return CrowdScript(bytes: UnsafeRawPointer(copy), count: text.count, first: first)
        }
        let head = Array(("GET /healthz HTTP/1.1\r\nHost: a\r\nX-Filler: " + String(repeating: "x", count: 8000)).utf8)
        let bodyHead = Array(target.head("/api/v1/client/events/batch", type: "application/json", length: 60_000).utf8)
        let body = bodyHead + [UInt8(ascii: "[")] + [UInt8](repeating: UInt8(ascii: " "), count: 59_998)
        var writer = ByteWriter(capacity: 512)
        Array(target.key.utf8).withUnsafeBytes { key in
            Array("a slow peer".utf8).withUnsafeBytes { writer.appendHello(key: key, name: $0, requestID: 1) }
        }
        let helloBytes = writer.count
        let start = writer.beginFrame(.events, requestID: 2)
        for _ in 0..<50_000 { writer.append(UInt8(0)) }
        writer.endFrame(start)
        let frame = Array(writer.bytes)
        let pages = Array(String(repeating: "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", count: 200).utf8)
        return [
            whole(head, first: 30), whole(body, first: bodyHead.count + 20), whole(frame, first: helloBytes + 20),
            whole(pages, first: pages.count), whole([0], first: 0),
        ]
    }

    static func says(_ words: [UInt8], _ bytes: UnsafeRawPointer, _ count: Int) -> Bool {
        words.withUnsafeBytes { purser_find(bytes, count, $0.baseAddress, $0.count) != nil }
    }
}

/// Where a crowd connects to, looked up once: opening a connection waits for nothing.
struct Destination {
    private let address: sockaddr_storage
    private let length: socklen_t

    init(_ server: ServerAddress) throws(BenchError) {
        var address = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        switch server {
        case .unix(let path):
            let name = try Dial.socketName(path)
            withUnsafeMutableBytes(of: &address) { target in withUnsafeBytes(of: name) { target.copyMemory(from: $0) } }
            length = socklen_t(MemoryLayout<sockaddr_un>.size)
        case .tcp(let host, let port):
            let first = try Dial.connect(host: host, port: port)
            defer { close(first) }
            let status = withUnsafeMutableBytes(of: &address) {
                getpeername(first, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self), &length)
            }
            guard status == 0 else { throw BenchError(.unreachable, "cannot reach \(server): \(systemError())") }
        }
        self.address = address
        self.length = length
    }

    /// A connection that is there or on its way; -1 when there is none to be had now. `smallWindow`: the peer takes as little as it can.
    func open(smallWindow: Bool) -> Int32 {
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(Int32(address.ss_family), type, 0)
        guard descriptor >= 0 else { return -1 }
        if smallWindow {
            var least: Int32 = 1
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &least, socklen_t(MemoryLayout<Int32>.size))
        }
        let status = withUnsafeBytes(of: address) {
            connect(descriptor, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self), length)
        }
        if status == 0 || errno == EINPROGRESS { return descriptor }
        close(descriptor)
        return -1
    }
}
