// Sessions: who is signed in to the page. A key, or the daemon's own socket, is shown once; from then on a random token in a cookie
// stands for it. Kept in memory only, by the SHA-256 of the token: a restart signs everybody out, and what leaks from here opens
// nothing.
//
// A session never may more than whoever signed in may now: the key's scopes are looked up anew for every request, so a revoked key's
// sessions are over. It holds on the host and port it was made for and nowhere else: another name for this machine, chosen by whoever
// lured the browser there, is another host.

internal import Core
internal import Wire

struct Sessions {
    /// Who signed in.
    enum Owner {
        case key(Digest)
        /// A peer of a Unix socket, without a key.
        case peer(PeerCredentials?)
    }

    struct Session {
        var owner: Owner
        /// SHA-256 of the host and port, lower case.
        var host: Digest
        var createdAt: Timestamp
        /// Monotonic nanoseconds of the last request.
        var used: UInt64
    }

    private struct Link {
        var owner: Owner
        var made: UInt64
    }

    private var sessions: [Digest: Session] = [:]
    private var links: [Digest: Link] = [:]
    /// When all failures so far are forgiven, monotonic (a leaky bucket: every failure adds `forgiveness`).
    private var forgivenAt: UInt64 = 0

    var count: Int { sessions.count }

    private static let lifetime = UInt64(Limits.sessionHours) * 3600 * 1_000_000_000
    private static let linkLifetime = UInt64(Limits.signInLinkMinutes) * 60 * 1_000_000_000
    private static let forgiveness = UInt64(Limits.signInSeconds) * 1_000_000_000

    // MARK: Tokens

    /// 256 random bits as hexadecimal digits.
    private static func token() -> [UInt8] {
        var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        withUnsafeMutableBytes(of: &words) { SystemRandom.fill($0) }
        var text = ByteWriter(capacity: 64)
        withUnsafeBytes(of: &words) { text.append(hex: $0) }
        return text.array
    }

    private static func digest(_ token: [UInt8]) -> Digest { token.withUnsafeBytes { Digest(sha256: $0) } }

    /// Signs somebody in; the result is the token. When there are as many as there may be, the one that was idle longest is over.
    mutating func begin(_ owner: Owner, host: Digest, at now: Instant) -> [UInt8] {
        sessions = sessions.filter { now.monotonic &- $0.value.used < Self.lifetime }
        if sessions.count >= Limits.sessions, let idle = sessions.min(by: { $0.value.used < $1.value.used }) { sessions[idle.key] = nil }
        let token = Self.token()
        sessions[Self.digest(token)] = Session(owner: owner, host: host, createdAt: now.wall, used: now.monotonic)
        return token
    }

    /// The session of a token on this host, its time run anew; nil when it is over, unknown or another host's.
    mutating func use(_ token: UnsafeRawBufferPointer, host: Digest, at now: Instant) -> Session? {
        let digest = Digest(sha256: token)
        guard let session = sessions[digest], session.host == host else { return nil }
        guard now.monotonic &- session.used < Self.lifetime else {
            sessions[digest] = nil
            return nil
        }
        sessions[digest]!.used = now.monotonic
        return session
    }

    mutating func end(_ token: UnsafeRawBufferPointer) { sessions[Digest(sha256: token)] = nil }

    /// A token that signs in once; the oldest leaves when there are as many as there may be.
    mutating func makeLink(_ owner: Owner, at now: Instant) -> [UInt8] {
        links = links.filter { now.monotonic &- $0.value.made < Self.linkLifetime }
        if links.count >= Limits.signInLinks, let oldest = links.min(by: { $0.value.made < $1.value.made }) { links[oldest.key] = nil }
        let token = Self.token()
        links[Self.digest(token)] = Link(owner: owner, made: now.monotonic)
        return token
    }

    /// Whoever made the link, which is used up by that.
    mutating func takeLink(_ token: UnsafeRawBufferPointer, at now: Instant) -> Owner? {
        guard let link = links.removeValue(forKey: Digest(sha256: token)), now.monotonic &- link.made < Self.linkLifetime else {
            return nil
        }
        return link.owner
    }

    // MARK: Failures

    /// Seconds until somebody may try again; 0 when now.
    func waitSeconds(at now: Instant) -> UInt32 {
        let burst = UInt64(Limits.signInFailures) * Self.forgiveness
        guard forgivenAt > now.monotonic, forgivenAt - now.monotonic > burst - Self.forgiveness else { return 0 }
        return UInt32(clamping: (forgivenAt - now.monotonic - (burst - Self.forgiveness) + 999_999_999) / 1_000_000_000)
    }

    mutating func failed(at now: Instant) { forgivenAt = max(forgivenAt, now.monotonic) + Self.forgiveness }
}
