// AllowedPeer: one entry of `unix_allow`, which says who may use the Unix sockets: `user:app`, `uid:1000`, `group:purser`,
// `gid:50`, each with `=ingest,read` behind it when it may not do everything.
//
// Names are looked up when the configuration is taken in, at the start and at every reload, and never while peers are served.

internal import Glibc
internal import Server

public struct AllowedPeer: Sendable {
    enum Kind: String {
        case user, uid, group, gid
    }

    var kind: Kind
    var name: String
    var scopes: UInt8
    /// Where it stands, for an error.
    var place: String

    init?(_ text: String, at place: String) {
        guard let colon = text.firstIndex(of: ":"), let kind = Kind(rawValue: String(text[..<colon])) else { return nil }
        var rest = text[text.index(after: colon)...]
        scopes = SocketRules.allScopes
        if let equals = rest.firstIndex(of: "=") {
            guard let named = SocketRules.scopes(named: String(rest[rest.index(after: equals)...])) else { return nil }
            scopes = named
            rest = rest[..<equals]
        }
        guard !rest.isEmpty, rest.utf8.count <= 255, !rest.utf8.contains(0) else { return nil }
        if kind == .uid || kind == .gid {
            // The highest number means "none" to the kernel.
            guard let number = UInt32(rest), number != .max, rest.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else { return nil }
        }
        self.kind = kind
        name = String(rest)
        self.place = place
    }

    /// The rule with its number.
    func rule() throws(ConfigurationError) -> SocketRules.Rule {
        switch kind {
        case .uid, .gid:
            let number = UInt32(name) ?? .max
            return SocketRules.Rule(kind == .uid ? .user(number) : .group(number), scopes: scopes)
        case .user:
            guard let number = AllowedPeer.user(name) else { throw ConfigurationError(text: "\(place): there is no user \(name)") }
            return SocketRules.Rule(.user(number), scopes: scopes)
        case .group:
            guard let number = AllowedPeer.group(name) else { throw ConfigurationError(text: "\(place): there is no group \(name)") }
            return SocketRules.Rule(.group(number), scopes: scopes)
        }
    }

    private static func user(_ name: String) -> UInt32? {
        var entry = passwd()
        var found: UnsafeMutablePointer<passwd>?
        return withTexts { getpwnam_r(name, &entry, $0, $1, &found) } && found != nil ? entry.pw_uid : nil
    }

    private static func group(_ name: String) -> UInt32? {
        var entry = Glibc.group()
        var found: UnsafeMutablePointer<Glibc.group>?
        return withTexts { getgrnam_r(name, &entry, $0, $1, &found) } && found != nil ? entry.gr_gid : nil
    }

    /// Calls with more and more room for the texts of an entry; a group of many members has long ones.
    private static func withTexts(_ look: (UnsafeMutablePointer<CChar>, Int) -> Int32) -> Bool {
        var size = 4096
        while true {
            let status = withUnsafeTemporaryAllocation(of: CChar.self, capacity: size) { look($0.baseAddress!, size) }
            guard status == ERANGE, size < 16 << 20 else { return status == 0 }
            size *= 4
        }
    }
}
