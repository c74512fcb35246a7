// FuzzEntry: one decoder and what must hold of it for any bytes. The fuzzer (Driver/) calls an entry with what it makes up, the
// test (Replay/) with the seeds and with every input that ever failed.
//
// An entry ends in one of three ways: it returns; it throws a `Finding`, when an answer contradicts another one; or the process
// ends, when a trap, AddressSanitizer or a limit of time or memory says so. The last two are failures.

/// Two answers that cannot both be right.
struct Finding: Error, CustomStringConvertible {
    var description: String
    init(_ text: String) { description = text }
}

/// Throws unless `holds`.
func demand(_ holds: Bool, _ text: @autoclosure () -> String) throws(Finding) {
    if !holds { throw Finding(text()) }
}

struct FuzzEntry: Sendable {
    var name: String
    /// Tries one input.
    var run: @Sendable ([UInt8]) throws -> Void
    /// Makes checksums right again after a change, so that what they guard is reached; nil where there are none.
    var repair: (@Sendable (inout [UInt8]) -> Void)?

    init(_ name: String, repair: (@Sendable (inout [UInt8]) -> Void)? = nil, _ run: @escaping @Sendable ([UInt8]) throws -> Void) {
        self.name = name
        self.run = run
        self.repair = repair
    }

    static let all: [FuzzEntry] = [frame, http, json, record, recovery, keys, checkpoint, config, catalogue, query, usage]

    static func named(_ name: String) -> FuzzEntry? { (all + [canary]).first { $0.name == name } }

    /// A planted bug, for `.ci/fuzz --canary`: an instrument that does not find it finds nothing.
    static let canary = FuzzEntry("canary") { bytes in
        guard bytes.count >= 8, bytes[0] == 0x50, bytes[1] == 0x75, bytes[2] == 0x72, bytes[3] == 0x73 else { return }
        let length = Int(bytes[4])
        // The length is not compared with what is there.
        var sum: UInt64 = 0
        for index in 0..<length { sum &+= UInt64(bytes[5 + index]) }
        try demand(sum != 7, "the planted bug")
    }
}

/// Reads choices off the front of an input: what is left is the data.
struct Choices {
    private(set) var rest: ArraySlice<UInt8>
    init(_ bytes: [UInt8]) { rest = bytes[...] }

    mutating func byte() -> UInt8 { rest.popFirst() ?? 0 }
    mutating func short() -> Int { Int(byte()) | Int(byte()) << 8 }
    mutating func take(_ count: Int) -> [UInt8] {
        defer { rest = rest.dropFirst(count) }
        return Array(rest.prefix(count))
    }
    var data: [UInt8] { Array(rest) }
}

/// Calls `body` with a copy of `bytes` in memory that ends where they end, or `padding` bytes later: reading further is seen.
func exactly<R>(_ bytes: [UInt8], padding: Int = 0, _ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count + padding, alignment: 16)
    defer { copy.deallocate() }
    copy.copyBytes(from: bytes)
    if padding > 0 { UnsafeMutableRawBufferPointer(rebasing: copy[bytes.count...]).initializeMemory(as: UInt8.self, repeating: 0xAA) }
    return try body(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(copy)[..<bytes.count]))
}
