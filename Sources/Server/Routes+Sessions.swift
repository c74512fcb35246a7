// Signing in to the page and out of it: `/dashboard/session` with a key, `/dashboard/link` once with a link.

internal import Core
internal import Journal
internal import Ledger
internal import Wire

extension Server {
    // MARK: With a key

    mutating func postSession(_ context: inout RequestContext, _ claim: Claim, _ body: UnsafeRawBufferPointer) {
        guard isOwnHost(claim) else { return misdirected(&context) }
        guard isOwnOrigin(claim, mustSay: false) else { return foreign(&context) }
        let wait = sessions.waitSeconds(at: now)
        guard wait == 0 else { return tooManyFailures(&context, wait) }
        guard let document = try? JSONDocument(body, uniqueKeys: true), let given = document.root["key"], given.kind == .string else {
            fail(&context, 400, "validation_failed", "Malformed request body: an object with the text key")
            return
        }
        let digest = given.bytes.withUnsafeBytes { Digest(sha256: $0) }
        guard scopes(of: digest) != nil else {
            sessions.failed(at: now)
            metrics.unauthorized += 1
            failPlainly(&context, 401, "unauthorized", "Invalid API key")
            return
        }
        recordStart()
        let token = sessions.begin(.key(digest), host: claim.hostDigest, at: now)
        writeSession(&context, 201, .key(digest), createdAt: now.wall, cookie: cookie(claim, token))
    }

    mutating func getSession(_ context: inout RequestContext, _ claim: Claim) {
        guard isOwnHost(claim) else { return misdirected(&context) }
        guard isOwnOrigin(claim, mustSay: false) else { return foreign(&context) }
        guard let token = claim.session, let session = sessions.use(token, host: claim.hostDigest, at: now),
            scopes(of: session.owner) != nil
        else {
            // An answer, not an error: nobody has done anything wrong yet.
            answerToPage(&context, 200) { $0.append("{\"data\":null,\"success\":true}") }
            return
        }
        slots[Int(context.index)].becomeKnown()
        writeSession(&context, 200, session.owner, createdAt: session.createdAt, cookie: cookie(claim, [UInt8](token)))
    }

    mutating func deleteSession(_ context: inout RequestContext, _ claim: Claim) {
        guard isOwnHost(claim) else { return misdirected(&context) }
        guard isOwnOrigin(claim, mustSay: true) else { return foreign(&context) }
        if let token = claim.session { sessions.end(token) }
        answerToPage(&context, 200, lines: cookie(claim, nil)) { $0.append("{\"success\":true}") }
    }

    // MARK: With a link

    /// A link for whoever asks, with a key or over the Unix socket, that signs in once.
    mutating func postLink(_ context: inout RequestContext, _ claim: Claim) {
        let key = claim.key
        // A session does not make others.
        guard !key.isEmpty || claim.session == nil else { return foreign(&context) }
        let owner: Sessions.Owner =
            key.isEmpty ? .peer(slots[Int(context.index)].credentials) : .key(Digest(sha256: key))
        let link = makeLink(owner)
        answerToPage(&context, 201) { output in
            output.append("{\"data\":{\"path\":")
            output.append(jsonString: link.path)
            if let url = link.url {
                output.append(",\"url\":")
                output.append(jsonString: url)
            }
            output.append(",\"expiresAt\":\"")
            output.append(rfc3339: link.expiresAt)
            output.append("\"},\"success\":true}")
        }
    }

    private mutating func makeLink(_ owner: Sessions.Owner) -> (path: String, url: String?, expiresAt: Timestamp) {
        let path = "/dashboard/link?token=" + String(decoding: sessions.makeLink(owner, at: now), as: UTF8.self)
        let base = options.dashboardOrigins.first ?? pageAddress
        let lifetime = Int64(Limits.signInLinkMinutes) * 60 * 1_000_000_000
        return (path, base.map { $0 + path }, Timestamp(nanoseconds: now.wall.nanoseconds + lifetime))
    }

    /// Where to sign in with the daemon's first key, once, before anybody has it; nil when there is no such key, or nowhere to go.
    public mutating func firstLink(at instant: Instant) -> String? {
        now = instant
        guard let firstKey, pageAddress != nil || !options.dashboardOrigins.isEmpty else { return nil }
        return makeLink(.key(firstKey.digest)).url
    }

