// Peers: reading, writing with backpressure, ending.

internal import CUV
internal import Core
internal import Glibc
internal import Server

extension EventLoop {
    // MARK: Reading

    func startReading(_ peer: UnsafeMutablePointer<Peer>) {
        guard !peer.pointee.reading, !peer.pointee.isPolled, !peer.pointee.closing, !peer.pointee.ended else { return }
        peer.pointee.reading = true
        uv_read_start(
            peer.pointee.handle,
            { handle, _, buffer in
                let loop = EventLoop.of(handle!.pointee.loop.pointee.data)
                let peer = handle!.pointee.data.assumingMemoryBound(to: Peer.self)
                buffer!.pointee = uv_buf_init(loop.readBuffer.assumingMemoryBound(to: CChar.self), UInt32(loop.readSize(peer)))
            },
            { stream, count, buffer in
                let peer = stream!.pointee.data.assumingMemoryBound(to: Peer.self)
                EventLoop.of(stream!.pointee.loop.pointee.data).didRead(peer, count, buffer!.pointee.base)
            })
    }

    /// How much to read from a peer now. libuv would read on up to 32 times in a turn, and a peer that sends as fast as it can would
    /// own it: after `Limits.turnBytes` there is no buffer any more, and the next turn goes on.
    func readSize(_ peer: UnsafeMutablePointer<Peer>) -> Int {
        if peer.pointee.turn != turn {
            peer.pointee.turn = turn
            peer.pointee.readInTurn = 0
        }
        guard peer.pointee.readInTurn < Limits.turnBytes else { return 0 }
        return min(EventLoop.readBytes, server.pointee.readSize(peer.pointee.id))
    }

    func stopReading(_ peer: UnsafeMutablePointer<Peer>) {
        guard peer.pointee.reading else { return }
        peer.pointee.reading = false
        uv_read_stop(peer.pointee.handle)
    }

    func didRead(_ peer: UnsafeMutablePointer<Peer>, _ count: Int, _ base: UnsafeMutablePointer<CChar>?) {
        if count > 0 {
            guard peer.pointee.lingerUntil == 0, let connection = server.pointee.connection(peer.pointee.id) else { return }
            peer.pointee.readInTurn += count
            peer.pointee.overlaps = connection.pointee.isOwed ? min(peer.pointee.overlaps + 1, EventLoop.overlapsToPoll) : 0
            server.pointee.received(peer.pointee.id, UnsafeRawBufferPointer(start: base, count: count), at: instant)
            // Reading goes on when it is flushed, at the end of the turn.
            if !connection.pointee.wantsInput { stopReading(peer) }
        } else if count < 0, count != Int(UV_ENOBUFS.rawValue) {
            peer.pointee.ended = true
            stopReading(peer)
            if count != Int(UV_EOF.rawValue) || peer.pointee.lingerUntil != 0 {
                close(peer)
            } else {
                // The peer has said all it wants to; what it is owed is still written.
                server.pointee.peerEnded(peer.pointee.id)
            }
        }
    }

    // MARK: Writing

    func flushDirty() {
        let now = instant
        server.pointee.takeDirty { id, _ in
            if let peer = peers[Int(id.index)], peer.pointee.id == id { flushed.append(peer) }
        }
        // Flushing one may close it, but none of the others.
        for i in 0..<flushed.count { flush(flushed[i], now) }
        flushed.removeAll(keepingCapacity: true)
    }

    func flush(_ peer: UnsafeMutablePointer<Peer>, _ now: Instant) {
        guard !peer.pointee.closing, peer.pointee.lingerUntil == 0, let connection = server.pointee.connection(peer.pointee.id) else {
            return
        }
        if peer.pointee.writing == 0, !connection.pointee.hasReleasable { peer.pointee.owedSince = 0 }
        if peer.pointee.writing == 0, connection.pointee.hasReleasable {
            let count = connection.pointee.releasable - connection.pointee.written
            let start = connection.pointee.output.base + connection.pointee.written
            var buffer = uv_buf_init(start.assumingMemoryBound(to: CChar.self), UInt32(count))
            var done = Int(uv_try_write(peer.pointee.handle, &buffer, 1))
            if done == Int(UV_EAGAIN.rawValue) { done = 0 }
            guard done >= 0 else {
                close(peer)
                return
            }
            if done < count {
                // The kernel's buffer is full. A small piece waits in libuv, whose end says that there is room again; the rest
                // stays where it is.
                let piece = min(count - done, EventLoop.queuedPiece)
                writeLater(peer, UnsafeRawBufferPointer(start: start + done, count: piece))
                // It could not even be queued: the connection is gone.
                if peer.pointee.closing { return }
                done += piece
            }
            peer.pointee.taken += UInt64(done)
            connection.pointee.didWrite(done)
            if connection.pointee.hasMore { server.pointee.drained(peer.pointee.id) }
        }
        if connection.pointee.isFinished, peer.pointee.writing == 0 {
            endOutput(peer)
            return
        }
        if connection.pointee.wantsInput {
            if connection.pointee.hasUnreadInput {
                server.pointee.resume(peer.pointee.id, at: now)
            }
            if peer.pointee.overlaps == EventLoop.overlapsToPoll, server.pointee.pipeline.pacedUntil != nil {
                poll(peer, now.monotonic)
            } else {
                startReading(peer)
            }
        } else {
            leavePolled(peer)
            stopReading(peer)
        }
    }

