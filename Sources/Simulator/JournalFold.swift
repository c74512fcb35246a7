// JournalFold: the journal read through once more, by the auditor, into sums of its own. The sums are taken from what clients
// sent, not from what the facts say; where the two differ a promise is broken.

internal import Core
internal import Journal
internal import Ledger

struct CustomerSum: Equatable {
    var events: UInt64 = 0
    var unpriced: UInt64 = 0
    var cost: Int128 = 0
    var revenue: Int128 = 0
}

/// What a journal amounts to.
struct JournalFold {
    private(set) var total = CustomerSum()
    private(set) var customers: [Int: CustomerSum] = [:]
    private(set) var end = JournalPosition.start
    private(set) var nextSequence: UInt64 = 1
    private(set) var batches = 0
    /// Key and place of every event, in order.
    private(set) var places: [(key: Int, text: [UInt8], position: JournalPosition)] = []
    private var names: [StringID: [UInt8]] = [:]
    private var lastTime = Timestamp(nanoseconds: 0)

    /// Reads the whole journal; failures go to the auditor's record.
    init(_ folder: FakeFolder, _ auditor: Auditor) {
        var reader = JournalReader(folder)
        var present: Set<Int> = []
        do throws(JournalError) {
            end = try reader.forEachBatch { info, body in
                batches += 1
                if info.openedAt < lastTime { auditor.record.fail("T1: the journal's times go back") }
                lastTime = info.openedAt
                if info.firstSequence != nextSequence {
                    auditor.record.fail("batch with sequence \(info.firstSequence), not \(nextSequence)")
                }
                var facts = FactReader(body)
                while let fact = facts.next() { take(fact, info.position(ofBodyOffset: fact.offset), auditor, &present) }
                if facts.failed { auditor.record.fail("a batch of the journal cannot be read to its end") }
                return auditor.record.failure == nil
            }
        } catch {
            auditor.record.fail("the journal cannot be read: \(error)")
        }
        if auditor.record.failure == nil { auditor.checkAcknowledged(present) }
    }

    private mutating func take(_ fact: Fact, _ position: JournalPosition, _ auditor: Auditor, _ present: inout Set<Int>) {
        if fact.type == .string {
            var reader = ByteReader(fact.payload)
            let id = StringID(truncatingIfNeeded: reader.varint())
            names[id] = [UInt8](reader.bytes(reader.remaining))
        }
        guard fact.type == .event else { return }
        guard let event = EventFact(fact.payload) else { return auditor.record.fail("an event of the journal cannot be read") }
        if event.sequence != nextSequence { auditor.record.fail("event with sequence \(event.sequence), not \(nextSequence)") }
        nextSequence = event.sequence + 1
        var text = ByteWriter(capacity: 80)
        event.appendKey(to: &text)
        let key: Int?
        if let tag = event.extra(.flowId) {
            key = Int(String(decoding: tag, as: UTF8.self).dropFirst(4)).flatMap { auditor.key(tag: $0) }
        } else {
            key = auditor.key(text: text.string)
        }
        guard let key else { return auditor.record.fail("Z2: nobody sent \(text.string)") }
        guard present.insert(key).inserted else { return auditor.record.fail("Z1: \(auditor.name(key)) is in the journal twice") }
        guard let variant = auditor.keys[key].variants.firstIndex(where: { says($0, event) }) else {
            return auditor.record.fail("Z2: nobody sent \(auditor.name(key)) as it is in the journal")
        }
        auditor.found(key, variant, event.sequence)
        places.append((key, text.array, position))
        count(auditor.keys[key].variants[variant])
    }

    private func says(_ payload: Payload, _ event: EventFact) -> Bool {
        func name(_ id: StringID) -> String? { id == noString ? nil : names[id].map { String(decoding: $0, as: UTF8.self) } ?? "?" }
        guard name(event.eventName) == payload.nameText, name(event.customer) == (payload.customer == 0 ? nil : payload.customerText),
            name(event.model) == payload.modelText, event.hasRevenue == (payload.revenue != nil),
            event.revenue.picodollars == payload.revenue ?? 0
        else { return false }
        guard event.isPriced == (payload.expectedCost != nil), event.cost.picodollars == payload.expectedCost ?? 0,
            (event.flags & EventFlag.costGiven != 0) == (payload.cost != nil)
        else { return false }
        let tag = event.extra(.flowId).map { String(decoding: $0, as: UTF8.self) }
        return event.inputTokens.millionths == Int64(payload.input) * 1_000_000
            && event.outputTokens.millionths == Int64(payload.output) * 1_000_000
            && tag == (payload.tag == 0 ? nil : payload.tagText)
    }

    private mutating func count(_ payload: Payload) {
        func add(_ sum: inout CustomerSum) {
            sum.events += 1
            sum.revenue += Int128(payload.revenue ?? 0)
            if let cost = payload.expectedCost { sum.cost += Int128(cost) } else { sum.unpriced += 1 }
        }
        add(&total)
        if payload.customer != 0 { add(&customers[payload.customer, default: CustomerSum()]) }
    }

    // MARK: Against the daemon's books

    /// Z4 and Z6: the books hold what the journal says, to the last digit.
    func check(_ ledger: borrowing Ledger, _ whose: String, _ record: Record) {
        func same<T: Equatable>(_ a: T, _ b: T, _ what: String) { if a != b { record.fail("\(whose): \(what): \(a), not \(b)") } }
        same(ledger.nextSequence, nextSequence, "next sequence")
        same(ledger.totalEvents, total.events, "events")
        same(ledger.totalUnpriced, total.unpriced, "unpriced events")
        same(ledger.totalCost.picodollars, total.cost, "cost")
        same(ledger.totalRevenue.picodollars, total.revenue, "revenue")
        same(ledger.accounts.count, customers.count, "customers")
        for customer in customers.keys.sorted() {
            let wanted = customers[customer] ?? CustomerSum()
            var text = Payload(customer: customer).customerText
            let id = text.withUTF8 { ledger.strings.find(UnsafeRawBufferPointer($0)) }
            let found = ledger.accounts.account(id).map {
                CustomerSum(events: $0.events, unpriced: $0.unpriced, cost: $0.cost, revenue: $0.revenue)
            }
            same(found, wanted, "customer \(customer)")
        }
    }

    /// D2: every key of the journal is remembered, at its place.
    func checkKeys(_ ledger: inout Ledger, _ folder: FakeFolder, _ auditor: Auditor, window: UInt64) {
        let source = JournalFacts(folder)
        let record = auditor.record
        for place in places where auditor.age(place.key) < window {
            do {
                let found = try place.text.withUnsafeBytes { try ledger.position(ofKey: $0, source: source) }
                if found != place.position { return record.fail("D2: \(String(decoding: place.text, as: UTF8.self)) is not remembered") }
            } catch {
                return record.fail("D2: \(String(decoding: place.text, as: UTF8.self)): \(error)")
            }
        }
    }
}

/// Facts by their place, from the disk alone.
struct JournalFacts: FactSource {
    let folder: FakeFolder
    init(_ folder: FakeFolder) { self.folder = folder }

    func eventPayload(at position: JournalPosition, into buffer: inout ByteWriter) throws(StorageError) -> Bool {
        var reader = JournalReader(folder)
        var scratch = ByteWriter(capacity: 1024)
        guard let fact = try reader.readFact(at: position, into: &scratch), fact.type == .event else { return false }
        buffer.append(bytes: fact.payload)
        return true
    }

    /// The journal was read through a moment ago.
    func verify(_ position: JournalPosition) throws(StorageError) {}
}
