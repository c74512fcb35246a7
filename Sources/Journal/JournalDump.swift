// JournalDump: a journal as lines of JSON, one object a fact, in order, with exact decimals. What it prints is enough to
// rebuild every total with other tools.
//
// Names are spelled out from the strings of their own segment. Text that is not UTF-8 is repaired, a JSON object that was
// kept as it came loses its line breaks, so every line is one JSON document whatever the journal holds. Digests of API
// keys are left out. Flags appear only when they are set.

public import Core

public struct JournalDump: ~Copyable {
    /// Print only events.
    public var eventsOnly = false
    private var strings = SegmentStrings()

    public init(eventsOnly: Bool = false) { self.eventsOnly = eventsOnly }

    /// Dumps the journal from segment `first` on (0: from its start). `emit` gets whole lines, at most about 256 KiB at
    /// a time, valid until it returns.
    public static func run<S: Storage>(
        _ storage: S, fromSegment first: UInt32 = 0, eventsOnly: Bool = false, emit: (UnsafeRawBufferPointer) throws -> Void
    ) throws(JournalError) {
        var dump = JournalDump(eventsOnly: eventsOnly)
        var reader = JournalReader(storage)
        var lines = ByteWriter(capacity: 384 * 1024)
        let start = JournalPosition(segment: first, offset: 0)
        try reader.forEachBatch(from: start) { info, body in
            try dump.append(info, body, to: &lines) { lines in
                guard lines.count >= 256 * 1024 else { return }
                try emit(lines.bytes)
                lines.reset()
            }
            if lines.count > 0 { try emit(lines.bytes) }
            lines.reset()
            return true
        }
    }

    /// Appends the lines of one batch. Batches of a segment must be given from its first on. `afterLine` may empty the
    /// writer.
    public mutating func append(
        _ info: BatchInfo, _ body: UnsafeRawBufferPointer, to writer: inout ByteWriter,
        afterLine: (inout ByteWriter) throws -> Void = { _ in }
    ) throws {
        strings.enter(segment: info.position.segment)
        var reader = FactReader(body)
        var end = 0
        while let fact = reader.next() {
            end = fact.offset + fact.headerBytes + fact.payload.count
            if fact.type == .string, !strings.add(fact.payload) { throw JournalError.facts(info, offset: fact.offset) }
            if eventsOnly, fact.type != .event { continue }
            try append(fact, info, to: &writer)
            try afterLine(&writer)
        }
        if reader.failed { throw JournalError.facts(info, offset: end) }
    }

    private mutating func append(_ fact: Fact, _ info: BatchInfo, to writer: inout ByteWriter) throws(JournalError) {
        writer.append("{\"fact\":\"")
        writer.append(fact.type?.name ?? "unknown")
        writer.append("\",\"position\":\"")
        let position = info.position(ofBodyOffset: fact.offset)
        writer.append(unsigned: UInt64(position.segment))
        writer.append(0x3A)
        writer.append(unsigned: UInt64(position.offset))
        writer.append(0x22)
        switch fact.type {
        case .string:
            var reader = ByteReader(fact.payload)
            writer.member("id", unsigned: reader.varint())
            writer.member("text", text: reader.bytes(reader.remaining))
        case .event:
            guard let event = EventFact(fact.payload) else { throw .facts(info, offset: fact.offset) }
            guard event.names.allSatisfy({ $0 == noString || strings.isDefined($0) }) else {
                throw .facts(info, offset: fact.offset, .string)
            }
            append(event, to: &writer)
        case .customer:
            guard let customer = CustomerFact(fact.payload) else { throw .facts(info, offset: fact.offset) }
            append(customer, to: &writer)
        case .key:
            guard let key = KeyFact(fact.payload) else { throw .facts(info, offset: fact.offset) }
            append(key, to: &writer)
        case .response:
            guard let response = ResponseFact(fact.payload) else { throw .facts(info, offset: fact.offset) }
            writer.member("scope", unsigned: response.scope)
            writer.member("at", time: response.at)
            writer.member("status", unsigned: UInt64(response.status))
            writer.member("body", text: response.body)
        case .catalogue: writer.member("version", text: fact.payload)
        case .correction:
            guard let correction = Correction(fact.payload) else { throw .facts(info, offset: fact.offset) }
            guard strings.areDefined(correction) else { throw .facts(info, offset: fact.offset, .string) }
            append(correction, to: &writer)
        case .run:
            guard let run = RunFact(fact.payload) else { throw .facts(info, offset: fact.offset) }
            append(run, to: &writer)
        case .ownPrice:
            guard let price = OwnPriceFact(fact.payload) else { throw .facts(info, offset: fact.offset) }
            append(price, to: &writer)
        case .cataloguePart:
            guard let part = CataloguePartFact(fact.payload) else { throw .facts(info, offset: fact.offset) }
            writer.member("offset", unsigned: part.offset)
            writer.member("bytes", unsigned: UInt64(part.text.count))
        case .priceBook:
            guard let book = PriceBookFact(fact.payload) else { throw .facts(info, offset: fact.offset) }
            append(book, to: &writer)
        case .place, .met, .sums, .runSums, .dropped:
            guard append(condensed: fact, to: &writer) else { throw .facts(info, offset: fact.offset) }
        case nil:
            writer.member("type", unsigned: UInt64(fact.rawType))
            writer.member("bytes", unsigned: UInt64(fact.payload.count))
        }
        writer.append("}\n")
    }

