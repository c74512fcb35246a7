// Peers that are looked at now and then instead of waking the loop.
//
// While commits are paced (`CommitPace`) an event waits for the others of its batch: to read it at once gains nothing, and a wake-up
// for each costs more than all else that is done for it. So a peer that goes on sending while it is owed an answer is taken off the
// loop and read when its batch goes; network drivers do the same with their interrupts. Ten thousand single events a second wake the
// loop twice a millisecond instead of twelve times.
//
// It comes back when two looks in a row found nothing, when it sends as much as one look takes or what is answered without a batch,
// when it is not to be read for now, and when commits are not paced any more.

internal import CUV
internal import Core
internal import Glibc
internal import Server

extension EventLoop {
    /// Reads in a row while it was owed an answer, before a peer is polled: who sends now and then is cheaper to wait for.
    static let overlapsToPoll = 2
    private static let missesToLeave = 2

    /// Takes a peer off the loop.
    func poll(_ peer: UnsafeMutablePointer<Peer>, _ now: UInt64) {
        guard !peer.pointee.isPolled, !peer.pointee.closing, !peer.pointee.ended else { return }
        stopReading(peer)
        if polled.isEmpty { lastLook = now }
        peer.pointee.polledAt = polled.count
        peer.pointee.misses = 0
        polled.append(peer)
    }

    /// Once a turn: reads those that are polled, when it is time.
    func lookAtPolled() {
        guard !polled.isEmpty else { return }
        let now = uv_hrtime()
        guard now >= server.pointee.pipeline.nextLook(after: lastLook) else { return }
        lastLook = now
        // Backwards: one that leaves is replaced by the last, which was looked at already.
        for at in polled.indices.reversed() { look(polled[at]) }
    }

    private func look(_ peer: UnsafeMutablePointer<Peer>) {
        guard let connection = server.pointee.connection(peer.pointee.id), connection.pointee.wantsInput else {
            leavePolled(peer)
            return
        }
        let size = readSize(peer)
        var descriptor: Int32 = -1
        uv_fileno(UnsafeMutableRawPointer(peer.pointee.handle).assumingMemoryBound(to: uv_handle_t.self), &descriptor)
        let count = Glibc.read(descriptor, readBuffer, size)
        let error = errno
        if count > 0 {
            peer.pointee.misses = 0
            server.pointee.sentOn()
            didRead(peer, count, readBuffer.assumingMemoryBound(to: CChar.self))
            if count == size || !connection.pointee.isOwed { resumeReading(peer) }
        } else if count < 0, error == EAGAIN || error == EINTR {
            peer.pointee.misses += 1
            if peer.pointee.misses == EventLoop.missesToLeave { resumeReading(peer) }
        } else {
            leavePolled(peer)
            didRead(peer, count == 0 ? Int(UV_EOF.rawValue) : -Int(error), nil)
        }
    }

    private func resumeReading(_ peer: UnsafeMutablePointer<Peer>) {
        leavePolled(peer)
        startReading(peer)
    }

    func stopPolling() {
        while let peer = polled.last { resumeReading(peer) }
    }

    func leavePolled(_ peer: UnsafeMutablePointer<Peer>) {
        guard let at = peer.pointee.polledAt, let last = polled.popLast() else { return }
        if last != peer {
            polled[at] = last
            last.pointee.polledAt = at
        }
        peer.pointee.polledAt = nil
        peer.pointee.overlaps = 0
    }
}
