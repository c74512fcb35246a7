// BufferBudget: what the buffers of all connections hold together, one for what comes in and one for what goes out.
//
// Every connection has a little of its own (`Limits.connectionBufferBytes` a buffer), which is not counted; so ten thousand of
// them with small requests never ask anybody. Whoever holds more is counted with all of it, by the memory that is taken and not
// by the bytes in it. At the limit the one that wants more is refused with a code, which gives back what it had; so
// somebody always gets on.
//
// Two reservations keep one kind of peer from shutting out another:
//
//   strangers    peers that showed no key yet, together, may hold `Limits.strangerBytes`
//   large        what asks for more than `Limits.largeBodyBytes` at once must leave a quarter of the whole to the others

internal import Core

struct BufferBudget {
    /// Bytes held by peers that showed a key, and by those that did not.
    private(set) var held = 0
    private(set) var heldByStrangers = 0
    let limit: Int
    let strangerLimit: Int

    init(limit: Int, strangerLimit: Int = Limits.strangerBytes) {
        self.limit = limit
        self.strangerLimit = strangerLimit
    }

    var total: Int { held + heldByStrangers }

    /// What may be taken now; never negative.
    func room(stranger: Bool) -> Int {
        max(0, stranger ? min(strangerLimit - heldByStrangers, limit - total) : limit - total)
    }

    func hasRoom(for bytes: Int, stranger: Bool) -> Bool {
        let kept = bytes > Limits.largeBodyBytes ? limit / 4 : 0
        return bytes <= room(stranger: stranger) && bytes <= limit - total - kept
    }

    func isFull(stranger: Bool) -> Bool { room(stranger: stranger) == 0 }

    mutating func change(by bytes: Int, stranger: Bool) {
        if stranger { heldByStrangers += bytes } else { held += bytes }
    }
}

/// Both directions. It lies at an address of its own, known to every connection.
struct Budgets {
    var input: BufferBudget
    var output: BufferBudget
}
