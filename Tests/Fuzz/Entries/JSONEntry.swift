// JSON bodies: events in their three shapes, customers, any document. What is taken is JSON for a plain reader too, and what becomes
// of an event is the same after it was written to the journal and read again.

import Core
import Journal
import Wire

extension FuzzEntry {
    static let json = FuzzEntry("json") { input in
        var choices = Choices(input)
        let choice = choices.byte()
        let text = choices.data
        let isJSON = StrictJSON.accepts(text)
        var reader = EventJSON()
        for shape in [EventJSON.Shape.single, .array, .ndjson] {
            var block = EventBlock(events: 1)
            let reading = exactly(text, padding: 64) { reader.read($0, shape: shape, ignoringKey: choice & 1 != 0, into: &block) }
            switch reading {
            case .ok:
                if shape != .ndjson { try demand(isJSON, "taken as \(shape), and no JSON") }
                if shape == .ndjson { try compare(block, withLinesOf: text, ignoringKey: choice & 1 != 0) }
                try check(block)
                try writeDown(&block)
            case .malformed(_, let offset):
                try demand(offset >= 0 && offset <= text.count, "malformed at \(offset) of \(text.count)")
                try demand(block.count == 0 && block.usageCount == 0, "a refused body left something behind")
            case .tooManyEvents: throw Finding("too many events in \(text.count) bytes")
            }
        }
        for registering in [true, false] {
            let reading = exactly(text, padding: 64) { CustomerJSON.read($0, registering: registering) }
            guard case .ok(let customer) = reading else { continue }
            try demand(isJSON, "taken as a customer, and no JSON")
            for value in [customer.email, customer.firstName, customer.lastName, customer.phoneNumber] {
                guard let value else { continue }
                try demand(String(validating: value, as: UTF8.self) != nil, "a text that is not UTF-8")
            }
        }
        if let document = try? exactly(text, padding: 64, { try JSONDocument($0) }) {
            try demand(isJSON, "taken as a document, and no JSON")
            try walk(document.root, 0)
        }
    }

    /// A line is an event of its own, whatever stands in those beside it.
    private static func compare(_ block: borrowing EventBlock, withLinesOf text: [UInt8], ignoringKey: Bool) throws {
        var reader = EventJSON()
        var count = 0
        for line in text.split(separator: 0x0A) where line.contains(where: { $0 != 0x20 && $0 != 0x09 && $0 != 0x0D }) {
            try demand(count < block.count, "fewer events than lines")
            let event = block.events[count]
            count += 1
            var alone = EventBlock(events: 1)
            let reading = exactly(Array(line), padding: 64) { reader.read($0, shape: .single, ignoringKey: ignoringKey, into: &alone) }
            guard case .ok = reading else {
                try demand(event.outcome == .malformed && event.field == .none, "line \(count) is malformed alone only")
                continue
            }
            let other = alone.events[0]
            try demand(
                event.outcome == other.outcome && event.field == other.field && event.flags == other.flags
                    && event.occurredAt == other.occurredAt && event.usageUnits == other.usageUnits && event.cost == other.cost
                    && event.revenue == other.revenue && event.usageCount == other.usageCount
                    && block.text(event.key).elementsEqual(alone.text(other.key))
                    && block.name(event.eventName).elementsEqual(alone.name(other.eventName))
                    && block.text(event.extras).elementsEqual(alone.text(other.extras)), "line \(count) is another event alone")
        }
        try demand(count == block.count, "more events than lines")
    }

    private static func walk(_ value: JSONValue, _ level: Int) throws {
        try demand(level <= Limits.jsonDepth, "deeper than \(Limits.jsonDepth)")
        switch value.kind {
        case .object: for member in value.members { try walk(member.value, level + 1) }
        case .array: for element in value.elements { try walk(element, level + 1) }
        case .string: try demand(String(validating: value.bytes, as: UTF8.self) != nil, "a text that is not UTF-8")
        default: break
        }
    }

    /// Events that are taken survive the journal.
    private static func writeDown(_ block: inout EventBlock) throws {
        for i in 0..<block.count where block.events[i].outcome == .recorded {
            var event = block.events[i]
            if event.flags & EventRecord.hasOccurredAt == 0 { event.occurredAt = Timestamp(nanoseconds: 1_780_000_000_000_000_000) }
            if event.key.isEmpty { event.key = Array("k".utf8).withUnsafeBytes { block.add(text: $0) } }
            for name in 0...block.nameCount { block.nameIDs[name] = UInt32(name) }
            var writer = ByteWriter()
            _ = writer.append(event: event, of: block, recordedAt: event.occurredAt)
            var facts = FactReader(writer.bytes)
            guard let fact = facts.next(), let read = EventFact(fact.payload) else { throw Finding("an event that cannot be read back") }
            var key = ByteWriter()
            read.appendKey(to: &key)
            try demand(facts.next() == nil && !facts.failed, "an event that is more than one fact")
            try demand(
                read.occurredAt == event.occurredAt && read.eventName == event.eventName && read.customer == event.customer
                    && read.model == event.model && read.usageUnits == event.usageUnits && read.tier == event.tier
                    && Int(read.usageCount) == Int(event.usageCount) && read.cost == event.cost && read.revenue == event.revenue
                    && read.extras.elementsEqual(block.text(event.extras)) && key.bytes.elementsEqual(block.text(event.key)),
                "an event changes in the journal: \(read)")
            for (line, again) in zip(block.usage(of: event), UsageIterator(read)) { try demand(line == again, "\(line) becomes \(again)") }
        }
    }
}
