// API keys: made at random, kept only as SHA-256, compared in constant time. All three by libsodium.

internal import CSodium

/// A SHA-256 digest.
public struct Digest: Equatable, Hashable, Sendable {
    public var words: (UInt64, UInt64, UInt64, UInt64)

    public init(sha256 bytes: UnsafeRawBufferPointer) {
        var out: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        withUnsafeMutableBytes(of: &out) { result in
            let digest = result.baseAddress!.assumingMemoryBound(to: UInt8.self)
            _ = crypto_hash_sha256(digest, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), UInt64(bytes.count))
        }
        words = out
    }

    /// 32 bytes; nil when there are not exactly that many.
    public init?(bytes: UnsafeRawBufferPointer) {
        guard bytes.count == 32 else { return nil }
        words = bytes.loadUnaligned(as: (UInt64, UInt64, UInt64, UInt64).self)
    }

    public var bytes: [UInt8] { withUnsafeBytes(of: words) { [UInt8]($0) } }

    /// Equality in time that does not depend on where the digests differ.
    public static func == (a: Digest, b: Digest) -> Bool {
        withUnsafeBytes(of: a.words) { x in withUnsafeBytes(of: b.words) { y in sodium_memcmp(x.baseAddress!, y.baseAddress!, 32) == 0 } }
    }

    public func hash(into hasher: inout Hasher) { hasher.combine(words.0) }
}

/// A short hash (SipHash-2-4, 128 bits) under a secret of this process: whoever does not know it finds no two texts with the same one.
/// For telling a text from the one before without keeping it, at a fifth of what SHA-256 takes.
public struct SecretTag: Equatable, Sendable {
    private var words: (UInt64, UInt64)

    public init(_ bytes: UnsafeRawBufferPointer, under secret: (UInt64, UInt64)) {
        var out: (UInt64, UInt64) = (0, 0)
        withUnsafeMutableBytes(of: &out) { result in
            withUnsafeBytes(of: secret) { secret in
                _ = crypto_shorthash_siphashx24(
                    result.baseAddress!.assumingMemoryBound(to: UInt8.self), bytes.baseAddress?.assumingMemoryBound(to: UInt8.self),
                    UInt64(bytes.count), secret.baseAddress!.assumingMemoryBound(to: UInt8.self))
            }
        }
        words = out
    }

    public static func == (a: SecretTag, b: SecretTag) -> Bool { a.words == b.words }
}

public enum SystemRandom {
    /// Fills with bytes from the kernel's generator.
    public static func fill(_ buffer: UnsafeMutableRawBufferPointer) {
        guard let base = buffer.baseAddress else { return }
        randombytes_buf(base, buffer.count)
    }

    public static func next() -> UInt64 {
        var value: UInt64 = 0
        withUnsafeMutableBytes(of: &value) { fill($0) }
        return value
    }
}