    // MARK: - Events

    private func append(_ event: EventFact, to writer: inout ByteWriter) {
        writer.member("sequence", unsigned: event.sequence)
        var key = ByteWriter(capacity: 64)
        event.appendKey(to: &key)
        writer.member("eventIdempotencyKey", text: key.bytes)
        name("eventName", event.eventName, to: &writer)
        name("customerReferenceId", event.customer, to: &writer)
        name("featureKey", event.feature, to: &writer)
        name("model", event.model, to: &writer)
        name("modelProvider", event.provider, to: &writer)
        name("region", event.region, to: &writer)
        writer.member("occurredAt", time: event.occurredAt)
        writer.member("recordedAt", time: event.recordedAt)
        if event.flags & EventFlag.usageUnits != 0 {
            writer.member("usageUnits")
            writer.append(decimal: event.usageUnits)
        }
        appendUsage(event, to: &writer)
        if event.isPriced {
            writer.member("costAmount")
            writer.append(money: event.cost)
        } else {
            writer.member("unpricedReason", literal: event.unpriced.name)
        }
        if event.hasRevenue {
            writer.member("revenueAmount")
            writer.append(money: event.revenue)
        }
        if let derivation = strings.text(event.price) {
            let source = derivation.prefix { $0 != 0x7C }
            writer.member("priceSource", text: UnsafeRawBufferPointer(rebasing: source))
            writer.member("priceDerivation", text: derivation)
        }
        if event.flags & EventFlag.matched != 0 { writer.member("match", literal: event.match.name) }
        if event.flags & EventFlag.tier != 0 { writer.member("serviceTier", literal: event.tier.name) }
        for tag in EventExtra.allCases {
            guard let bytes = event.extra(tag) else { continue }
            switch tag {
            case .meta, .usage: writer.member(tag.name, object: bytes)
            default: writer.member(tag.name, text: bytes)
            }
        }
        if event.flags & EventFlag.costGiven != 0 { writer.append(",\"costGiven\":true") }
        if event.flags & EventFlag.timeGiven != 0 { writer.append(",\"timeGiven\":true") }
        if event.flags & EventFlag.keyGenerated != 0 { writer.append(",\"keyGenerated\":true") }
        if event.flags & EventFlag.unitsAsInput != 0 { writer.append(",\"unitsAsInput\":true") }
    }

    private func appendUsage(_ event: EventFact, to writer: inout ByteWriter) {
        writer.append(",\"usage\":{")
        var isFirst = true
        for line in UsageIterator(event) {
            if !isFirst { writer.append(0x2C) }
            isFirst = false
            writer.append(0x22)
            writer.append(line.kind.name)
            writer.append("\":")
            writer.append(decimal: line.quantity)
        }
        writer.append(0x7D)
    }

    func name(_ member: StaticString, _ id: StringID, to writer: inout ByteWriter) {
        if let text = strings.text(id) { writer.member(member, text: text) }
    }

