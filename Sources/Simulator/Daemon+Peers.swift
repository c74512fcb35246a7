// Peers, as Sources/Runtime/EventLoop+Peers.swift has them: reading while the server wants it, writing as far as the kernel takes
// it, lingering at the end.

internal import Core
internal import Ledger
internal import Server

extension Daemon {
    /// A peer calls; false when the daemon takes no more.
    func accept(_ connection: FakeConnection, at clock: FakeClock) -> Bool {
        guard !isDraining, let id = server.connected(plan.isRemote ? .remote : .local, at: clock.instant) else { return false }
        connection.isAccepted = true
        peers.append(Peer(connection: connection, id: id))
        return true
    }

    // MARK: Reading

    func read() {
        guard !peers.isEmpty else { return }
        let first = dice.below(peers.count)
        for k in peers.indices {
            let index = (first + k) % peers.count
            if !peers[index].connection.isClosed { read(index) }
            if disk.isDead { return }
        }
        peers.removeAll { $0.connection.isClosed }
    }

    private func read(_ index: Int) {
        let connection = peers[index].connection
        if connection.isReset {
            close(index)
            return
        }
        guard peers[index].isReading, !peers[index].hasEnded, turnTime >= connection.toServerFrom else { return }
        if connection.toServer.isEmpty {
            if connection.clientEnded { ended(index) }
            return
        }
        let count = piece(of: connection.toServer.count)
        if count < connection.toServer.count { record.coverage[.pieces] += 1 } else { record.coverage[.glued] += 1 }
        let bytes = Array(connection.toServer[..<count])
        connection.toServer.removeFirst(count)
        record.note("reads", "connection \(connection.number)", count)
        if dice.happens(plan.networkStallRate) {
            connection.toServerFrom = turnTime + dice.duration(FakeClock.second...60 * FakeClock.second)
            record.coverage[.networkStalls] += 1
        }
        guard peers[index].lingerUntil == 0 else { return }
        deliver(bytes, index)
        if server.connection(peers[index].id)?.pointee.wantsInput == false { peers[index].isReading = false }
    }

    /// The server sees bytes that are gone afterwards, with 64 that mean nothing behind them.
    private func deliver(_ bytes: [UInt8], _ index: Int) {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count + 64, alignment: 64)
        defer { memory.deallocate() }
        memory.initializeMemory(as: UInt8.self, repeating: 0xAA)
        memory.copyBytes(from: bytes)
        server.received(peers[index].id, UnsafeRawBufferPointer(rebasing: memory[..<bytes.count]), at: turnInstant)
        memory.initializeMemory(as: UInt8.self, repeating: 0x58)
    }

    private func piece(of count: Int) -> Int {
        if dice.happens(plan.wholeRate) { return count }
        return dice.happens(plan.byteRate) ? 1 : dice.within(1...count)
    }

    private func ended(_ index: Int) {
        peers[index].hasEnded = true
        peers[index].isReading = false
        if peers[index].lingerUntil != 0 { close(index) } else { server.peerEnded(peers[index].id) }
    }

    // MARK: Writing

    func flushDirty() {
        var dirty: [ConnectionID] = []
        server.takeDirty { id, _ in dirty.append(id) }
        for id in dirty {
            if let index = peers.firstIndex(where: { $0.id == id && !$0.connection.isClosed }) { flush(index) }
        }
        // The kernel takes more as soon as the peer has read.
        for index in peers.indices where !peers[index].writing.isEmpty && !peers[index].connection.isClosed {
            let before = peers[index].writing.count
            push(index)
            if peers[index].writing.count < before { peers[index].stuckSince = turnTime }
            if peers[index].writing.isEmpty { flush(index) }
        }
        peers.removeAll { $0.connection.isClosed }
    }

    private func push(_ index: Int) {
        let connection = peers[index].connection
        let room = max(0, plan.socketBytes - connection.toClient.count)
        let count = min(room, peers[index].writing.count)
        guard count > 0 else { return }
        if !connection.isReset { connection.toClient += peers[index].writing[..<count] }
        peers[index].writing.removeFirst(count)
    }

    private func flush(_ index: Int) {
        guard peers[index].lingerUntil == 0, let connection = server.connection(peers[index].id) else { return }
        if peers[index].connection.isReset {
            close(index)
            return
        }
        if peers[index].writing.isEmpty, connection.pointee.hasReleasable {
            let (from, to) = (connection.pointee.written, connection.pointee.releasable)
            peers[index].writing = Array(connection.pointee.output.bytes[from..<to])
            record.note("writes", "connection \(peers[index].connection.number)", to - from)
            push(index)
            peers[index].stuckSince = turnTime
            connection.pointee.didWrite(to - from)
            if connection.pointee.hasMore { server.drained(peers[index].id) }
        }
        if connection.pointee.isFinished, peers[index].writing.isEmpty {
            endOutput(index)
            return
        }
        if connection.pointee.wantsInput, peers[index].writing.count < Limits.outputHighWater {
            if connection.pointee.hasUnreadInput { server.resume(peers[index].id, at: turnInstant) }
            peers[index].isReading = !peers[index].hasEnded
        } else {
            if peers[index].isReading { record.coverage[.stalledInput] += 1 }
            peers[index].isReading = false
        }
    }

    // MARK: Ending

    private func endOutput(_ index: Int) {
        peers[index].connection.serverEnded = true
        record.coverage[.serverClosed] += 1
        if peers[index].hasEnded || isDraining {
            close(index)
            return
        }
        peers[index].lingerUntil = turnTime + FakeClock.second
        peers[index].isReading = true
    }

    func close(_ index: Int) {
        let connection = peers[index].connection
        guard !connection.isClosed else { return }
        connection.isClosed = true
        connection.serverEnded = true
        // A socket that is closed with input unread is reset, and what the peer had not read may be lost.
        if !connection.toServer.isEmpty, dice.flip() { connection.reset() }
        connection.toServer = []
        server.disconnected(peers[index].id)
    }

    /// The process is gone: the kernel ends its connections. With `reads`, peers may still read what it had taken.
    func hangUp(reads: Bool, _ dice: inout Dice) {
        if server.ledger.dedup.expiredBefore > .start { record.coverage[.keysExpired] += 1 }
        record.coverage[.keyReads] += server.ledger.dedup.counters.reads
        for peer in peers where !peer.connection.isClosed {
            peer.connection.isClosed = true
            peer.connection.serverEnded = true
            if !reads || dice.flip() { peer.connection.reset() }
            peer.connection.toServer = []
            server.disconnected(peer.id)
        }
        forgetWork()
    }
}
