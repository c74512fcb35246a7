// Tag: a usage kind as a dense number, 0 for input tokens and so on in the order of the cases, so that a rate is found by
// an index and a set of kinds is a word.

internal import Core

typealias Tag = Int

enum Tags {
    static let input = 0
    static let output = 1
    static let cacheRead = 2
    static let cacheWrite = 3
    static let cacheWrite1h = 4
    static let reasoning = 5
    static let inputAudio = 6
    static let inputImage = 7
    static let inputVideo = 8
    static let cacheReadAudio = 9
    static let tool = 10
    static let outputAudio = 11
    static let outputImage = 12
    static let cacheReadImage = 13
    static let cacheReadVideo = 14
    static let outputVideo = 15
    static let seconds = 16
    static let characters = 18
    static let images = 19
    static let pages = 20
    static let webSearches = 21
    static let requests = 22
    static let searchUnits = 25
    static let count = 26
    /// Tags whose factor is a field of the card; the others are looked up.
    static let direct = 6

    static let cacheMask: UInt32 = 1 << 2 | 1 << 3 | 1 << 4 | 1 << 9 | 1 << 13 | 1 << 14
    static let inputModalityMask: UInt32 = 1 << 6 | 1 << 7 | 1 << 8 | 1 << 10
    static let outputModalityMask: UInt32 = 1 << 11 | 1 << 12 | 1 << 15

    /// Parts of the input, parts of the output, and parts that are both cached and of a modality.
    static let inputParts: UInt32 = cacheMask | inputModalityMask
    static let outputParts: UInt32 = outputModalityMask | 1 << 5
    static let crossings: UInt32 = 1 << 9 | 1 << 13 | 1 << 14

    /// The kinds in tag order.
    static let kinds: [UsageKind] = Array(UsageKind.allCases)

    /// The name a rate of this kind has in catalogue and own price files: the kind's name, `Tokens` dropped.
    static let shortNames: [[UInt8]] = kinds.map { kind in
        let name = [UInt8](UnsafeRawBufferPointer(start: kind.name.utf8Start, count: kind.name.utf8CodeUnitCount))
        let suffix = [UInt8]("Tokens".utf8)
        return name.count > suffix.count && Array(name.suffix(suffix.count)) == suffix ? Array(name.dropLast(suffix.count)) : name
    }

    /// The tag of a short or full name.
    static func named(_ text: UnsafeRawBufferPointer) -> Tag? {
        let hash = NameIndex.hash(text)
        for i in 0..<hashes.count where hashes[i] == hash {
            if names[i].withUnsafeBytes({ sameBytes($0, text) }) { return i / 2 }
        }
        return nil
    }

    /// The full and the short name of every kind, in tag order.
    private static let names: [[UInt8]] = (0..<count).flatMap { tag in
        let full = kinds[tag].name
        return [[UInt8](UnsafeRawBufferPointer(start: full.utf8Start, count: full.utf8CodeUnitCount)), shortNames[tag]]
    }

    private static let hashes: [UInt32] = names.map { name in name.withUnsafeBytes { NameIndex.hash($0) } }
}

extension UsageKind {
    /// The number of this case in the order of declaration. The enum is frozen and has no payloads, so that number is its
    /// memory; a test compares every case.
    @inline(__always) var tag: Tag { Int(unsafeBitCast(self, to: UInt8.self)) }
}