    mutating func followLink(_ context: inout RequestContext, _ claim: Claim, _ query: UnsafeRawBufferPointer) {
        guard isOwnHost(claim) else { return misdirected(&context) }
        var pairs = HTTPQuery(query)
        var token: UnsafeRawBufferPointer?
        while let pair = pairs.next() { if pair.isNamed("token") { token = pair.value } }
        // HEAD looks and takes nothing: what previews links must not use them up. Failures are not counted: nobody guesses 256 bits.
        guard context.method == .get, let token, let owner = sessions.takeLink(token, at: now), scopes(of: owner) != nil else {
            let place = context.method == .get ? "/sign-in?link=expired" : "/sign-in"
            answerToPage(&context, 303, content: .none, lines: Array("location: \(place)\r\n".utf8)) { _ in }
            return
        }
        recordStart()
        let fresh = sessions.begin(owner, host: claim.hostDigest, at: now)
        answerToPage(&context, 303, content: .none, lines: cookie(claim, fresh) + Array("location: /\r\n".utf8)) { _ in }
    }

    // MARK: What is said

    private mutating func writeSession(
        _ context: inout RequestContext, _ status: UInt16, _ owner: Sessions.Owner, createdAt: Timestamp, cookie: [UInt8]
    ) {
        let allowed = scopes(of: owner) ?? 0
        var record: KeyRecord?
        if case .key(let digest) = owner { record = ledger.keys.records.first { $0.digest == digest } }
        let expiresAt = Timestamp(nanoseconds: now.wall.nanoseconds + Int64(Limits.sessionHours) * Timestamp.nanosecondsPerHour)
        let version = options.version
        answerToPage(&context, status, lines: cookie) { output in
            output.append("{\"data\":{\"scopes\":[")
            Server.append(&output, scopes: allowed)
            output.append("],\"key\":")
            if let record {
                output.append("{\"id\":")
                output.append(unsigned: UInt64(record.id))
                output.append(",\"name\":")
                output.append(jsonString: record.name)
                output.append(",\"hint\":")
                output.append(jsonString: record.hint)
                output.append(0x7D)
            } else {
                output.append("null")
            }
            output.append(",\"createdAt\":\"")
            output.append(rfc3339: createdAt)
            output.append("\",\"expiresAt\":\"")
            output.append(rfc3339: expiresAt)
            output.append("\",\"version\":")
            output.append(jsonString: version)
            output.append("},\"success\":true}")
        }
    }

    /// `set-cookie` for a token; without one the cookie is taken back.
    private func cookie(_ claim: Claim, _ token: [UInt8]?) -> [UInt8] {
        var line = Array("set-cookie: ".utf8) + claim.cookieName + [0x3D] + (token ?? [])
        line += Array("; Path=/; HttpOnly; SameSite=Strict; Max-Age=".utf8)
        line += Array("\(token == nil ? 0 : Limits.sessionHours * 3600)".utf8)
        if isSecure(claim) { line += Array("; Secure".utf8) }
        return line + [0x0D, 0x0A]
    }

    private mutating func answerToPage(
        _ context: inout RequestContext, _ status: UInt16, content: HTTPContent = .json, lines: [UInt8] = [],
        _ write: (inout ByteWriter) -> Void
    ) {
        context.origin = nil
        lines.withUnsafeBytes { lines in
            answer(
                &context, status, content: content, extra: "cache-control: no-store\r\nreferrer-policy: no-referrer\r\n", lines: lines,
                write)
        }
    }

    mutating func foreign(_ context: inout RequestContext) {
        context.origin = nil
        fail(&context, 403, "forbidden", "With a session only the dashboard itself may ask this: another origin did")
    }

    private mutating func tooManyFailures(_ context: inout RequestContext, _ seconds: UInt32) {
        answer(&context, 429, retryAfter: seconds) { output in
            output.append("{\"success\":false,\"error\":{\"code\":\"rate_limited\",\"message\":\"Too many failures; try again later\"}}")
        }
    }
}
