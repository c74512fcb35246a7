// The chunked coding: what it decodes to, what it refuses, and that neither depends on how the bytes arrive.

import Core
import Testing
import Wire

private enum Decoded: Equatable {
    case needMore([UInt8])
    case done([UInt8], consumed: Int)
    case refused(UInt16)
}

/// Feeds the bytes up to each cut, as a connection does: what was not consumed is handed in again.
private func decode(_ input: [UInt8], cuts: [Int] = []) -> Decoded {
    var decoder = ChunkedBody()
    var body = ByteWriter()
    var at = 0
    for cut in cuts + [input.count] where cut >= at {
        let piece = Array(input[at..<cut])
        let (consumed, state) = piece.withUnsafeBytes { decoder.feed($0, into: &body) }
        at += consumed
        switch state {
        case .needMore: continue
        case .done: return .done(body.array, consumed: at)
        case .refused(let refusal): return .refused(refusal.status)
        }
    }
    return .needMore(body.array)
}

private let accepted: [(String, String)] = [
    ("0\r\n\r\n", ""),
    ("5\r\nhello\r\n0\r\n\r\n", "hello"),
    ("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world"),
    ("A\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
    ("a\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
    ("0005\r\nhello\r\n000\r\n\r\n", "hello"),
    ("0000000000000001\r\nx\r\n0\r\n\r\n", "x"),
    ("2\r\n\r\n\r\n0\r\n\r\n", "\r\n"),
    ("5;a\r\nhello\r\n0\r\n\r\n", "hello"),
    ("5;a=b\r\nhello\r\n0;c\r\n\r\n", "hello"),
    ("5;a=\"b c;\\\"\"\r\nhello\r\n0\r\n\r\n", "hello"),
    ("5;a;b=c;d=\"\"\r\nhello\r\n0\r\n\r\n", "hello"),
    ("5\r\nhello\r\n0\r\nX-Trailer: y\r\n\r\n", "hello"),
    ("5\r\nhello\r\n0\r\na:\r\nb: \t c d\r\n\r\n", "hello"),
    ("1\r\n\u{0}\r\n0\r\n\r\n", "\u{0}"),
]

private let refused: [(String, UInt16)] = [
    ("\r\n", 400), ("\n", 400), (" 5\r\nhello\r\n", 400), ("5 \r\nhello\r\n", 400), ("\t5\r\nhello\r\n", 400), ("5\t\r\nhello\r\n", 400),
    ("+5\r\nhello\r\n", 400), ("-5\r\nhello\r\n", 400), ("0x5\r\nhello\r\n", 400), ("5h\r\nhello\r\n", 400), ("g\r\n", 400),
    ("5_0\r\n", 400), ("5.\r\n", 400), ("5,5\r\n", 400), ("\"5\"\r\n", 400), ("00000000000000001\r\nx\r\n", 400), ("5\nhello\r\n", 400),
    ("5\rhello\r\n", 400), ("5\r\r\nhello\r\n", 400), ("5\r\nhelloX\r\n", 400), ("5\r\nhello\n", 400), ("5\r\nhello\rX", 400),
    ("5\r\nhello0\r\n\r\n", 400), ("3\r\nhello\r\n", 400), ("5;\r\nhello\r\n", 400), ("5;a=\r\nhello\r\n", 400), ("5;=b\r\nhello\r\n", 400),
    ("5 ;a\r\nhello\r\n", 400), ("5; a\r\nhello\r\n", 400), ("5;a =b\r\nhello\r\n", 400), ("5;a=b c\r\nhello\r\n", 400),
    ("5;a;\r\nhello\r\n", 400),
    ("5;a=\"b\r\nhello\r\n", 400), ("5;a=\"b\"c\r\nhello\r\n", 400), ("5;a=\"\u{1}\"\r\nhello\r\n", 400), ("5;a\u{7F}\r\nhello\r\n", 400),
    ("5;a\nb\r\nhello\r\n", 400), ("5;a\rb\r\nhello\r\n", 400), ("0\r\n\n", 400), ("0\r\n\rX", 400), ("0\r\nx\r\n\r\n", 400),
    ("0\r\n x: y\r\n\r\n", 400),
    ("0\r\n: y\r\n\r\n", 400), ("0\r\na b: y\r\n\r\n", 400), ("0\r\na : y\r\n\r\n", 400), ("0\r\na: \u{0}\r\n\r\n", 400),
    ("0\r\na: b\n\r\n", 400),
    ("0\r\na: b\r\n c\r\n\r\n", 400), ("0\r\nContent-Length: 5\r\n\r\n", 400), ("0\r\ntransfer-encoding: chunked\r\n\r\n", 400),
    ("0\r\nHOST: h\r\n\r\n", 400), ("0\r\nAuthorization: Bearer k\r\n\r\n", 400), ("0\r\nX-API-Key: k\r\n\r\n", 400),
    ("0\r\nConnection: close\r\n\r\n", 400),
    ("FFFFFFFFFFFFFFFF\r\n", 400), ("8000000000000000\r\n", 400), ("1000000000000000\r\n", 400), ("fffffffffffffff\r\n", 413),
    ("7fffffff\r\n", 413),
]

@Test func chunksBecomeTheirBody() {
    for (input, body) in accepted {
        let all = bytes(input)
        #expect(decode(all) == .done(bytes(body), consumed: all.count), "\(input.debugDescription)")
        #expect(decode(all + bytes("GET / HTTP")) == .done(bytes(body), consumed: all.count), "\(input.debugDescription) and more")
        for length in 0..<all.count {
            guard case .needMore = decode(Array(all[0..<length])) else {
                Issue.record("\(input.debugDescription) ends after \(length) bytes")
                return
            }
        }
    }
}

@Test func malformedChunksAreRefused() {
    for (input, status) in refused { #expect(decode(bytes(input)) == .refused(status), "\(input.debugDescription)") }
}

@Test func chunksAreTheSameHoweverTheyArrive() {
    for input in accepted.map({ bytes($0.0) }) + refused.map({ bytes($0.0) }) {
        let whole = decode(input)
        for cut in 0...input.count { #expect(decode(input, cuts: [cut]) == whole) }
        #expect(decode(input, cuts: Array(0..<input.count)) == whole)
    }
}

@Test(arguments: -1...1)
func aChunkLineMayBeAsLongAsItsLimit(_ difference: Int) {
    let name = String(repeating: "x", count: Limits.httpChunkLineBytes - 2 + difference)
    let input = bytes("5;\(name)\r\nhello\r\n0\r\n\r\n")
    let expected: Decoded = difference <= 0 ? .done(bytes("hello"), consumed: input.count) : .refused(400)
    #expect(decode(input) == expected)
    #expect(decode(input, cuts: Array(0..<input.count)) == expected)
}

@Test(arguments: -1...1)
func aTrailerMayBeAsLongAsItsLimit(_ difference: Int) {
    // The empty line that ends the trailer counts too; it must still fit.
    let value = String(repeating: "x", count: Limits.httpTrailerBytes - 5 + difference)
    let input = bytes("0\r\na: \(value)\r\n\r\n")
    let expected: Decoded = difference <= 0 ? .done([], consumed: input.count) : .refused(431)
    #expect(decode(input) == expected)
    #expect(decode(input, cuts: Array(0..<input.count)) == expected)
}

@Test func endlessLinesAreRefusedAtTheirLimits() {
    #expect(decode([UInt8](repeating: 0x30, count: 1000)) == .refused(400))
    #expect(decode(bytes("5;") + [UInt8](repeating: 0x61, count: 1000)) == .refused(400))
    #expect(decode(bytes("0\r\n") + [UInt8](repeating: 0x61, count: 10_000)) == .refused(431))
    #expect(decode(bytes("0\r\n" + String(repeating: "a:\r\n", count: 10_000))) == .refused(431))
}

@Test(arguments: -1...1)
func aBodyMayBeAsLargeAsItsLimit(_ difference: Int) {
    let size = Limits.httpBodyBytes + difference
    let first = size / 2
    var input = bytes(String(first, radix: 16) + "\r\n") + [UInt8](repeating: 0x61, count: first)
    input +=
        bytes("\r\n" + String(size - first, radix: 16) + "\r\n") + [UInt8](repeating: 0x62, count: size - first) + bytes("\r\n0\r\n\r\n")
    guard difference <= 0 else {
        #expect(decode(input) == .refused(413))
        return
    }
    guard case .done(let body, let consumed) = decode(input) else {
        Issue.record("\(size) bytes refused")
        return
    }
    #expect(body.count == size && consumed == input.count && body[first - 1] == 0x61 && body[first] == 0x62)
}

@Test func tinyChunksAddUpToTheBodyLimit() {
    var decoder = ChunkedBody()
    var body = ByteWriter()
    let chunk = bytes("1\r\nx\r\n")
    var status: UInt16 = 0
    for _ in 0...Limits.httpBodyBytes {
        let (consumed, state) = chunk.withUnsafeBytes { decoder.feed($0, into: &body) }
        if case .refused(let refusal) = state {
            status = refusal.status
            break
        }
        if consumed != chunk.count { break }
    }
    #expect(status == 413)
    #expect(body.count == Limits.httpBodyBytes && decoder.count == Limits.httpBodyBytes)
}
