// Fetch: a document from a file or from the web, whole and bounded.
//
// Over HTTPS the certificate is verified and redirects lead to HTTPS only; plain HTTP is for this machine itself. Blocks the
// calling thread, for a minute at most; may be called from any thread. libcurl is loaded by the first address that is read,
// so that a process that never fetches does not carry it.

internal import CCurl
internal import Core
internal import Glibc

/// Why nothing was read.
public struct FetchError: Error, Equatable, Sendable, CustomStringConvertible {
    public enum Reason: Sendable, Equatable {
        /// The file cannot be read.
        case file
        /// libcurl is not installed.
        case noLibrary
        /// Not an address that is fetched.
        case badAddress
        /// Nobody answers.
        case unreachable
        /// The certificate is not one to trust.
        case untrusted
        case timeout
        case tooLarge
        /// Redirected too often, or to somewhere that is not HTTPS.
        case redirect
        /// An HTTP status other than 200 and 304.
        case status(Int)
        /// The connection broke.
        case broken
    }

    public var reason: Reason
    public var source: String
    public var message: String

    public var description: String { "\(source): \(message)" }
}

/// What may be read, and how long it may take.
public struct FetchLimits: Sendable {
    public var bytes = Limits.priceListBytes
    public var connectSeconds = Limits.fetchConnectSeconds
    public var seconds = Limits.fetchSeconds
    public var redirects = Limits.fetchRedirects

    public init() {}
}

/// What was read.
public struct FetchedBytes: Sendable {
    public var bytes: [UInt8]
    /// The server's tag for this content, to be given with the next call; nil for files and servers without.
    public var etag: String?
    /// The content is still the one that the given tag names; `bytes` is empty.
    public var isUnchanged: Bool
}

public enum Fetch {
    /// Whether a source is an address and not a file.
    public static func isAddress(_ source: String) -> Bool { source.contains("://") }

    /// Reads an `https://` address, an `http://` one of this machine, or a file (`-` is standard input). `etag` is what an
    /// earlier answer of the same address came with, `agent` how this program calls itself (`purser/0.1.0`), `authorities` a
    /// file of certificates to trust in place of the system's.
    public static func read(
        _ source: String, limits: FetchLimits = FetchLimits(), agent: String, etag: String? = nil, authorities: String? = nil
    ) throws(FetchError) -> FetchedBytes {
        isAddress(source)
            ? try fetch(source, limits, agent: agent, etag: etag, authorities: authorities)
            : FetchedBytes(bytes: try file(source, limits.bytes), etag: nil, isUnchanged: false)
    }

    // The web

    /// What comes in; a class, because C hands it back as a pointer.
    private final class Intake {
        var bytes: [UInt8] = []
        var etag: [UInt8] = []
    }

    private static func fetch(
        _ address: String, _ limits: FetchLimits, agent: String, etag: String?, authorities: String?
    ) throws(FetchError) -> FetchedBytes {
        let intake = Intake()
        let context = Unmanaged.passUnretained(intake).toOpaque()
        var status = 0
        var message = [CChar](repeating: 0, count: 512)
        // A tag with a line's end in it would be a header of its own.
        let tag = etag.flatMap { $0.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F } ? $0 : nil }
        let result = withExtendedLifetime(intake) {
            purser_fetch(
                address, agent, tag, authorities, limits.connectSeconds, limits.seconds, limits.redirects, limits.bytes,
                { context, what, bytes, count in
                    guard let context else { return 1 }
                    let intake = Unmanaged<Intake>.fromOpaque(context).takeUnretainedValue()
                    let part = UnsafeRawBufferPointer(start: bytes, count: count)
                    if what == Int32(purser_fetch_etag) {
                        intake.etag = [UInt8](part)
                    } else {
                        intake.bytes += part
                    }
                    return 0
                }, context, &status, &message, message.count)
        }
        let text = String(decoding: message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        func failure(_ reason: FetchError.Reason, _ text: String) -> FetchError {
            FetchError(reason: reason, source: address, message: text)
        }
        if let reason = reason(of: result) { throw failure(reason, text.isEmpty ? "cannot be fetched" : text) }
        let newTag = intake.etag.isEmpty ? nil : String(decoding: intake.etag, as: UTF8.self)
        switch status {
        case 200: return FetchedBytes(bytes: intake.bytes, etag: newTag, isUnchanged: false)
        case 304 where tag != nil: return FetchedBytes(bytes: [], etag: newTag ?? tag, isUnchanged: true)
        default: throw failure(.status(status), "the server answered with status \(status)")
        }
    }

    private static func reason(of result: Int32) -> FetchError.Reason? {
        switch Int(result) {
        case purser_fetch_done: nil
        case purser_fetch_no_library: .noLibrary
        case purser_fetch_bad_address: .badAddress
        case purser_fetch_unreachable: .unreachable
        case purser_fetch_untrusted: .untrusted
        case purser_fetch_timeout: .timeout
        case purser_fetch_too_large: .tooLarge
        case purser_fetch_redirect: .redirect
        default: .broken
        }
    }

    /// Whether libcurl is in this process by now.
    public static var isLoaded: Bool { purser_fetch_is_loaded() != 0 }

    // Files

    private static func file(_ path: String, _ limit: Int) throws(FetchError) -> [UInt8] {
        func failure() -> FetchError { FetchError(reason: .file, source: path, message: String(cString: strerror(errno))) }
        let descriptor = path == "-" ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure() }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0 {
                if errno == EINTR { continue }
                throw failure()
            }
            if count == 0 { return bytes }
            guard bytes.count + count <= limit else {
                throw FetchError(reason: .tooLarge, source: path, message: "more than \(limit) bytes")
            }
            bytes += chunk[..<count]
        }
    }
}
