// ScriptedServer: a listener with one connection and a script, to see what a client does when the other side misbehaves.

import Core
import Foundation
import Frames
import Glibc
import Synchronization

/// One accepted connection, blocking.
struct Peer {
    let descriptor: Int32

    /// The next frame's header and payload; nil at the end of the stream.
    func frame() -> (FrameHeader, [UInt8])? {
        guard let head = read(FrameHeader.size), case .header(let header) = head.withUnsafeBytes({ FrameHeader.parse($0) }),
            let payload = read(Int(header.length))
        else { return nil }
        return (header, payload)
    }

    func read(_ count: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        var have = 0
        while have < count {
            let got = bytes.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress! + have, count - have, 0) }
            guard got > 0 else { return nil }
            have += got
        }
        return bytes
    }

    func write(_ bytes: [UInt8]) {
        var done = 0
        while done < bytes.count {
            let sent = bytes.withUnsafeBytes { send(descriptor, $0.baseAddress! + done, bytes.count - done, Int32(MSG_NOSIGNAL)) }
            guard sent > 0 else { return }
            done += sent
        }
    }

    /// Writes what `fill` puts into a writer.
    func write(_ fill: (inout ByteWriter) -> Void) {
        var writer = ByteWriter()
        fill(&writer)
        write(writer.array)
    }

    /// Reads the hello and answers it.
    func greet() {
        guard let (header, _) = frame(), header.type == .hello else { return }
        write { $0.appendHelloReply(version: 1, principal: .socket, scopes: 7, server: "script/1", requestID: header.requestID) }
    }

    /// Answers an events frame as if everything was recorded.
    func acknowledge(_ header: FrameHeader, _ payload: [UInt8], firstSequence: UInt64) {
        var block = EventBlock()
        guard case .events(let count) = decode(payload, into: &block) else { return }
        write { writer in
            var reply = EventsReplyWriter(requestID: header.requestID, detail: header.hasDetail, into: &writer)
            for index in 0..<count {
                block.events[index].sequence = firstSequence + UInt64(index)
                block.events[index].unpriced = .noModel
                reply.add(block.events[index], into: &writer)
            }
            reply.finish(into: &writer)
        }
    }
}

/// Listens, accepts one connection, runs the script on a thread of its own, closes.
final class ScriptedServer: @unchecked Sendable {
    let address: String
    private let listener: Int32
    private let path: String?
    private let done = DispatchSemaphore(value: 0)
    private let accepted = Mutex<Int32>(-1)

    convenience init(tcp: Bool = false, script: @escaping @Sendable (Peer) -> Void) {
        if tcp {
            let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            var name = sockaddr_in()
            name.sin_family = sa_family_t(AF_INET)
            name.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
            var size = socklen_t(MemoryLayout<sockaddr_in>.size)
            withUnsafeMutableBytes(of: &name) { raw in
                let pointer = raw.baseAddress!.assumingMemoryBound(to: sockaddr.self)
                precondition(bind(listener, pointer, size) == 0)
                getsockname(listener, pointer, &size)
            }
            self.init(listener, path: nil, address: "tcp:127.0.0.1:\(UInt16(bigEndian: name.sin_port))", script)
        } else {
            let file = "/tmp/purser-frames-\(getpid())-\(SystemRandom.next() & 0xFFFF_FFFF).sock"
            let listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
            var name = sockaddr_un()
            name.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: file.utf8) }
            withUnsafeBytes(of: &name) { raw in
                let pointer = raw.baseAddress!.assumingMemoryBound(to: sockaddr.self)
                precondition(bind(listener, pointer, socklen_t(raw.count)) == 0)
            }
            self.init(listener, path: file, address: "unix:\(file)", script)
        }
    }

    private init(_ listener: Int32, path: String?, address: String, _ script: @escaping @Sendable (Peer) -> Void) {
        self.listener = listener
        self.path = path
        self.address = address
        precondition(listen(listener, 4) == 0)
        Thread.detachNewThread { [self] in
            let descriptor = accept(listener, nil, nil)
            if descriptor >= 0 {
                accepted.withLock { $0 = descriptor }
                script(Peer(descriptor: descriptor))
                // Closed under the lock, so that `finish` cannot hit a descriptor that means something else by then.
                accepted.withLock {
                    close(descriptor)
                    $0 = -1
                }
            }
            done.signal()
        }
    }

    /// Ends the connection if the script still waits for it, and waits for the script.
    func finish() {
        accepted.withLock { if $0 >= 0 { shutdown($0, Int32(SHUT_RDWR)) } }
        done.wait()
        close(listener)
        if let path { unlink(path) }
    }
}
