// Workload: which events clients send. Some keys are used again at once or long after, with the same payload and with
// another, by the same client and by others: that is what a ledger has to get right.

/// One event that a client has to send: a key and one of its payloads.
struct EventRef: Equatable {
    var key: Int
    var variant: Int
}

struct Workload {
    private var plan: Plan
    private var dice: Dice
    /// Events that are still to be made.
    private(set) var left: Int
    /// How many of them may be made by now.
    private var allowed = 0
    private var made: Int { plan.events - left }
    private var nextTag = 1

    init(_ plan: Plan, _ dice: Dice) {
        self.plan = plan
        self.dice = dice
        left = plan.events
    }

    /// More events, of another kind; their keys are new all the same.
    mutating func begin(_ plan: Plan) {
        self.plan = plan
        left = plan.events
        allowed = .max
    }

    /// Lets events be made up to so many of all: a run is spread over its steps.
    mutating func allow(_ count: Int) { allowed = count }

    /// The next event to send; nil when there are to be no more.
    mutating func next(_ auditor: Auditor) -> EventRef? {
        guard left > 0, made < allowed else { return nil }
        left -= 1
        if auditor.keys.count > 0 {
            if dice.happens(plan.duplicateRate), let old = usedKey(auditor) { return EventRef(key: old, variant: 0) }
            if dice.happens(plan.conflictRate), let old = usedKey(auditor) {
                if auditor.keys[old].variants.count > 1, dice.flip() { return EventRef(key: old, variant: 1) }
                return auditor.vary(old, changed(auditor.keys[old].variants[0]))
            }
        }
        var payload = fresh()
        if dice.happens(plan.invalidRate) {
            // One character more than a key may have.
            return auditor.add(text(length: 65), payload, mustNotCount: true)
        }
        if dice.happens(plan.keylessRate) {
            payload.tag = nextTag
            nextTag += 1
            return auditor.add(nil, payload)
        }
        return auditor.add(dice.flip() ? uuid() : text(length: dice.within(3...24)), payload)
    }

    /// A key that was made before: a new one, or any.
    private mutating func usedKey(_ auditor: Auditor) -> Int? {
        let count = auditor.keys.count
        let index = dice.flip() ? max(0, count - 1 - dice.below(8)) : dice.below(count)
        let key = auditor.keys[index]
        return key.text == nil || key.mustNotCount || auditor.age(index) >= plan.freshness ? nil : index
    }

    /// An event that must not count: it is in a request that cannot be read.
    mutating func doomed(_ auditor: Auditor) -> EventRef { auditor.add(uuid(), fresh(), mustNotCount: true) }

    private mutating func fresh() -> Payload {
        var payload = Payload()
        payload.customer = dice.below(plan.customers + 1)
        payload.name = dice.below(4)
        payload.model = dice.pick(ModelChoice.allCases)
        if payload.model != .none {
            payload.input = dice.below(5000)
            payload.output = dice.below(900)
        }
        if dice.below(3) == 0 { payload.cost = Int64(dice.below(1 << 40)) }
        if dice.flip() { payload.revenue = dice.below(20) == 0 ? Int64.max : Int64(dice.below(1 << 40)) }
        if plan.padding > 0, dice.below(3) == 0 { payload.padding = dice.within(1...plan.padding) }
        return payload
    }

    /// The same event, but for one thing that counts.
    private mutating func changed(_ payload: Payload) -> Payload {
        var other = payload
        switch dice.below(4) {
        case 0: other.customer = (payload.customer + 1) % (plan.customers + 2)
        case 1: other.name += 1
        case 2: other.revenue = (payload.revenue ?? 0) / 2 + 1
        default: other.cost = (payload.cost ?? 0) / 2 + 1
        }
        return other.counts(like: payload) ? Payload(customer: 0, name: payload.name + 7) : other
    }

    private mutating func text(length: Int) -> String {
        let letters = Array("abcdefghijklmnopqrstuvwxyz0123456789-_.:")
        return String((0..<length).map { _ in letters[dice.below(letters.count)] }) + (length > 60 ? "" : "#\(nextKey())")
    }

    private var keyNumber = 0
    private mutating func nextKey() -> Int {
        keyNumber += 1
        return keyNumber
    }

    private mutating func uuid() -> String {
        func hex(_ value: UInt64, _ digits: Int) -> String {
            let text = String(value & (1 << UInt64(digits * 4) - 1), radix: 16)
            return String(repeating: "0", count: digits - text.count) + text
        }
        let (a, b) = (dice.next(), dice.next())
        return hex(a >> 32, 8) + "-" + hex(a >> 16, 4) + "-4" + hex(a, 3) + "-8" + hex(b >> 48, 3) + "-" + hex(b, 12)
    }
}
