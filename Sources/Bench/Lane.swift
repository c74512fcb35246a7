// Lane: one connection of the run: bytes on their way out, bytes that came in, and the messages that wait for an answer.
//
// Everything has its size from the start: a lane has a fixed number of places for messages, its output holds that many of the
// longest message, and a reply that does not fit the input makes it grow once. Nothing is allocated per message.

import CLinux
import Glibc

/// A message that was sent and not answered.
struct Place {
    /// When it was due, or sent where nothing is due: nanoseconds of the monotonic clock.
    var due: Int64
    /// Number of its first key.
    var base: UInt64
    var message: Int32
    /// Tells this message from the one that had the place before.
    var generation: UInt32
}

struct Lane {
    var descriptor: Int32
    let number: Int
    var output: UnsafeMutableRawPointer
    let outputSize: Int
    var outputStart = 0
    var outputEnd = 0
    var input: UnsafeMutableRawPointer
    var inputSize: Int
    var inputStart = 0
    var inputEnd = 0
    /// Whether the socket is full and is waited for.
    var isBlocked = false
    let places: UnsafeMutablePointer<Place>
    let placeCount: Int
    /// Stack of places that are free.
    let free: UnsafeMutablePointer<Int32>
    var freeCount: Int
    /// Places in the order of their requests, for replies without a name: a ring.
    let order: UnsafeMutablePointer<Int32>
    var orderStart = 0
    var orderCount = 0

    static let inputRoom = 64 * 1024

    init(_ descriptor: Int32, number: Int, places count: Int, longest: Int) {
        self.descriptor = descriptor
        self.number = number
        outputSize = count * longest
        output = .allocate(byteCount: outputSize, alignment: 64)
        inputSize = Lane.inputRoom
        input = .allocate(byteCount: inputSize, alignment: 64)
        places = .allocate(capacity: count)
        places.initialize(repeating: Place(due: 0, base: 0, message: -1, generation: 0), count: count)
        placeCount = count
        free = .allocate(capacity: count)
        for i in 0..<count { (free + i).initialize(to: Int32(count - 1 - i)) }
        freeCount = count
        order = .allocate(capacity: count)
        order.initialize(repeating: 0, count: count)
    }

    func deallocate() {
        close(descriptor)
        output.deallocate()
        input.deallocate()
        places.deallocate()
        free.deallocate()
        order.deallocate()
    }

    var waiting: Int { placeCount - freeCount }
    var pendingOutput: Int { outputEnd - outputStart }

    mutating func takePlace() -> Int {
        freeCount -= 1
        return Int(free[freeCount])
    }

    mutating func release(_ place: Int) {
        places[place].generation &+= 1
        places[place].message = -1
        free[freeCount] = Int32(place)
        freeCount += 1
    }

    mutating func queue(_ place: Int) {
        order[(orderStart + orderCount) % placeCount] = Int32(place)
        orderCount += 1
    }

    /// The place of the oldest request; nil when none waits.
    mutating func oldest() -> Int? {
        guard orderCount > 0 else { return nil }
        let place = Int(order[orderStart])
        orderStart = (orderStart + 1) % placeCount
        orderCount -= 1
        return place
    }

    /// Room for one more message: the output never holds more than the places' worth.
    mutating func room(_ length: Int) -> UnsafeMutableRawPointer {
        if outputSize - outputEnd < length {
            memmove(output, output + outputStart, pendingOutput)
            outputEnd -= outputStart
            outputStart = 0
        }
        return output + outputEnd
    }

    /// Writes what is pending as far as the socket takes it; false when the connection is gone.
    mutating func flush() -> Bool {
        while outputStart < outputEnd {
            let sent = send(descriptor, output + outputStart, pendingOutput, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
            if sent < 0 {
                if errno == EINTR { continue }
                return errno == EAGAIN
            }
            outputStart += sent
        }
        outputStart = 0
        outputEnd = 0
        return true
    }

    /// Reads what is there, up to the room; false when the connection is gone.
    mutating func fill() -> Bool {
        if inputStart > 0 {
            memmove(input, input + inputStart, inputEnd - inputStart)
            inputEnd -= inputStart
            inputStart = 0
        }
        if inputEnd == inputSize {
            let larger = UnsafeMutableRawPointer.allocate(byteCount: inputSize * 2, alignment: 64)
            larger.copyMemory(from: input, byteCount: inputEnd)
            input.deallocate()
            input = larger
            inputSize *= 2
        }
        while true {
            let got = recv(descriptor, input + inputEnd, inputSize - inputEnd, Int32(MSG_DONTWAIT))
            if got > 0 {
                inputEnd += got
                return true
            }
            if got == 0 { return false }
            if errno == EINTR { continue }
            return errno == EAGAIN
        }
    }
}
