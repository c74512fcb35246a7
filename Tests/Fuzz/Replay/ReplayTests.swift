// Every seed, and every input that ever failed, through the entries that the fuzzer calls.

import Foundation
import Testing

private let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()

private func inputs(_ folder: String, _ name: String) throws -> [(name: String, bytes: [UInt8])] {
    let place = root.appendingPathComponent(folder).appendingPathComponent(name)
    guard FileManager.default.fileExists(atPath: place.path) else { return [] }
    return try FileManager.default.contentsOfDirectory(atPath: place.path).filter { !$0.hasPrefix(".") }.sorted().map {
        ("\(folder)/\(name)/\($0)", [UInt8](try Data(contentsOf: place.appendingPathComponent($0))))
    }
}

@Suite struct FuzzReplayTests {
    @Test(arguments: FuzzEntry.all.map(\.name))
    func whatWasTriedOnceHolds(_ name: String) throws {
        let entry = try #require(FuzzEntry.named(name))
        let seeds = try inputs("seeds", name)
        #expect(seeds.count > 1)
        for input in try seeds + inputs("found", name) {
            #expect(throws: Never.self, "\(input.name)") { try entry.run(input.bytes) }
        }
        // What is cut short, or nothing at all.
        for input in [[]] + seeds.prefix(40).map({ Array($0.bytes.prefix($0.bytes.count / 2)) }) {
            #expect(throws: Never.self) { try entry.run(input) }
        }
    }

    /// An entry without a folder of its own, or a folder without an entry, would be tried by nobody.
    @Test func everyTargetHasItsFiles() throws {
        let names = FuzzEntry.all.map(\.name).sorted()
        for folder in ["seeds", "dictionaries"] {
            let there = try FileManager.default.contentsOfDirectory(atPath: root.appendingPathComponent(folder).path)
            #expect(there.map { $0.replacingOccurrences(of: ".dict", with: "") }.sorted() == names, "\(folder)")
        }
        let found = try FileManager.default.contentsOfDirectory(atPath: root.appendingPathComponent("found").path)
        #expect(Set(found).subtracting(names).isEmpty)
    }

    /// Checksums that are made right are right: what was not changed stays as it was, but for zeros at its end.
    @Test(arguments: [("recovery", "two-segments", 2), ("recovery", "one-segment", 2), ("keys", "few", 3), ("keys", "two-blocks", 3)])
    func aRepairLeavesGoodFilesAlone(_ name: String, _ seed: String, _ count: Int) throws {
        func files(_ input: [UInt8]) -> [FuzzDisk.File] {
            FileSet(input, count: count).files.map { FuzzDisk.File($0, size: 0).trimmed }
        }
        let repair = try #require(FuzzEntry.named(name)?.repair)
        let input = try #require(inputs("seeds", name).first { $0.name.hasSuffix("/" + seed) })
        var bytes = input.bytes
        repair(&bytes)
        let isSame = files(bytes) == files(input.bytes)
        #expect(isSame)
        // And what was changed is made right.
        for at in [40, 60, 80] {
            var changed = input.bytes
            changed[at] ^= 1
            repair(&changed)
            #expect(throws: Never.self) { try FuzzEntry.named(name)?.run(changed) }
        }
    }
}
