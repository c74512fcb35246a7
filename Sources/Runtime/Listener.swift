// Listener: one listening socket, and what becomes of the peers that come in by it.
//
// Peers are accepted here and not by libuv, which at the limit of descriptors accepts and closes them without telling anyone, and
// which on other failures calls back again and again without a pause. Here every way in has a bound and a counter:
//
//   accepted                        the server takes it, or says that there are as many connections as there may be: closed
//   EMFILE, ENFILE                  the descriptor kept in hand is given up, the peers that wait are accepted and closed, and
//                                   another one is opened: better a closed connection than one that nobody answers
//   ECONNABORTED, EINTR, EPROTO …   that peer is gone; the next one
//   ENOBUFS, ENOMEM, others         nothing to be done now
//
// After a turn that turned anyone away or failed, listening rests for a moment, so that peers which come back at once cost a
// bounded part of a core.

internal import CUV
internal import Core
internal import Glibc
internal import Server

final class Listener {
    let descriptor: Int32
    /// A Unix socket: its peers tell who they are.
    let isLocal: Bool
    private let poll: UnsafeMutablePointer<uv_poll_t>
    private var isWatching = false

    /// nil when libuv cannot watch the descriptor.
    init?(_ loop: UnsafeMutablePointer<uv_loop_t>, _ descriptor: Int32, isLocal: Bool) {
        self.descriptor = descriptor
        self.isLocal = isLocal
        poll = .allocate(capacity: 1)
        guard uv_poll_init(loop, poll, descriptor) == 0 else {
            poll.deallocate()
            return nil
        }
        poll.pointee.data = Unmanaged.passUnretained(self).toOpaque()
    }

    func start() {
        guard !isWatching else { return }
        isWatching = true
        uv_poll_start(poll, Int32(UV_READABLE.rawValue)) { poll, _, _ in
            let listener = Unmanaged<Listener>.fromOpaque(poll!.pointee.data).takeUnretainedValue()
            EventLoop.of(poll!.pointee.loop.pointee.data).acceptPeers(listener)
        }
    }

    func pause() {
        guard isWatching else { return }
        isWatching = false
        uv_poll_stop(poll)
    }

    func close() {
        uv_poll_stop(poll)
        let handle = UnsafeMutableRawPointer(poll).assumingMemoryBound(to: uv_handle_t.self)
        uv_close(handle) { UnsafeMutableRawPointer($0!).deallocate() }
        _ = Glibc.close(descriptor)
    }
}

extension EventLoop {
    /// How long listening rests after peers were turned away: at most so many times `acceptsPerTurn` are in a second.
    private static let acceptRest: UInt64 = 20

    fileprivate func acceptPeers(_ listener: Listener) {
        var turnedAway = false
        for _ in 0..<Limits.acceptsPerTurn {
            let descriptor = Glibc.accept(listener.descriptor, nil, nil)
            guard descriptor < 0 else {
                if !take(descriptor, isLocal: listener.isLocal) { turnedAway = true }
                continue
            }
            switch errno {
            case EAGAIN:
                if turnedAway { restFromAccepting() }
                return
            case EINTR, ECONNABORTED, EPROTO, EPERM: continue
            case EMFILE, ENFILE:
                shed(listener)
                restFromAccepting()
                return
            default:
                server.pointee.acceptFailed()
                restFromAccepting()
                return
            }
        }
        if turnedAway { restFromAccepting() }
    }

    /// No descriptor is left: those who wait are closed instead of being left to wait.
    private func shed(_ listener: Listener) {
        server.pointee.acceptFailed()
        guard spareDescriptor >= 0 else {
            openSpareDescriptor()
            return
        }
        _ = Glibc.close(spareDescriptor)
        spareDescriptor = -1
        for _ in 0..<Limits.acceptsPerTurn {
            let descriptor = Glibc.accept(listener.descriptor, nil, nil)
            guard descriptor >= 0 else { break }
            _ = Glibc.close(descriptor)
            server.pointee.connectionShed()
        }
        openSpareDescriptor()
    }

    func openSpareDescriptor() { spareDescriptor = Glibc.open("/dev/null", O_RDONLY | O_CLOEXEC) }

    private func restFromAccepting() {
        for listener in listeners { listener.pause() }
        uv_timer_start(acceptTimer, { EventLoop.of($0!.pointee.data).acceptAgain() }, EventLoop.acceptRest, 0)
    }

    private func acceptAgain() {
        if spareDescriptor < 0 { openSpareDescriptor() }
        for listener in listeners { listener.start() }
    }

    /// Makes a peer of an accepted socket; false when there is no place for it.
    private func take(_ descriptor: Int32, isLocal: Bool) -> Bool {
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        let credentials = isLocal ? PeerCredentials(of: descriptor) : nil
        guard let id = server.pointee.connected(isLocal ? .local : .remote, from: credentials, at: instant) else {
            _ = Glibc.close(descriptor)
            return false
        }
        let stream: UnsafeMutablePointer<uv_stream_t>
        let status: Int32
        if isLocal {
            let pipe = UnsafeMutablePointer<uv_pipe_t>.allocate(capacity: 1)
            uv_pipe_init(loop, pipe, 0)
            status = uv_pipe_open(pipe, descriptor)
            stream = UnsafeMutableRawPointer(pipe).assumingMemoryBound(to: uv_stream_t.self)
        } else {
            let tcp = UnsafeMutablePointer<uv_tcp_t>.allocate(capacity: 1)
            uv_tcp_init(loop, tcp)
            status = uv_tcp_open(tcp, descriptor)
            if status == 0 { uv_tcp_nodelay(tcp, 1) }
            stream = UnsafeMutableRawPointer(tcp).assumingMemoryBound(to: uv_stream_t.self)
        }
        guard status == 0 else {
            server.pointee.disconnected(id)
            closeHandle(UnsafeMutableRawPointer(stream))
            _ = Glibc.close(descriptor)
            return false
        }
        let peer = UnsafeMutablePointer<Peer>.allocate(capacity: 1)
        peer.initialize(to: Peer(handle: stream, id: id))
        stream.pointee.data = UnsafeMutableRawPointer(peer)
        while peers.count <= Int(id.index) { peers.append(nil) }
        peers[Int(id.index)] = peer
        startReading(peer)
        return true
    }
}