    private static let queuedPiece = 1024

    /// Copies a few bytes for libuv to write when the kernel has room.
    func writeLater(_ peer: UnsafeMutablePointer<Peer>, _ rest: UnsafeRawBufferPointer) {
        let copy = UnsafeMutableRawPointer.allocate(byteCount: rest.count, alignment: 16)
        copy.copyMemory(from: rest.baseAddress!, byteCount: rest.count)
        let request = UnsafeMutablePointer<uv_write_t>.allocate(capacity: 1)
        let write = UnsafeMutablePointer<WriteRequest>.allocate(capacity: 1)
        write.initialize(to: WriteRequest(request: request, bytes: copy, count: rest.count, peer: peer))
        request.pointee.data = UnsafeMutableRawPointer(write)
        peer.pointee.writing += rest.count
        var buffer = uv_buf_init(copy.assumingMemoryBound(to: CChar.self), UInt32(rest.count))
        let status = uv_write(request, peer.pointee.handle, &buffer, 1) { request, status in
            let write = request!.pointee.data.assumingMemoryBound(to: WriteRequest.self)
            let peer = write.pointee.peer
            peer.pointee.writing -= write.pointee.count
            write.pointee.bytes.deallocate()
            write.pointee.request.deallocate()
            write.deallocate()
            guard !peer.pointee.closing else { return }
            let loop = EventLoop.of(peer.pointee.handle.pointee.loop.pointee.data)
            if status < 0 { loop.close(peer) } else { loop.flush(peer, loop.instant) }
        }
        if status < 0 {
            peer.pointee.writing -= rest.count
            copy.deallocate()
            request.deallocate()
            write.deallocate()
            close(peer)
        }
    }

    // MARK: Ending

    /// Everything was said. Output ends; input is read and dropped for a moment, so that a peer still sending gets to read the
    /// answer instead of a reset.
    func endOutput(_ peer: UnsafeMutablePointer<Peer>) {
        if peer.pointee.ended || drainDeadline != 0 {
            close(peer)
            return
        }
        peer.pointee.lingerUntil = uv_hrtime() + 1_000_000_000
        peer.pointee.previousLingering = lastLingering
        lastLingering?.pointee.nextLingering = peer
        lastLingering = peer
        if firstLingering == nil { firstLingering = peer }
        leavePolled(peer)
        let request = UnsafeMutablePointer<uv_shutdown_t>.allocate(capacity: 1)
        if uv_shutdown(request, peer.pointee.handle, { request, _ in request!.deallocate() }) != 0 {
            request.deallocate()
            close(peer)
            return
        }
        startReading(peer)
    }

    func close(_ peer: UnsafeMutablePointer<Peer>) {
        guard !peer.pointee.closing else { return }
        peer.pointee.closing = true
        server.pointee.disconnected(peer.pointee.id)
        peers[Int(peer.pointee.id.index)] = nil
        if peer.pointee.lingerUntil != 0 { leaveLingering(peer) }
        leavePolled(peer)
        uv_close(UnsafeMutableRawPointer(peer.pointee.handle).assumingMemoryBound(to: uv_handle_t.self)) { handle in
            let peer = handle!.pointee.data.assumingMemoryBound(to: Peer.self)
            peer.deinitialize(count: 1)
            peer.deallocate()
            UnsafeMutableRawPointer(handle!).deallocate()
        }
    }

    private func leaveLingering(_ peer: UnsafeMutablePointer<Peer>) {
        let (previous, next) = (peer.pointee.previousLingering, peer.pointee.nextLingering)
        if let previous { previous.pointee.nextLingering = next } else { firstLingering = next }
        if let next { next.pointee.previousLingering = previous } else { lastLingering = previous }
    }
}
