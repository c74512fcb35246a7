// The parts of the index on disk: the filter, the plan of merges.

import Core
import Testing

@testable import Ledger

/// Makes a filter and hands it on with its memory alive.
private func withFilter(_ members: [UInt64], bits: Int, _ body: (FuseFilter, FuseFilter.Shape) throws -> Void) rethrows {
    var builder = FuseBuilder()
    var output = ByteWriter()
    output.append([1, 2, 3])
    let shape = members.withUnsafeBufferPointer { builder.build($0, bits: bits, into: &output) }
    #expect(output.count == 3 + shape.byteCount)
    try body(FuseFilter(shape, slots: UnsafeRawPointer(output.base + 3)), shape)
}

@Test func aFilterNeverDeniesAMemberAndRarelyLetsOthersThrough() {
    var dice = Dice(1)
    for (count, bits) in [(1, 16), (2, 12), (3, 8), (10, 16), (100, 11), (1_000, 14), (20_000, 11), (100_000, 12)] {
        let members = (0..<count).map { _ in dice.next() }
        withFilter(members, bits: bits) { filter, shape in
            #expect(members.allSatisfy { filter.mightContain($0) })
            var passed = 0
            let asked = 200_000
            for _ in 0..<asked where filter.mightContain(dice.next()) { passed += 1 }
            let expected = asked >> bits
            #expect(passed <= expected * 3 / 2 + 12, "\(count) members, \(bits) bits: \(passed) of \(asked)")
            // Of the bits of its members 1.18 times for 20,000, which falls to 1.075 for the largest.
            if count >= 20_000 { #expect(passed >= expected / 2 && shape.byteCount * 8 <= count * bits * 120 / 100) }
            if count >= 100_000 { #expect(shape.byteCount * 8 <= count * bits * 114 / 100) }
        }
    }
}

@Test func aFilterOfNothingLetsNothingThrough() {
    withFilter([], bits: 12) { filter, shape in
        #expect(shape.byteCount == 0 && !filter.mightContain(0) && !filter.mightContain(.max))
    }
    #expect(!FuseFilter.none.mightContain(5))
}

@Test func membersThatCannotBeToldApartStillPass() {
    // Equal members cannot be taken out one by one: the filter gives up, and lets everything through rather than deny one.
    withFilter([9, 9, 9], bits: 12) { filter, shape in
        #expect(filter.mightContain(9) && shape == .passesAll && filter.mightContain(10))
    }
}

@Test func aBuilderIsUsedAgainWithoutATrace() {
    var dice = Dice(6)
    var builder = FuseBuilder()
    for count in [5_000, 3, 700, 5_000, 1] {
        let members = (0..<count).map { _ in dice.next() }
        var first = ByteWriter()
        var second = ByteWriter()
        let shape = members.withUnsafeBufferPointer { builder.build($0, bits: 13, into: &first) }
        var fresh = FuseBuilder()
        let again = members.withUnsafeBufferPointer { fresh.build($0, bits: 13, into: &second) }
        #expect(again == shape && first.array == second.array)
    }
}

@Test func aShardIsSortedWhateverItsFingerprints() {
    var sorter = FingerprintSorter()
    var dice = Dice(12)
    for count in [0, 1, 2, 3, 100, 1_500] {
        for spread in [UInt64.max, 0xFFFF_FFFF_FFFF, 0x00FF_0000_0000_0003, 1] {
            var entries = (0..<count).map { KeyEntry(fingerprint: dice.next() & spread, position: UInt64($0) + 1) }
            // Of one shard: the top byte is the same.
            for i in entries.indices { entries[i].fingerprint &= 0xFF_FFFF_FFFF_FFFF }
            let expected = entries.map(\.fingerprint).sorted()
            sorter.sort(&entries)
            #expect(entries.map(\.fingerprint) == expected)
            #expect(entries.map(\.position).sorted() == (0..<count).map { UInt64($0) + 1 })
        }
    }
}

@Test func whichRunsAreMerged() {
    let million = 1_000_000
    // Sizes, oldest first; what is merged; eighths of the oldest's place in the journal that have left the window.
    let table: [(sizes: [Int], merged: Range<Int>?, expired: UInt64)] = [
        ([], nil, 0),
        ([100], nil, 0),
        ([100, 49], nil, 0),
        ([100, 50], 0..<2, 0),
        ([100, 35, 14], nil, 0),
        ([100, 35, 15], 0..<3, 0),
        ([100, 20, 10], 1..<3, 0),
        ([1000, 16, 8], 1..<3, 0),
        ([100 * million, 49 * million], nil, 0),
        ([100 * million, 50 * million], 0..<2, 0),
        ([100], 0..<1, 1),
        ([100, 1], 0..<2, 2),
        ([Int](repeating: 10, count: 40), 24..<40, 0),
        ([1000] + [Int](repeating: 10, count: 15), 1..<16, 0),
    ]
    for (index, row) in table.enumerated() {
        var at: UInt64 = 0
        let runs = row.sizes.map { size in
            defer { at += 800 }
            return MergePlan.Run(entries: size, from: JournalPosition(raw: at), to: JournalPosition(raw: at + 800))
        }
        let found = MergePlan.choose(runs, expiredBefore: JournalPosition(raw: row.expired * 100))
        #expect(found == row.merged, "row \(index)")
    }
}
