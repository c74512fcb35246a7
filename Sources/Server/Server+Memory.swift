// What buffers may hold, as the server applies it: how much is read at a time, what is kept of it, and who is refused.

internal import Core
internal import Frames
internal import Ledger
internal import Wire

extension Server {
    /// Hands out memory that was needed for a burst, once it is over; its contents do not matter. False when there was no commit since the
    /// last time, or one a moment ago.
    public mutating func afterBurst(at monotonic: UInt64, _ body: (UnsafeMutableRawPointer, Int) -> Void) -> Bool {
        guard lastCommit != 0, lastCommit != lastGivenBack, monotonic &- lastCommit > 3_000_000_000, pipelineBox.pointee.isIdle else {
            return false
        }
        lastGivenBack = lastCommit
        ledger.dedup.dropSpare()
        pipelineBox.pointee.giveBack(body)
        return true
    }

    /// How many bytes to read from this peer at a time. The fuller the buffers of all are, the less: what is read and cannot be
    /// processed at once has to be kept. What has a buffer already is read at its size.
    public func readSize(_ id: ConnectionID) -> Int {
        guard let connection = connection(id) else { return Limits.smallestRead }
        let free = connection.pointee.input.capacity - connection.pointee.input.count
        let share = budgets.pointee.input.room(stranger: connection.pointee.isStranger) / 64
        return min(Limits.turnBytes, max(Limits.smallestRead, free, share))
    }

    /// Puts bytes behind the input that is kept; false, and the connection ends, when there is no room for them.
    mutating func keep(_ index: UInt32, _ bytes: UnsafeRawBufferPointer) -> Bool {
        let connection = slots + Int(index)
        let needed = connection.pointee.input.count + bytes.count + Server.inputPadding
        if needed > connection.pointee.input.capacity {
            // It grows with what has come, not with what was announced: who only announces holds nothing.
            var size = max(connection.pointee.input.capacity * 2, needed)
            if connection.pointee.expected >= needed { size = min(size, connection.pointee.expected) }
            guard
                size <= Limits.connectionBufferBytes
                    || budgets.pointee.input.hasRoom(for: size - connection.pointee.countedInput, stranger: connection.pointee.isStranger)
            else {
                refuseForRoom(index)
                return false
            }
            connection.pointee.growInput(to: size)
        }
        connection.pointee.input.append(bytes: bytes)
        return true
    }

    /// Whether there is room now for a request or frame of `total` bytes, of which fewer have come. Nothing is set aside for it: if
    /// others take the room meanwhile, it is refused on the way.
    func mayCollect(_ index: UInt32, _ total: Int) -> Bool {
        let connection = slots + Int(index)
        guard total > Limits.connectionBufferBytes, total > connection.pointee.input.capacity else { return true }
        return budgets.pointee.input.hasRoom(for: total - connection.pointee.countedInput, stranger: connection.pointee.isStranger)
    }

    /// Whether an answer of any length may be written for this peer.
    func mayAnswerAtLength(_ index: UInt32) -> Bool { !budgets.pointee.output.isFull(stranger: slots[Int(index)].isStranger) }

    /// Whether the metrics may: to those with a key also when nobody is answered at length, which is when they are looked at.
    func mayAnswerMetrics(_ index: UInt32) -> Bool {
        mayAnswerAtLength(index)
            || !slots[Int(index)].isStranger && budgets.pointee.output.total < Limits.outputBytes + Limits.answerBytes / 2
    }

    /// Tells a peer that there is no room for what it sends, and ends the connection: what it sent is not read.
    mutating func refuseForRoom(_ index: UInt32) {
        let connection = slots + Int(index)
        metrics.refusedForMemory += 1
        if connection.pointee.dialect == .binary {
            refuseFrame(index, .overloaded)
        } else if connection.pointee.awaitsAnswer {
            // Its answer says that nothing after it was read.
            connection.pointee.answerKeepAlive = false
            connection.pointee.dropInput()
        } else {
            var context = RequestContext(index: index, method: .get, requestID: newRequestID())
            context.keepAlive = false
            fail(&context, 503, "overloaded", "There is no room for this request now; nothing was recorded, try again")
            connection.pointee.closing = true
        }
    }
}
