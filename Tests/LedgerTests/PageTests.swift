// protocol/dedup.md against the code: the example there is what is written, byte for byte, and a filter made by hand from the
// page's words says what ours says.

import Core
import Foundation
import Journal
import Testing

@testable import Ledger

private func page() throws -> String {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    return try String(contentsOf: root.appendingPathComponent("protocol/dedup.md"), encoding: .utf8)
}

/// Lines of sixteen bytes that are not all zeros: offset, then the bytes in hexadecimal.
private func hexLines(_ bytes: [UInt8]) -> [String] {
    stride(from: 0, to: bytes.count, by: 16).compactMap { start in
        let row = bytes[start..<min(start + 16, bytes.count)]
        guard row.contains(where: { $0 != 0 }) else { return nil }
        return String(format: "%08x ", start) + row.map { String(format: " %02x", $0) }.joined()
    }
}

@Test func theExampleOnTheKeysPageIsWhatIsWritten() throws {
    let keys = try Keys(hotKeys: 2)
    keys.record([0xAB00_0000_0000_0001, 0xAB00_0000_0000_0002])
    keys.work()
    let text = try page()
    let files = keys.disk.files
    #expect(files.keys.sorted() == ["00000001.run", "manifest"])
    for name in ["manifest", "00000001.run"] {
        let lines = hexLines(files[name]!)
        #expect(lines.count < 40)
        for line in lines { #expect(text.contains("\n    \(line)\n"), "\(line)") }
    }
}

@Test func aFilterReadByThePageSaysTheSame() {
    var dice = Dice(2)
    let members = (0..<3_000).map { _ in dice.next() }
    var builder = FuseBuilder()
    for bits in [7, 11, 16] {
        var output = ByteWriter()
        let shape = members.withUnsafeBufferPointer { builder.build($0, bits: bits, into: &output) }
        let bytes = output.array
        let filter = FuseFilter(shape, slots: UnsafeRawPointer(output.base))
        func slot(_ index: UInt64) -> UInt64 {
            (0..<UInt64(bits)).reduce(0) { sum, i in
                let bit = index * UInt64(bits) + i
                return sum | UInt64(bytes[Int(bit / 8)] >> UInt8(bit % 8) & 1) << i
            }
        }
        func passes(_ fingerprint: UInt64) -> Bool {
            let length = UInt64(1) << UInt64(shape.segmentLog)
            let h = FuseFilter.mix(fingerprint ^ shape.seed)
            let a = UInt64((UInt128(h) * UInt128(shape.segments) * UInt128(length)) >> 64)
            let places = [
                a, (a + length) ^ (h & (length - 1)), (a + 2 * length) ^ (h >> 16 & (length - 1)),
                (a + 3 * length) ^ (h >> 32 & (length - 1)),
            ]
            return places.map(slot).reduce(0, ^) == (h &* 0x9E37_79B9_7F4A_7C15) >> UInt64(64 - bits)
        }
        for member in members { #expect(passes(member) && filter.mightContain(member)) }
        for _ in 0..<3_000 {
            let other = dice.next()
            #expect(passes(other) == filter.mightContain(other))
        }
        #expect(bytes.count == ((Int(shape.segments) + 3) << Int(shape.segmentLog)) * bits / 8 + 4 || bits != 16)
    }
}
