// Claim: what a request says about whom it comes from, and what that is worth.
//
// A key in a header counts first, then the cookie of a session, then, on a Unix socket, the peer itself. The cookie is sent by a browser
// whoever made it send the request, so it counts only for what the page itself asks: on a host that can only be this daemon, and
// not when the browser says that another site or another port asks. What changes anything must say so itself (`Origin` or
// `Sec-Fetch-Site`, which scripts cannot set).

internal import Core
internal import Journal
internal import Ledger
internal import Wire

struct Claim {
    private let text: UnsafeRawBufferPointer
    private let head: HTTPRequestHead

    init(_ head: HTTPRequestHead, _ text: UnsafeRawBufferPointer) {
        self.head = head
        self.text = text
    }

    private func bytes(_ range: HTTPRange) -> UnsafeRawBufferPointer? { range.isPresent ? range.bytes(in: text) : nil }

    /// The key of the headers; empty when there is none.
    var key: UnsafeRawBufferPointer {
        if let authorization = bytes(head.authorization), let bearer = bearerToken(authorization) { return bearer }
        return bytes(head.apiKey) ?? UnsafeRawBufferPointer(start: nil, count: 0)
    }

    var host: UnsafeRawBufferPointer { bytes(head.host) ?? UnsafeRawBufferPointer(start: nil, count: 0) }
    var origin: UnsafeRawBufferPointer? { bytes(head.origin) }
    var ifNoneMatch: UnsafeRawBufferPointer? { bytes(head.ifNoneMatch) }
    var acceptEncoding: UnsafeRawBufferPointer? { bytes(head.acceptEncoding) }
    var accept: UnsafeRawBufferPointer? { bytes(head.accept) }
    var lastEventID: UnsafeRawBufferPointer? { bytes(head.lastEventID) }
    /// What the browser says about who asks; nil when it says nothing.
    var fetchSite: UnsafeRawBufferPointer? { bytes(head.fetchSite) }
    var changes: Bool { head.method != .get && head.method != .head && head.method != .options }

    /// The token of the cookie, if it has the form of one. Its name holds the port: cookies know no ports, and daemons may share a host.
    var session: UnsafeRawBufferPointer? {
        guard let field = bytes(head.cookie) else { return nil }
        let name = cookieName
        guard let value = name.withUnsafeBytes({ HTTPCookies.value(named: $0, in: field) }), value.count == 64 else { return nil }
        return value
    }

    var cookieName: [UInt8] {
        let port = HTTPAuthority(host).port
        return Array("purser_session_".utf8) + (port.isEmpty ? Array("80".utf8) : Array(port))
    }

    /// SHA-256 of the host and port, in lower case.
    var hostDigest: Digest { host.map { $0 &- 0x41 < 26 ? $0 | 0x20 : $0 }.withUnsafeBytes { Digest(sha256: $0) } }
}

/// What became of a claim.
enum Admittance {
    /// Bits of `KeyScope`.
    case scopes(UInt8)
    /// No key, or none that counts.
    case unknown
    /// A session that another site makes use of, or one on a host that may be somebody else's name for this one.
    case foreign
}

extension Server {
    /// The origin of the operator's list that has this host; nil when none has.
    private func listedOrigin(_ claim: Claim) -> String? {
        options.dashboardOrigins.first { origin in
            guard let slash = origin.lastIndex(of: "/") else { return false }
            return sameFolded(claim.host, origin[origin.index(after: slash)...].utf8)
        }
    }

    /// Whether the host can only mean this daemon.
    func isOwnHost(_ claim: Claim) -> Bool { HTTPAuthority(claim.host).isLoopback || listedOrigin(claim) != nil }

    /// Whether the browser speaks to us over TLS, which somebody else ends.
    func isSecure(_ claim: Claim) -> Bool { listedOrigin(claim)?.hasPrefix("https://") ?? false }

    /// Whether what the request says of where it comes from is nothing but this page. With `mustSay` it has to say something.
    func isOwnOrigin(_ claim: Claim, mustSay: Bool) -> Bool {
        if let origin = claim.origin {
            let expected = Array((listedOrigin(claim) ?? "http://").utf8) + (listedOrigin(claim) == nil ? Array(claim.host) : [])
            guard sameFolded(origin, expected) else { return false }
        }
        if let site = claim.fetchSite {
            let isTyped = sameBytes(site, Page.bytes("none")) && !claim.changes
            guard isTyped || sameBytes(site, Page.bytes("same-origin")) else { return false }
        }
        return !mustSay || claim.origin != nil || claim.fetchSite != nil
    }

    private func sameFolded(_ a: UnsafeRawBufferPointer, _ b: some Collection<UInt8>) -> Bool {
        func folded(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }
        return a.count == b.count && zip(a, b).allSatisfy { folded($0) == folded($1) }
    }

    /// What whoever sends this request may do.
    mutating func admit(_ claim: Claim, _ index: UInt32, principal: inout UInt64) -> Admittance {
        let key = claim.key
        if key.isEmpty, let token = claim.session {
            guard isOwnHost(claim) else { return .foreign }
            guard let session = sessions.use(token, host: claim.hostDigest, at: now), let scopes = scopes(of: session.owner) else {
                return .unknown
            }
            guard isOwnOrigin(claim, mustSay: claim.changes) else { return .foreign }
            principal = Server.principal(session.owner)
            if case .key(let digest) = session.owner { noteUse(at: ledger.keys.place(of: digest)) }
            slots[Int(index)].becomeKnown()
            return .scopes(scopes)
        }
        return authorize(key, index, principal: &principal).map { .scopes($0) } ?? .unknown
    }

    /// What whoever signed in may do now; nil when the key is revoked, or the peer not welcome any more.
    func scopes(of owner: Sessions.Owner) -> UInt8? {
        switch owner {
        case .key(let digest): scopes(of: digest)
        case .peer(let credentials): socketScopes(of: credentials)
        }
    }

    private static func principal(_ owner: Sessions.Owner) -> UInt64 {
        switch owner {
        case .key(let digest): digest.words.0
        case .peer(let credentials): UInt64(credentials?.user ?? 0)
        }
    }

    mutating func misdirected(_ context: inout RequestContext) {
        fail(&context, 421, "misdirected_request", "The dashboard is not served under this host name (dashboard_origins)")
    }
}