    // MARK: - Other facts

    private func append(_ fact: CustomerFact, to writer: inout ByteWriter) {
        writer.member("operation", literal: fact.operation == .registered ? "registered" : "changed")
        name("customerReferenceId", fact.reference, to: &writer)
        writer.member("at", time: fact.at)
        let fields: [(StaticString, [UInt8]?)] = [
            ("email", fact.email), ("firstName", fact.firstName), ("lastName", fact.lastName), ("phoneNumber", fact.phoneNumber),
        ]
        for case (let member, .some(let value)) in fields { value.withUnsafeBytes { writer.member(member, text: $0) } }
    }

    private func append(_ fact: KeyFact, to writer: inout ByteWriter) {
        writer.member("operation", literal: fact.operation == .created ? "created" : "revoked")
        writer.member("id", unsigned: UInt64(fact.id))
        writer.member("at", time: fact.at)
        guard fact.operation == .created else { return }
        fact.name.withUnsafeBytes { writer.member("name", text: $0) }
        fact.hint.withUnsafeBytes { writer.member("hint", text: $0) }
        writer.append(",\"scopes\":[")
        var isFirst = true
        let scopes: [(UInt8, StaticString)] = [
            (KeyScope.ingest, "\"ingest\""), (KeyScope.read, "\"read\""), (KeyScope.admin, "\"admin\""),
        ]
        for (bit, text) in scopes where fact.scopes & bit != 0 {
            if !isFirst { writer.append(0x2C) }
            isFirst = false
            writer.append(text)
        }
        writer.append(0x5D)
    }
}

extension FactType {
    /// The word for it in a dump.
    public var name: StaticString {
        switch self {
        case .string: "string"
        case .event: "event"
        case .customer: "customer"
        case .key: "key"
        case .response: "response"
        case .catalogue: "catalogue"
        case .correction: "correction"
        case .run: "run"
        case .ownPrice: "ownPrice"
        case .cataloguePart: "cataloguePart"
        case .priceBook: "priceBook"
        case .place: "place"
        case .met: "met"
        case .sums: "sums"
        case .runSums: "runSums"
        case .dropped: "dropped"
        }
    }
}

extension EventExtra {
    /// The member it has in a dump.
    public var name: StaticString {
        switch self {
        case .stripeCustomerId: "stripeCustomerId"
        case .customerId: "customerId"
        case .featureId: "featureId"
        case .subscriptionId: "subscriptionId"
        case .entitlementId: "entitlementId"
        case .invoiceId: "invoiceId"
        case .flowId: "flowId"
        case .meta: "meta"
        case .usage: "usageObject"
        case .usageFormat: "usageFormat"
        }
    }
}

// MARK: - Members of an object that has one already

extension ByteWriter {
    mutating func member(_ name: StaticString) {
        append(",\"")
        append(name)
        append("\":")
    }

    mutating func member(_ name: StaticString, unsigned value: UInt64) {
        member(name)
        append(unsigned: value)
    }

    mutating func member(_ name: StaticString, literal: StaticString) {
        member(name)
        append(0x22)
        append(literal)
        append(0x22)
    }

    mutating func member(_ name: StaticString, time: Timestamp) {
        member(name)
        append(0x22)
        append(rfc3339: time)
        append(0x22)
    }

    mutating func member(_ name: StaticString, text: UnsafeRawBufferPointer) {
        member(name)
        if isValidUTF8(text) { append(jsonString: text) } else { append(jsonString: String(decoding: text, as: UTF8.self)) }
    }

    /// A JSON object as it came, on one line; as a string when it cannot be an object.
    mutating func member(_ name: StaticString, object: UnsafeRawBufferPointer) {
        let isSpace: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x0A || $0 == 0x0D || $0 == 0x09 }
        guard isValidUTF8(object), object.first(where: { !isSpace($0) }) == 0x7B, object.last(where: { !isSpace($0) }) == 0x7D else {
            member(name, text: object)
            return
        }
        member(name)
        // Inside strings JSON allows no line break, so those that are there stand between tokens.
        for byte in object { append(byte == 0x0A || byte == 0x0D ? 0x20 : byte) }
    }
}
