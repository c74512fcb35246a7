// Auditor: keeps its own account of what clients sent and were told, and holds the daemon's journal and books against it. It
// shares no code with the daemon that decides anything: sums are its own, prices stand in `Payload`, and whether two payloads are
// the same it knows because it made them. Reading the journal's format is not deciding.
//
// What it holds true, by the names of the project's goals:
//   Z1  an event that was acknowledged took effect exactly once        Z2  whatever is in the journal was sent
//   Z3  one that was not acknowledged took effect once or not at all   Z4  totals per customer are exact
//   Z5  the books that follow the journal arrive at the same sums      Z6  two replays and the live state agree
//   Z7  the daemon's counters close                                    Z8  an answer to a query shows what was acknowledged

internal import Core

/// What a client was told of a key, or what follows from it.
struct Acknowledgement {
    var variant: Int
    /// nil: the reply said "recorded" without saying where.
    var sequence: UInt64?
}

struct SentKey {
    /// nil: the daemon makes one, and the payload's tag tells the event.
    var text: String?
    var variants: [Payload]
    /// Whether any client has sent this variant.
    var wasSent: [Bool]
    /// It is in no request that may count.
    var mustNotCount: Bool
    /// Simulated time of the first time; .max before that.
    var sentAt = UInt64.max
    /// Clients have stopped asking what became of it.
    var isForsaken = false
    var acknowledged: Acknowledgement?
    /// A client was told "recorded"; "duplicate" may have come to another client before that.
    var wasRecorded = false
    /// Where a conflict said that the original is, and which variant it is not.
    var conflict: Acknowledgement?
    /// Where the last reading of a durable journal found it.
    var journaled: Acknowledgement?
}

final class Auditor {
    private(set) var keys: [SentKey] = []
    private var byText: [String: Int] = [:]
    private var byTag: [Int: Int] = [:]
    /// Which key has a sequence, as far as replies told.
    private var bySequence: [UInt64: Int] = [:]
    let record: Record
    /// Keys of which a client knows that they are recorded.
    private(set) var acknowledgedCount = 0

    init(_ record: Record) { self.record = record }

    // MARK: What is sent

    func add(_ text: String?, _ payload: Payload, mustNotCount: Bool = false) -> EventRef {
        let index = keys.count
        keys.append(SentKey(text: text, variants: [payload], wasSent: [false], mustNotCount: mustNotCount))
        if let text { byText[text] = index } else { byTag[payload.tag] = index }
        return EventRef(key: index, variant: 0)
    }

    func vary(_ key: Int, _ payload: Payload) -> EventRef {
        if let same = keys[key].variants.firstIndex(where: { $0.counts(like: payload) }) { return EventRef(key: key, variant: same) }
        keys[key].variants.append(payload)
        keys[key].wasSent.append(false)
        return EventRef(key: key, variant: keys[key].variants.count - 1)
    }

    func payload(_ event: EventRef) -> Payload { keys[event.key].variants[event.variant] }

    func sent(_ event: EventRef) {
        keys[event.key].wasSent[event.variant] = true
        if keys[event.key].sentAt == .max { keys[event.key].sentAt = record.time }
        record.coverage[.eventsSent] += 1
    }

    /// How long ago a key was first sent.
    func age(_ key: Int) -> UInt64 { keys[key].sentAt == .max ? 0 : record.time - keys[key].sentAt }

    func forsake(_ event: EventRef) {
        keys[event.key].isForsaken = true
        record.coverage[.staleEvents] += 1
    }

    func key(text: String) -> Int? { byText[text] }
    func key(tag: Int) -> Int? { byTag[tag] }

    func name(_ key: Int) -> String { keys[key].text ?? "tag-\(keys[key].variants[0].tag)" }

    // MARK: What is answered

    /// "Recorded." `mayRepeat`: the request carries an `Idempotency-Key`, so the same reply may come again.
    func recorded(_ event: EventRef, _ sequence: UInt64?, mayRepeat: Bool) {
        record.coverage[.recorded] += 1
        guard !keys[event.key].mustNotCount else { return record.fail("Z2: \(name(event.key)) was recorded and must not count") }
        if keys[event.key].wasRecorded {
            guard mayRepeat else { return record.fail("Z1: \(name(event.key)) was recorded twice") }
        }
        keys[event.key].wasRecorded = true
        learn(event.key, event.variant, sequence)
    }

