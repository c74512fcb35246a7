// Reading and writing bytes: what is written is what is read, and no input traps.

import CHash
import Core
import Foundation
import Testing

private func withBytes<R>(_ bytes: [UInt8], _ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
    try bytes.withUnsafeBytes(body)
}

private func randomBytes(_ count: Int, _ random: inout Seeded) -> [UInt8] {
    (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
}

private func hex(_ bytes: [UInt8]) -> String { bytes.map { String(format: "%02x", $0) }.joined() }

@Test func varintsComeBackAndHaveOneEncoding() {
    var random = Seeded(64)
    for _ in 0..<20_000 {
        let value = UInt64.random(in: 0...UInt64.max, using: &random) >> UInt64.random(in: 0..<64, using: &random)
        let signed = Int64(bitPattern: UInt64.random(in: 0...UInt64.max, using: &random)) >> Int64.random(in: 0..<64, using: &random)
        var writer = ByteWriter()
        writer.append(varint: value)
        let length = writer.count
        writer.append(zigzag: signed)
        var reader = ByteReader(writer.bytes)
        #expect(reader.varint() == value)
        #expect(reader.offset == length && length == max(1, (64 - value.leadingZeroBitCount + 6) / 7))
        #expect(reader.zigzag() == signed)
        #expect(!reader.failed && reader.atEnd)
    }
}

@Test(arguments: [
    [0x80], [0x80, 0x00], [0xFF, 0x00], [0x80, 0x80, 0x00], [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02],
    [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x81, 0x00], [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
    [],
])
func aVarintThatIsCutLongOrPaddedFails(_ bytes: [UInt8]) {
    withBytes(bytes) {
        var reader = ByteReader($0)
        #expect(reader.varint() == 0)
        #expect(reader.failed && reader.atEnd)
    }
}

@Test func theLargestVarintIsRead() {
    withBytes([UInt8](repeating: 0xFF, count: 9) + [1]) {
        var reader = ByteReader($0)
        #expect(reader.varint() == .max)
        #expect(!reader.failed)
    }
}

@Test func quantitiesAndAmountsComeBack() {
    var random = Seeded(6)
    for _ in 0..<20_000 {
        var millionths = Int64.random(in: 0...Int64.max, using: &random) >> Int64.random(in: 0..<63, using: &random)
        if Bool.random(using: &random) { millionths -= millionths % 1_000_000 }
        let amount = Int64.random(in: 0...Int64.max, using: &random)
        var writer = ByteWriter()
        writer.append(quantity: Quantity(millionths: millionths))
        writer.append(varint: UInt64(amount))
        var reader = ByteReader(writer.bytes)
        #expect(reader.quantity().millionths == millionths)
        #expect(reader.money().picodollars == amount)
        #expect(!reader.failed && reader.atEnd)
    }
}

@Test func quantitiesAndAmountsBeyondTheirRangeFail() {
    // A whole number of units beyond Int64 millionths, a whole number in millionths, an amount beyond Int64.
    for raw in [UInt64(9_223_372_036_855) << 1, UInt64.max - 1, 2_000_001, 1] as [UInt64] {
        var writer = ByteWriter()
        writer.append(varint: raw)
        var reader = ByteReader(writer.bytes)
        _ = reader.quantity()
        #expect(reader.failed, "\(raw)")
    }
    var writer = ByteWriter()
    writer.append(varint: UInt64(Int64.max) + 1)
    var reader = ByteReader(writer.bytes)
    _ = reader.money()
    #expect(reader.failed)
}

@Test func noSequenceOfReadsTrapsOrPassesTheEnd() {
    var random = Seeded(1)
    for _ in 0..<5_000 {
        let bytes = randomBytes(Int.random(in: 0...40, using: &random), &random)
        withBytes(bytes) {
            var reader = ByteReader($0)
            for _ in 0..<12 {
                switch Int.random(in: 0..<10, using: &random) {
                case 0: _ = reader.byte()
                case 1: _ = reader.integer(UInt16.self)
                case 2: _ = reader.integer(UInt64.self)
                case 3: _ = reader.varint()
                case 4: _ = reader.zigzag()
                case 5: _ = reader.quantity()
                case 6: _ = reader.money()
                case 7: _ = reader.skip(Int.random(in: -3...50, using: &random))
                case 8: _ = reader.bytes([Int.min, -1, 0, 3, Int.max].randomElement(using: &random)!)
                default: _ = reader.lengthPrefixed()
                }
                #expect(reader.offset >= 0 && reader.offset <= bytes.count)
                #expect(!reader.failed || reader.atEnd)
            }
        }
    }
}

@Test func aWriterGrowsAndKeepsWhatWasWritten() {
    var random = Seeded(2)
    var writer = ByteWriter(capacity: 1, alignment: 4096)
    var expected: [UInt8] = []
    for _ in 0..<2_000 {
        let piece = randomBytes(Int.random(in: 0...50, using: &random), &random)
        switch Int.random(in: 0..<6, using: &random) {
        case 0:
            writer.append(piece)
            expected += piece
        case 1:
            writer.append(littleEndian: UInt32(piece.count))
            expected += [UInt8(piece.count), 0, 0, 0]
        case 2:
            withBytes(piece) { writer.append(hex: $0) }
            expected += Array(hex(piece).utf8)
        case 3:
            let cut = min(expected.count, 10)
            writer.removeFirst(cut)
            expected.removeFirst(cut)
        case 4:
            let value = Int64(bitPattern: UInt64.random(in: 0...UInt64.max, using: &random)) >> Int64.random(in: 0..<64, using: &random)
            writer.append(integer: value)
            expected += Array(String(value).utf8)
        default:
            let length = max(0, expected.count - 3)
            writer.truncate(to: length)
            expected.removeLast(expected.count - length)
        }
        #expect(UInt(bitPattern: writer.base) % 4096 == 0)
    }
    #expect(writer.array == expected)
    writer.reset()
    writer.append(integer: .min)
    #expect(writer.string == "-9223372036854775808")
}

@Test func aStringWrittenAsJSONReadsAsItself() throws {
    var random = Seeded(8)
    var texts = ["", "\"", "\\", "\u{0}", "\u{7f}", "\n\r\t\u{8}\u{c}", "日本語", "😀", "\u{2028}\u{2029}", "</script>", "a\u{301}"]
    for _ in 0..<2_000 {
        texts.append(
            String(
                String.UnicodeScalarView(
                    (0..<Int.random(in: 0...20, using: &random)).map { _ in
                        while true {
                            let raw = UInt32.random(in: 0...0x10FFFF, using: &random) >> UInt32.random(in: 0...20, using: &random)
                            if let scalar = Unicode.Scalar(raw) { return scalar }
                        }
                    })))
    }
    let questions = texts.map { text in
        var writer = ByteWriter()
        writer.append(jsonString: text)
        #expect(writer.array.allSatisfy { $0 >= 0x20 && $0 != 0x7F })
        return hex(Array(text.utf8)) + " " + hex(writer.array)
    }
    for (text, answer) in zip(texts, try Oracle.answers("quoted", to: questions)) where answer != "yes" {
        Issue.record("\(text.debugDescription) does not come back")
    }
}

@Test func utf8IsJudgedAsPythonJudgesIt() throws {
    var random = Seeded(3629)
    var cases: [[UInt8]] = []
    for lead in UInt8(0x7F)...0xFF {
        for second in [UInt8(0x00), 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF] {
            for tail in 0...3 { cases.append([lead, second] + [UInt8](repeating: 0x80, count: tail)) }
        }
        cases.append([lead])
    }
    let pieces: [[UInt8]] = [
        [0x41], Array("plain ascii of more than eight bytes".utf8), [0xC3, 0xA9], [0xE2, 0x82, 0xAC], [0xF0, 0x9F, 0x98, 0x80],
        [0xED, 0xA0, 0x80], [0xC0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0x80], [0xE2, 0x82], [0xF0, 0x9F],
    ]
    for _ in 0..<20_000 {
        var bytes: [UInt8] = []
        for _ in 0..<Int.random(in: 0...8, using: &random) {
            let good = Int.random(in: 0..<12, using: &random) != 0
            bytes += pieces[Int.random(in: good ? 0..<5 : 5..<pieces.count, using: &random)]
        }
        cases.append(bytes)
    }
    let answers = try Oracle.answers("utf8", to: cases.map(hex))
    var valid = 0
    for (bytes, expected) in zip(cases, answers) {
        let got = withBytes(bytes) { isValidUTF8($0) }
        if got != (expected == "yes") { Issue.record("\(hex(bytes)): \(got), Python says \(expected)") }
        if got {
            valid += 1
            #expect(withBytes(bytes) { scalarCount($0) } == String(decoding: bytes, as: UTF8.self).unicodeScalars.count)
        }
    }
    #expect(valid > 5_000 && valid < cases.count - 5_000)
}

@Test(
    arguments: [
        ("", 0x0000_0000), ("123456789", 0xE306_9283), ("a", 0xC1D0_4330), ("The quick brown fox jumps over the lazy dog", 0x2262_0404),
    ] as [(String, UInt32)])
func checksumsOfKnownTexts(_ text: String, _ expected: UInt32) {
    #expect(withBytes(Array(text.utf8)) { crc32c($0) } == expected)
}

/// RFC 3720 appendix B.4.
@Test func checksumsOfTheSCSIStandard() {
    func crc(_ bytes: [UInt8]) -> UInt32 { withBytes(bytes) { crc32c($0) } }
    #expect(crc([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
    #expect(crc([UInt8](repeating: 0xFF, count: 32)) == 0x62A8_AB43)
    #expect(crc([UInt8](0..<32)) == 0x46DD_794E)
    #expect(crc([UInt8]((0..<32).reversed())) == 0x113F_DB5C)
}

@Test func theChecksumIsTheSameByTableAndByInstructionAndInPieces() {
    var random = Seeded(32)
    for length in Array(0...80) + [1_000, 4_096, 65_537] {
        let bytes = randomBytes(length, &random)
        withBytes(bytes) { whole in
            for start in 0..<min(9, length + 1) {
                let part = UnsafeRawBufferPointer(rebasing: whole[start...])
                let seed = UInt32.random(in: 0...UInt32.max, using: &random)
                #expect(purser_crc32c(seed, part.baseAddress, part.count) == purser_crc32c_portable(seed, part.baseAddress, part.count))
            }
            let cut = Int.random(in: 0...length, using: &random)
            let first = crc32c(UnsafeRawBufferPointer(rebasing: whole[..<cut]))
            #expect(crc32c(UnsafeRawBufferPointer(rebasing: whole[cut...]), continuing: first) == crc32c(whole))
        }
    }
}

@Test func uuidsInCanonicalTextComeBackAndOthersAreRefused() {
    var random = Seeded(9562)
    for _ in 0..<2_000 {
        let bytes = randomBytes(16, &random)
        var writer = ByteWriter()
        withBytes(bytes) { writer.append(uuid: $0) }
        let text = writer.array
        var words: (UInt64, UInt64) = (0, 0)
        #expect(withBytes(text) { parseUUID($0, into: &words) })
        #expect(withUnsafeBytes(of: words) { [UInt8]($0) } == bytes)
        // One byte changed to anything that is not the same kind of character is refused.
        let at = Int.random(in: 0..<36, using: &random)
        var changed = text
        changed[at] = UInt8.random(in: 0...255, using: &random)
        let isHex = (0x30...0x39).contains(changed[at]) || (0x61...0x66).contains(changed[at])
        let wantsDash = [8, 13, 18, 23].contains(at)
        #expect(withBytes(changed) { parseUUID($0, into: &words) } == (wantsDash ? changed[at] == 0x2D : isHex))
    }
    var words: (UInt64, UInt64) = (0, 0)
    for text in ["", "00000000-0000-0000-0000-00000000000", "00000000-0000-0000-0000-0000000000000", "00000000000000000000000000000000"] {
        #expect(!withBytes(Array(text.utf8)) { parseUUID($0, into: &words) })
    }
}

@Test func equalBytesAreEqualAtEveryLengthAndOffset() {
    var random = Seeded(4)
    for length in 0...70 {
        let bytes = randomBytes(length, &random)
        var other = bytes
        #expect(withBytes(bytes) { a in withBytes(other) { b in sameBytes(a, b) } })
        for at in 0..<length {
            other[at] ^= 1
            #expect(!withBytes(bytes) { a in withBytes(other) { b in sameBytes(a, b) } })
            other[at] ^= 1
        }
        #expect(!withBytes(bytes + [0]) { a in withBytes(bytes) { b in sameBytes(a, b) } })
    }
}

/// FIPS 180-4 example, and the empty text.
@Test func digestsOfKnownTexts() {
    #expect(
        hex(withBytes(Array("abc".utf8)) { Digest(sha256: $0) }.bytes) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
    #expect(hex(withBytes([]) { Digest(sha256: $0) }.bytes) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
}
