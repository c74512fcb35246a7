// The fake disk does what its fault model says: what was synced stays, what was not is left to chance, sector by sector.

import Journal
import Testing

@testable import Simulator

/// A disk on which nothing goes wrong by itself, and its journal's directory.
private func calmDisk(_ seed: UInt64 = 1, _ change: (inout Plan) -> Void = { _ in }) -> (disk: FakeDisk, folder: FakeFolder) {
    var plan = Plan(seed: seed, events: 1)
    plan.calm()
    change(&plan)
    let disk = FakeDisk(plan, Dice(seed), Record())
    return (disk, FakeFolder(disk, .journal))
}

private func read(_ folder: FakeFolder, _ file: String) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: try folder.size(file))
    let count = try bytes.withUnsafeMutableBytes { try folder.read(file, at: 0, into: $0) }
    return Array(bytes[..<count])
}

private func write(_ folder: FakeFolder, _ file: String, at offset: Int, _ byte: UInt8, count: Int) throws {
    try [UInt8](repeating: byte, count: count).withUnsafeBytes { try folder.write(file, at: offset, $0) }
}

@Test func whatWasSyncedSurvivesThePower() throws {
    for seed: UInt64 in 1...50 {
        let (disk, folder) = calmDisk(seed)
        try folder.createZeroed("a", size: 10_000)
        try write(folder, "a", at: 700, 7, count: 5_000)
        try folder.sync("a")
        try write(folder, "a", at: 6_000, 8, count: 100)
        disk.powerLost()
        let bytes = try read(folder, "a")
        #expect(bytes.count == 10_000)
        #expect(bytes[..<700].allSatisfy { $0 == 0 })
        #expect(bytes[700..<5_700].allSatisfy { $0 == 7 })
        #expect(bytes[5_700..<6_000].allSatisfy { $0 == 0 })
    }
}

@Test func whatWasNotSyncedIsKeptLostOrTornAtSectors() throws {
    var outcomes: Set<Int> = []
    for seed: UInt64 in 1...100 {
        let (disk, folder) = calmDisk(seed)
        try folder.createZeroed("a", size: 8_192)
        try write(folder, "a", at: 512, 9, count: 2_048)
        #expect(try read(folder, "a")[512] == 9)
        disk.powerLost()
        let bytes = try read(folder, "a")
        for sector in stride(from: 512, to: 2_560, by: 512) {
            #expect(Set(bytes[sector..<sector + 512]).count == 1, "a sector is never half")
        }
        outcomes.insert(bytes.filter { $0 == 9 }.count / 512)
    }
    #expect(outcomes.contains(0))
    #expect(outcomes.contains(4))
    #expect(!outcomes.isDisjoint(with: [1, 2, 3]))
}

@Test func killingTheProcessLosesNothing() throws {
    let (disk, folder) = calmDisk()
    try folder.createZeroed("a", size: 4_096)
    try write(folder, "a", at: 0, 3, count: 4_096)
    disk.processDied()
    #expect(try read(folder, "a").allSatisfy { $0 == 3 })
}

@Test func namesThatWereNotSyncedMayVanishOrStay() throws {
    var seen: Set<[String]> = []
    for seed: UInt64 in 1...100 {
        let (disk, folder) = calmDisk(seed)
        try folder.createZeroed("old", size: 10)
        try folder.createZeroed("new", size: 10)
        try folder.rename("new", to: "old")
        try folder.createZeroed("third", size: 0)
        try folder.rename("third", to: "fourth")
        disk.powerLost()
        let names = try folder.list().sorted()
        #expect(names.contains("old"), "there is one or the other, never none")
        seen.insert(names)
    }
    // The last `createZeroed` synced all but the change of name after it.
    #expect(seen == [["old", "third"], ["fourth", "old"]])
}

@Test func aSyncThatFailedMayDropWhatLaterSyncsDoNotBringBack() throws {
    let (disk, folder) = calmDisk { plan in
        plan.dropRate = 1_000_000
        plan.evictRate = 1_000_000
    }
    try folder.createZeroed("a", size: 8_192)
    try write(folder, "a", at: 0, 5, count: 100)
    disk.plan.syncErrorRate = 1_000_000
    #expect(throws: StorageError.self) { try folder.sync("a") }
    disk.plan.syncErrorRate = 0
    try folder.sync("a")
    #expect(try read(folder, "a")[0] == 5, "readers still see it")
    disk.processDied()
    #expect(try read(folder, "a")[0] == 0, "until the page is gone")
}

@Test func writingToADroppedPageBringsAllOfItBack() throws {
    let (disk, folder) = calmDisk { $0.dropRate = 1_000_000 }
    try folder.createZeroed("a", size: 8_192)
    try write(folder, "a", at: 0, 5, count: 100)
    disk.plan.syncErrorRate = 1_000_000
    #expect(throws: StorageError.self) { try folder.sync("a") }
    disk.plan.syncErrorRate = 0
    try write(folder, "a", at: 4_000, 6, count: 10)
    try folder.sync("a")
    disk.powerLost()
    #expect(try read(folder, "a")[0] == 5)
}

@Test func aFullDiskTakesNoLongerFilesAndStillOverwrites() throws {
    let (disk, folder) = calmDisk()
    try folder.createZeroed("a", size: 8_192)
    disk.capacity = 10_000
    #expect(throws: StorageError(operation: .create, errno: 28, file: "b")) { try folder.createZeroed("b", size: 4_096) }
    #expect(try folder.list() == ["a"])
    try write(folder, "a", at: 0, 1, count: 8_192)
    #expect(throws: StorageError(operation: .write, errno: 28, file: "a")) { try write(folder, "a", at: 8_000, 2, count: 4_096) }
    #expect(try folder.size("a") == 10_000, "as much as there was room for")
}

@Test func aProcessThatDiedInACallDoesNothingMore() throws {
    let (disk, folder) = calmDisk()
    try folder.createZeroed("a", size: 4_096)
    disk.deathIn = 0
    #expect(throws: StorageError.self) { try folder.sync("a") }
    #expect(throws: StorageError.self) { try folder.list() }
    #expect(disk.isDead)
    disk.processDied()
    #expect(try folder.list() == ["a"])
}
