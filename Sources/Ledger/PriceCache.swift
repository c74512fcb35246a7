// PriceCache: the price book's answer for each (provider, model, feature) met so far, and the interned derivation of each
// rate card. Name resolution is slow on purpose (rules, aliases); here it costs one probe.

internal import Core
internal import Pricing

struct PriceCache: ~Copyable {
    struct Slot {
        var provider: StringID
        var model: StringID
        var feature: StringID
        var used: Bool
        var resolution: Resolution
    }

    private var slots: UnsafeMutablePointer<Slot>
    private var mask: Int
    private var used = 0
    /// Interned derivation of each card; 0 until first used.
    private var cards: [StringID] = []

    init() {
        mask = 63
        slots = PriceCache.table(64)
    }

    deinit {
        slots.deinitialize(count: mask + 1)
        slots.deallocate()
    }

    private static func table(_ count: Int) -> UnsafeMutablePointer<Slot> {
        let fresh = UnsafeMutablePointer<Slot>.allocate(capacity: count)
        fresh.initialize(repeating: Slot(provider: 0, model: 0, feature: 0, used: false, resolution: Resolution()), count: count)
        return fresh
    }

    /// Forgets everything; for a new price book.
    mutating func clear() {
        slots.deinitialize(count: mask + 1)
        slots.deallocate()
        mask = 63
        slots = PriceCache.table(64)
        used = 0
        cards = []
    }

    private func index(_ provider: StringID, _ model: StringID, _ feature: StringID) -> Int {
        var hash =
            UInt64(provider) &* 0x9E37_79B9_7F4A_7C15 ^ UInt64(model) &* 0xC2B2_AE3D_27D4_EB4F ^ UInt64(feature) &* 0x1656_67B1_9E37_79F9
        hash ^= hash >> 29
        var index = Int(truncatingIfNeeded: hash) & mask
        while slots[index].used {
            if slots[index].model == model, slots[index].provider == provider, slots[index].feature == feature { break }
            index = (index + 1) & mask
        }
        return index
    }

    func find(_ provider: StringID, _ model: StringID, _ feature: StringID) -> Resolution? {
        let slot = index(provider, model, feature)
        return slots[slot].used ? slots[slot].resolution : nil
    }

    mutating func insert(_ provider: StringID, _ model: StringID, _ feature: StringID, _ resolution: Resolution) {
        if (used + 1) * 4 > (mask + 1) * 3 {
            // Names come from outside: beyond this many the cache starts over instead of growing.
            if mask + 1 >= 65_536 {
                clear()
            } else {
                let old = slots
                let oldCount = mask + 1
                mask = oldCount * 2 - 1
                slots = PriceCache.table(oldCount * 2)
                for i in 0..<oldCount where old[i].used { slots[index(old[i].provider, old[i].model, old[i].feature)] = old[i] }
                old.deinitialize(count: oldCount)
                old.deallocate()
            }
        }
        slots[index(provider, model, feature)] = Slot(
            provider: provider, model: model, feature: feature, used: true, resolution: resolution)
        used += 1
    }

    func derivation(_ card: Int32) -> StringID { Int(card) < cards.count ? cards[Int(card)] : noString }

    mutating func setDerivation(_ card: Int32, _ id: StringID) {
        while cards.count <= Int(card) { cards.append(noString) }
        cards[Int(card)] = id
    }
}
