// EventBatch: events read from JSON, as the client library sends them, with the line each one stood on.
//
// Every event gets a key before it is sent for the first time: only an event with a key can be sent again after a lost
// connection without being counted twice.

import Client
import Core
import Frames
import Wire

/// An event that was not recorded, and why.
struct Rejection: Equatable {
    var line: Int
    var outcome: Outcome
    var field: EventField

    var text: String {
        let place = field == .none ? "" : ": \(field.name)"
        return "line \(line): \(outcome.name)\(place)"
    }
}

struct EventBatch {
    var events: [UsageEvent] = []
    /// The line of each event.
    var lines: [Int] = []
}

/// Turns JSON into batches.
struct EventBatchReader: ~Copyable {
    private var json = EventJSON()
    private var block = EventBlock(events: EventLines.most)
    private var keys = KeyMaker()
    /// Events that came without a key.
    private(set) var withoutKey = 0

    /// Reads lines (`numbers` says which they are); an event that cannot be one goes to `rejections`.
    mutating func read(
        _ bytes: UnsafeRawBufferPointer, shape: EventJSON.Shape, numbers: [Int], rejections: inout [Rejection]
    ) throws -> EventBatch {
        block.reset()
        switch json.read(bytes, shape: shape, into: &block) {
        case .ok: break
        case .malformed(let message, _):
            throw Failure.usage("the event is not what it should be: \(message)")
        case .tooManyEvents:
            throw Failure.usage("more than \(Limits.batchEvents) events at once")
        }
        guard block.count == numbers.count else { throw Failure.usage("the lines do not hold one event each") }
        var batch = EventBatch()
        batch.events.reserveCapacity(block.count)
        batch.lines.reserveCapacity(block.count)
        for index in 0..<block.count {
            let record = block.events[index]
            if record.outcome != .recorded {
                rejections.append(Rejection(line: numbers[index], outcome: record.outcome, field: record.field))
                continue
            }
            if record.key.isEmpty { withoutKey += 1 }
            batch.events.append(event(record))
            batch.lines.append(numbers[index])
        }
        return batch
    }

    private mutating func event(_ record: EventRecord) -> UsageEvent {
        var event = UsageEvent(key: key(record), name: name(record.eventName) ?? "")
        event.customer = name(record.customer)
        event.feature = name(record.feature)
        event.model = name(record.model)
        event.provider = name(record.provider)
        event.region = name(record.region)
        if record.flags & EventRecord.hasOccurredAt != 0 { event.occurredAt = record.occurredAt }
        if record.flags & EventRecord.hasUsageUnits != 0 { event.usageUnits = record.usageUnits }
        if record.flags & EventRecord.hasCost != 0 { event.cost = record.cost }
        if record.flags & EventRecord.hasRevenue != 0 { event.revenue = record.revenue }
        // Units that stand for input tokens are sent as units: the daemon draws the same conclusion itself.
        if record.usageCount > 0, record.flags & EventRecord.unitsAsInput == 0 { event.usage = Array(block.usage(of: record)) }
        if record.tier != .standard { event.tier = record.tier }
        if !record.extras.isEmpty {
            var reader = ByteReader(block.text(record.extras))
            while !reader.atEnd {
                let tag = reader.byte()
                let value = reader.lengthPrefixed()
                guard !reader.failed else { break }
                if let extra = EventExtra(rawValue: tag) { event.extras[extra] = String(decoding: value, as: UTF8.self) }
            }
        }
        return event
    }

    private mutating func key(_ record: EventRecord) -> EventKey {
        if record.key.isEmpty { return keys.next() }
        let text = block.text(record.key)
        var words: (UInt64, UInt64) = (0, 0)
        if parseUUID(text, into: &words) { return .uuid(high: words.0.byteSwapped, low: words.1.byteSwapped) }
        return .text(String(decoding: text, as: UTF8.self))
    }

    private func name(_ index: UInt32) -> String? {
        index == 0 ? nil : String(decoding: block.name(index), as: UTF8.self)
    }
}