    /// "It was recorded before, there."
    func duplicate(_ event: EventRef, _ sequence: UInt64?) {
        record.coverage[.duplicate] += 1
        guard let sequence else { return record.fail("\(name(event.key)): a duplicate without the original's sequence") }
        learn(event.key, event.variant, sequence)
    }

    /// "Something else was recorded before under this key, there."
    func conflict(_ event: EventRef, _ sequence: UInt64?) {
        record.coverage[.conflict] += 1
        guard let sequence else { return record.fail("\(name(event.key)): a conflict without the original's sequence") }
        guard keys[event.key].variants.count > 1 else { return record.fail("\(name(event.key)): a conflict with itself") }
        if let known = keys[event.key].acknowledged {
            if known.variant == event.variant { return record.fail("\(name(event.key)): what was recorded is called a conflict") }
            if let there = known.sequence, there != sequence {
                return record.fail("\(name(event.key)): recorded at \(there), a conflict says \(sequence)")
            }
        }
        keys[event.key].conflict = Acknowledgement(variant: event.variant, sequence: sequence)
    }

    /// "Not recorded", for a reason that lies in the event.
    func refused(_ event: EventRef, _ outcome: Outcome) {
        record.coverage[.refused] += 1
        if !keys[event.key].mustNotCount { record.fail("\(name(event.key)) is good and was refused as \(outcome)") }
    }

    private func learn(_ key: Int, _ variant: Int, _ sequence: UInt64?) {
        if let known = keys[key].acknowledged {
            if known.variant != variant { return record.fail("Z1: \(name(key)): two payloads of one key count") }
            if let there = known.sequence, let sequence, there != sequence {
                return record.fail("Z1: \(name(key)): told at \(there) and at \(sequence)")
            }
        } else {
            acknowledgedCount += 1
        }
        keys[key].acknowledged = Acknowledgement(variant: variant, sequence: sequence ?? keys[key].acknowledged?.sequence)
        guard let sequence else { return }
        if let other = bySequence[sequence], other != key {
            return record.fail("sequence \(sequence) was told for \(name(other)) and for \(name(key))")
        }
        bySequence[sequence] = key
    }

    // MARK: What is found

    /// The journal has this event; called in order, for a journal whose facts are all durable or were made so by recovery.
    func found(_ key: Int, _ variant: Int, _ sequence: UInt64) {
        if let before = keys[key].journaled, before.variant != variant || before.sequence != sequence {
            record.fail("\(name(key)) was in the journal at \(before.sequence ?? 0) and is now at \(sequence)")
        }
        if keys[key].mustNotCount { record.fail("Z2: \(name(key)) is in the journal and must not count") }
        if !keys[key].wasSent[variant] { record.fail("Z2: \(name(key)) is in the journal and was never sent") }
        keys[key].journaled = Acknowledgement(variant: variant, sequence: sequence)
    }

    /// After the journal was read through: what was acknowledged must have been found, as it was told.
    func checkAcknowledged(_ present: Set<Int>) {
        for index in keys.indices {
            let key = keys[index]
            if let told = key.acknowledged {
                guard present.contains(index), let there = key.journaled else {
                    return record.fail("Z1: \(name(index)) was acknowledged (\(told.sequence ?? 0)) and is not in the journal")
                }
                if there.variant != told.variant { return record.fail("Z1: \(name(index)): another payload counts than was acknowledged") }
                if let sequence = told.sequence, sequence != there.sequence {
                    return record.fail("Z1: \(name(index)): told at \(sequence), is at \(there.sequence ?? 0)")
                }
            } else if key.journaled != nil, !present.contains(index) {
                return record.fail("\(name(index)) was in the journal and is gone")
            }
            if let told = key.conflict {
                guard present.contains(index), let there = key.journaled, there.sequence == told.sequence, there.variant != told.variant
                else { return record.fail("\(name(index)): a conflict was told with something that is not there") }
            }
        }
    }
}
