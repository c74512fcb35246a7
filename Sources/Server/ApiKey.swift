// ApiKey: `sk_live_` and 32 hexadecimal digits. The key is shown once; what is kept is its SHA-256 and a hint.

internal import Core
internal import Journal
internal import Wire

public enum ApiKey {
    /// A new random key, as text.
    public static func make() -> [UInt8] {
        var words: (UInt64, UInt64) = (0, 0)
        withUnsafeMutableBytes(of: &words) { SystemRandom.fill($0) }
        var writer = ByteWriter(capacity: 64)
        writer.append("sk_live_")
        withUnsafeBytes(of: &words) { writer.append(hex: $0) }
        return writer.array
    }

    /// What may be shown of a key: its prefix and its last four characters.
    public static func hint(_ key: [UInt8]) -> [UInt8] { Array(key.prefix(8)) + Array("…".utf8) + Array(key.suffix(4)) }
}

/// The body of a request for a key: `{"name": "…", "scopes": ["ingest", "read", "admin"]}`; without scopes, `ingest` alone.
struct KeyRequest {
    var name: [UInt8] = []
    /// What is not asked for is not given: a key whose maker said nothing may send events and nothing else.
    var scopes = KeyScope.ingest

    static let names: [(UInt8, String)] = [(KeyScope.ingest, "ingest"), (KeyScope.read, "read"), (KeyScope.admin, "admin")]

    init?(_ body: UnsafeRawBufferPointer) {
        guard !body.isEmpty else { return }
        guard let document = try? JSONDocument(body, uniqueKeys: true), document.root.kind == .object else { return nil }
        if let given = document.root["name"], !given.isNull {
            guard given.kind == .string else { return nil }
            name = given.bytes
            guard name.withUnsafeBytes({ scalarCount($0) }) <= Limits.customerFieldScalars,
                !name.contains(where: { $0 < 0x20 || $0 == 0x7F })
            else {
                return nil
            }
        }
        if let given = document.root["scopes"], !given.isNull {
            guard given.kind == .array else { return nil }
            scopes = 0
            for element in given.elements {
                guard let known = KeyRequest.names.first(where: { $0.1 == element.string }) else { return nil }
                scopes |= known.0
            }
            guard scopes != 0 else { return nil }
        }
    }
}
