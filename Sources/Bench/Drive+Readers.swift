// The readers of a run: connections that ask for margins and events, each at its own even pace, while events are written. Their
// latencies count from when a question was due, like those of an open loop.

import CLinux
import Glibc

/// A connection that asks one thing at a time.
struct Reader {
    let descriptor: Int32
    let number: Int
    /// When the next question is due, or the one that was asked was.
    var due: Int64 = 0
    var isAsking = false
    /// Questions asked so far.
    var asked = 0
    var input: [UInt8] = []

    init(_ descriptor: Int32, number: Int) {
        self.descriptor = descriptor
        self.number = number
    }

    /// What is asked in turn: all margins by model, the newest events, one customer's margins, one customer's events.
    static let questions = [
        "/api/v1/client/margins?groupBy=model", "/api/v1/client/events?limit=50",
        "/api/v1/client/margins?groupBy=day,feature&customerReferenceId=cust-00000003",
        "/api/v1/client/events?limit=50&customerReferenceId=cust-00000003",
    ]

    var isAboutMargins: Bool { asked % 2 == 1 }
}

extension Drive {
    /// Spreads the readers over the interval.
    mutating func startReaders(at start: Int64) {
        let interval = 1e9 / options.readRate
        for i in 0..<readers.count { readers[i].due = start + Int64(interval * Double(i) / Double(readers.count)) }
    }

    /// Asks what is due.
    mutating func askDue(_ now: Int64) {
        for i in 0..<readers.count where !readers[i].isAsking && readers[i].due <= now {
            let request = target.get(Reader.questions[readers[i].asked % 4])
            let sent = request.withUnsafeBytes { send(readers[i].descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard sent == request.count else { return fail("a reader's connection broke: \(systemError())") }
            readers[i].asked += 1
            readers[i].isAsking = true
        }
    }

    mutating func readerIsReady(_ number: Int) {
        let room = 256 * 1024
        let before = readers[number].input.count
        readers[number].input.append(contentsOf: repeatElement(0, count: room))
        let descriptor = readers[number].descriptor
        let got = readers[number].input.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress! + before, room, Int32(MSG_DONTWAIT)) }
        readers[number].input.removeLast(room - max(0, got))
        if got == 0 { return fail("the server closed a reader's connection") }
        if got < 0 { return errno == EAGAIN || errno == EINTR ? () : fail("a reader's connection broke: \(systemError())") }
        switch readers[number].input.withUnsafeBytes({ Reply.extent($0) }) {
        case .needMore: return
        case .broken(let why): return fail(why)
        case .whole(let status, _, _): finish(number, status: status)
        }
    }

    private mutating func finish(_ number: Int, status: Int) {
        readers[number].input.removeAll(keepingCapacity: true)
        if status == 200 { record(number, until: Clock.monotonic) } else { result.readFailures += 1 }
        readers[number].isAsking = false
        readers[number].due += Int64(1e9 / options.readRate)
    }

    private mutating func record(_ number: Int, until now: Int64) {
        let due = readers[number].due
        guard isMeasured(due: due) else { return }
        let latency = UInt64(max(0, now - due))
        if readers[number].isAboutMargins { result.margins.record(latency) } else { result.events.record(latency) }
    }

    /// At the end, what was due in the window and not answered, or not even asked because the question before it took so long, counts
    /// with the time it has waited: at least so long it would have taken.
    mutating func closeReaders() {
        let now = Clock.monotonic
        for i in 0..<readers.count {
            while isMeasured(due: readers[i].due) {
                if !readers[i].isAsking { readers[i].asked += 1 }
                record(i, until: now)
                readers[i].isAsking = false
                readers[i].due += Int64(1e9 / options.readRate)
            }
        }
    }
}
