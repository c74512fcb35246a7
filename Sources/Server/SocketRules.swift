// SocketRules: which users may use the Unix sockets, and for what. Who a peer is the kernel says (SO_PEERCRED); names have
// become numbers before they get here.
//
// Without rules everybody whom owner and mode of the socket let in may do everything. With rules a peer may do what the rules
// that name its user or one of its groups say together, and one that no rule names is served nothing.

internal import Core
internal import Frames
internal import Journal
internal import Wire

/// A peer's user and groups, when it connected.
public struct PeerCredentials: Equatable, Sendable {
    public var user: UInt32
    public var groups: [UInt32]
    public init(user: UInt32, groups: [UInt32]) {
        self.user = user
        self.groups = groups
    }
}

public struct SocketRules: Equatable, Sendable {
    public enum Subject: Equatable, Sendable {
        case user(UInt32)
        case group(UInt32)
    }

    public struct Rule: Equatable, Sendable {
        public var subject: Subject
        /// Bits of `KeyScope`.
        public var scopes: UInt8
        public init(_ subject: Subject, scopes: UInt8) {
            self.subject = subject
            self.scopes = scopes
        }
    }

    public var rules: [Rule]
    public init(_ rules: [Rule]) { self.rules = rules }

    /// What this peer may do; nil when no rule names it, or when the kernel did not say who it is.
    func scopes(of peer: PeerCredentials?) -> UInt8? {
        guard let peer else { return nil }
        var scopes: UInt8 = 0
        for rule in rules {
            switch rule.subject {
            case .user(let user): if user == peer.user { scopes |= rule.scopes }
            case .group(let group): if peer.groups.contains(group) { scopes |= rule.scopes }
            }
        }
        return scopes == 0 ? nil : scopes
    }

    /// The bits of scopes by name, `ingest,read`; nil when one is unknown.
    public static func scopes(named text: String) -> UInt8? {
        var scopes: UInt8 = 0
        for name in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let known = KeyRequest.names.first(where: { $0.1 == String(name) }) else { return nil }
            scopes |= known.0
        }
        return scopes
    }

    /// Every scope there is.
    public static let allScopes = KeyScope.all
}

extension Server {
    /// What a peer of a Unix socket may do without a key; nil for nothing at all.
    func socketScopes(of peer: PeerCredentials?) -> UInt8? {
        guard let rules = options.socketRules else { return KeyScope.all }
        return rules.scopes(of: peer)
    }

    /// Tells a peer that no rule names that it is not served, and ends the connection.
    mutating func refusePeer(_ index: UInt32) {
        metrics.peersRefused += 1
        guard slots[Int(index)].dialect != .binary else {
            refuseFrame(index, .forbidden, message: "This user may not use the socket (unix_allow)")
            return
        }
        var context = RequestContext(index: index, method: .get, requestID: newRequestID())
        context.keepAlive = false
        failPlainly(&context, 403, "forbidden", "This user may not use the socket (unix_allow)")
        slots[Int(index)].closing = true
    }
}
