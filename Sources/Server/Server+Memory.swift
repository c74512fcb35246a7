// What buffers may hold, as the server applies it: how much is read at a time, what is kept of it, and who is refused.

internal import Core
internal import Frames
internal import Wire

extension Server {
    /// How many bytes to read from this peer at a time. The fuller the buffers of all are, the less: what is read and cannot be
    /// processed at once has to be kept. A request that has its room is read at full size.
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
        if needed > connection.pointee.input.capacity, needed > Limits.connectionBufferBytes {
            let size = max(connection.pointee.input.capacity * 2, needed)
            guard budgets.pointee.input.hasRoom(for: size - connection.pointee.countedInput, stranger: connection.pointee.isStranger) else {
                refuseForRoom(index)
                return false
            }
        }
        connection.pointee.input.append(bytes: bytes)
        connection.pointee.input.reserve(Server.inputPadding)
        return true
    }

    /// Whether a request or frame of `total` bytes may be collected, of which fewer have come.
    func mayCollect(_ index: UInt32, _ total: Int) -> Bool {
        let connection = slots + Int(index)
        guard total > Limits.connectionBufferBytes, total > connection.pointee.input.capacity else { return true }
        return budgets.pointee.input.hasRoom(for: total - connection.pointee.countedInput, stranger: connection.pointee.isStranger)
    }

    /// Whether an answer of any length may be written for this peer.
    func mayAnswerAtLength(_ index: UInt32) -> Bool { !budgets.pointee.output.isFull(stranger: slots[Int(index)].isStranger) }

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
