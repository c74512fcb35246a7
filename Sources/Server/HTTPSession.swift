// HTTPSession: requests off the front of the input, one after the other, each answered before the next is looked at. A query's
// answer comes later: until then the connection is not read on, so answers keep the order of requests.

public import Core
internal import Journal
internal import Ledger
internal import Wire

/// What of a request its answer needs. The pointers are good while the request is handled.
struct RequestContext {
    var index: UInt32
    var method: HTTPMethod
    var requestID: UnsafeRawBufferPointer
    var keepAlive = true
    var minorVersion: UInt8 = 1
    var origin: UnsafeRawBufferPointer?
    var idempotencyKey: UnsafeRawBufferPointer?
    /// Methods of the route, for 405.
    var allow: StaticString?
    var scopes: UInt8 = 0
    /// Who asks, and how many bytes the request has.
    var principal: UInt64 = 0
    var bytes = 0
    /// Set while the answer must be kept for `Idempotency-Key`.
    var scope: Digest?
    var bodyDigest: Digest?
    /// Where the answer begins in the output.
    var answerStart = 0
    /// Place of the answer's body in the output, once it was written.
    var bodyStart = 0
    var status: UInt16 = 0
}

extension Server {
    mutating func processHTTP(_ index: UInt32, _ bytes: UnsafeRawBufferPointer) -> Int {
        let connection = slots + Int(index)
        var consumed = 0
        connection.pointee.awaitsInputOnly = false
        connection.pointee.expected = 0
        while consumed < bytes.count, connection.pointee.wantsInput {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[consumed...])
            if connection.pointee.head == nil {
                switch HTTPRequestHead.parse(rest, scanned: &connection.pointee.scanned) {
                case .needMore:
                    connection.pointee.awaitsInputOnly = true
                    return consumed
                case .refused(let refusal):
                    refuseRequest(index, refusal, rest)
                    return bytes.count
                case .head(let head, let length):
                    connection.pointee.head = head
                    connection.pointee.headBytes = length
                    connection.pointee.scanned = 0
                    connection.pointee.sentContinue = false
                    if head.hasBody, !awaitsBody(index, head, UnsafeRawBufferPointer(rebasing: rest[..<length])) {
                        var last = head
                        last.keepAlive = false
                        metrics.requests += 1
                        handle(index, last, UnsafeRawBufferPointer(rebasing: rest[..<length]), UnsafeRawBufferPointer(start: nil, count: 0))
                        return bytes.count
                    }
                    let whole = length + Int(head.contentLength ?? 0) + Server.inputPadding
                    if head.hasBody, rest.count + Server.inputPadding < whole, !mayCollect(index, whole) {
                        refuseForRoom(index)
                        return bytes.count
                    }
                    if head.chunked {
                        connection.pointee.chunked = ChunkedBody()
                        connection.pointee.chunkedBytes = 0
                        connection.pointee.body.reset()
                    }
                }
            }
            guard let head = connection.pointee.head else { return consumed }
            let headBytes = connection.pointee.headBytes
            let total: Int
            let body: UnsafeRawBufferPointer
            if connection.pointee.chunked != nil {
                let from = headBytes + connection.pointee.chunkedBytes
                let fed = UnsafeRawBufferPointer(rebasing: rest[from...])
                let (used, state) = connection.pointee.chunked!.feed(fed, into: &connection.pointee.body)
                connection.pointee.chunkedBytes += used
                switch state {
                case .needMore where connection.pointee.chunkedBytes > Limits.httpChunkedBytes:
                    let message: StaticString = "The chunks take too many bytes for their data"
                    refuseRequest(index, HTTPRefusal(status: 413, code: "payload_too_large", message: message), rest)
                    return bytes.count
                case .needMore:
                    if fed.isEmpty { sendContinue(index, head) }
                    connection.pointee.awaitsInputOnly = true
                    return consumed
                case .refused(let refusal):
                    refuseRequest(index, refusal, rest)
                    return bytes.count
                case .done:
                    total = headBytes + connection.pointee.chunkedBytes
                    connection.pointee.body.reserve(Server.inputPadding)
                    body = connection.pointee.body.bytes
                }
            } else {
                total = headBytes + Int(head.contentLength ?? 0)
                if rest.count < total {
                    sendContinue(index, head)
                    connection.pointee.expected = total + Server.inputPadding
                    connection.pointee.awaitsInputOnly = true
                    return consumed
                }
                body = UnsafeRawBufferPointer(rebasing: rest[headBytes..<total])
            }
            // Put aside as it is: a decoded body stays decoded.
            if head.method != .get, head.method != .head, head.method != .options, !mayAdmit(index) { return consumed }
            metrics.requests += 1
            handle(index, head, UnsafeRawBufferPointer(rebasing: rest[..<headBytes]), body)
            connection.pointee.head = nil
            connection.pointee.chunked = nil
            consumed += total
            if connection.pointee.closing || connection.pointee.stream != nil { return bytes.count }
            connection.pointee.requestSince = consumed < bytes.count ? now.monotonic : 0
        }
        return consumed
    }

    private mutating func sendContinue(_ index: UInt32, _ head: HTTPRequestHead) {
        guard head.expectContinue, !slots[Int(index)].sentContinue else { return }
        slots[Int(index)].sentContinue = true
        slots[Int(index)].output.appendHTTPContinue()
        slots[Int(index)].hold(until: 0, durable: pipelineBox.pointee.durable)
    }

    /// A request that cannot be read ends the connection: where the next one would start is not known.
    private mutating func refuseRequest(_ index: UInt32, _ refusal: HTTPRefusal, _ bytes: UnsafeRawBufferPointer) {
        metrics.badRequests += 1
        var context = RequestContext(index: index, method: Self.isHead(bytes) ? .head : .get, requestID: newRequestID())
        context.keepAlive = false
        fail(&context, refusal.status, refusal.code, refusal.message)
        slots[Int(index)].closing = true
    }

    /// Whether the request that begins here asks for no body (RFC 9110 section 9.3.2), also when the rest of it cannot be read.
    private static func isHead(_ bytes: UnsafeRawBufferPointer) -> Bool {
        let name: StaticString = "HEAD "
        let start = bytes.count > 2 && bytes[0] == 0x0D && bytes[1] == 0x0A ? 2 : 0
        guard bytes.count - start >= name.utf8CodeUnitCount else { return false }
        for i in 0..<name.utf8CodeUnitCount where bytes[start + i] != name.utf8Start[i] { return false }
        return true
    }

    mutating func refuseSlowRequest(_ index: UInt32) {
        let isHead = Self.isHead(slots[Int(index)].input.bytes)
        var context = RequestContext(index: index, method: isHead ? .head : .get, requestID: newRequestID())
        context.keepAlive = false
        // An empty line is not the beginning of a request: it may stand before one, and some clients end a body with it.
        let input = slots[Int(index)].input.bytes
        let isEmptyLine = input.count <= 2 && input.allSatisfy { $0 == 0x0D || $0 == 0x0A }
        if !isEmptyLine { fail(&context, 408, "request_timeout", "The request took too long to arrive") }
        slots[Int(index)].closing = true
    }

    /// A random UUID as text in the scratch buffer.
    mutating func newRequestID() -> UnsafeRawBufferPointer {
        var words: (UInt64, UInt64) = (nextRandom(), nextRandom())
        words.0 = (words.0 & 0xFF0F_FFFF_FFFF_FFFF) | 0x0040_0000_0000_0000
        words.1 = (words.1 & 0xFFFF_FFFF_FFFF_FF3F) | 0x0000_0000_0000_0080
        requestIDText.reset()
        withUnsafeBytes(of: &words) { requestIDText.append(uuid: $0) }
        return requestIDText.bytes
    }

    // MARK: One request

    private mutating func handle(
        _ index: UInt32, _ head: HTTPRequestHead, _ text: UnsafeRawBufferPointer, _ body: UnsafeRawBufferPointer
    ) {
        func bytes(_ range: HTTPRange) -> UnsafeRawBufferPointer? {
            range == .absent ? nil : UnsafeRawBufferPointer(rebasing: text[Int(range.offset)..<Int(range.offset + range.length)])
        }
        let connection = slots + Int(index)
        var context = RequestContext(index: index, method: head.method, requestID: UnsafeRawBufferPointer(start: nil, count: 0))
        if let id = bytes(head.requestID), KeyHeader.isUsableRequestID(id) {
            context.requestID = id
        } else {
            context.requestID = newRequestID()
        }
        context.answerStart = connection.pointee.output.count
        context.keepAlive = head.keepAlive && !draining
        context.minorVersion = head.minorVersion
        context.bytes = text.count + body.count
        if let origin = bytes(head.origin), isAllowed(origin) { context.origin = origin }
        if !context.keepAlive { connection.pointee.closing = true }
        defer { if !context.keepAlive { connection.pointee.closing = true } }

        if head.method == .options {
            preflight(&context)
            return
        }
        let path = bytes(head.path) ?? UnsafeRawBufferPointer(start: nil, count: 0)
        let query = bytes(head.query) ?? UnsafeRawBufferPointer(start: nil, count: 0)
        let route = Route(path)
        let claim = Claim(head, text)
        guard let allowed = route.methods else {
            fail(&context, 404, "not_found", "There is nothing at this path")
            return
        }
        guard route.allows(head.method) else {
            context.allow = allowed
            fail(&context, 405, "method_not_allowed", "This path does not take this method")
            return
        }
        if route.needsKey(head.method) {
            guard authenticate(&context, claim) else { return }
            guard context.scopes & route.scope(head.method) != 0 else {
                fail(&context, 403, "forbidden", "This API key lacks the scope for this call")
                return
            }
        } else {
            // No key is needed; one that is given makes its peer no stranger, so that whoever watches is not shut out by strangers.
            if !claim.key.isEmpty { _ = authorize(claim.key, index, principal: &context.principal) }
        }
        var isRoom = !route.mayAnswerAtLength(head.method) || mayAnswerAtLength(index)
        if case .metrics = route { isRoom = mayAnswerMetrics(index) }
        guard isRoom else {
            metrics.refusedForMemory += 1
            fail(&context, 503, "overloaded", "Too many answers wait to be read; nothing was recorded, try again")
            return
        }
        if head.method != .get, head.method != .head {
            if let key = bytes(head.idempotencyKey) {
                guard prepareReplay(&context, key, path, body) else { return }
            }
            if let type = bytes(head.contentType), !route.takes(type), !body.isEmpty {
                fail(&context, 415, "unsupported_media_type", "The body must be application/json")
                return
            }
        }
        dispatch(&context, route, query, body, claim, contentType: bytes(head.contentType), eventKey: bytes(head.eventKey))
        if context.scope != nil { keepReply(context) }
    }

    private func isAllowed(_ origin: UnsafeRawBufferPointer) -> Bool {
        for allowed in options.corsOrigins {
            if allowed == "*" { return true }
            var copy = allowed
            if copy.withUTF8({ sameBytes(UnsafeRawBufferPointer($0), origin) }) { return true }
        }
        return false
    }

    private mutating func preflight(_ context: inout RequestContext) {
        var response = HTTPResponse(status: 204)
        response.content = .none
        response.isPreflight = context.origin != nil
        fill(&response, context)
        response.allow = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
        slots[Int(context.index)].output.append(http: response, contentLength: 0)
        slots[Int(context.index)].hold(until: 0, durable: pipelineBox.pointee.durable)
    }

    mutating func fill(_ response: inout HTTPResponse, _ context: RequestContext) {
        response.date = httpDate()
        response.requestID = context.requestID
        response.idempotencyKey = context.idempotencyKey
        response.allowOrigin = context.origin
        response.allowCredentials = context.origin != nil && !options.corsOrigins.contains("*")
        response.allow = context.allow
        response.persistence = context.keepAlive ? (context.minorVersion == 0 ? .keepAlive : .implicit) : .close
    }

    /// The time of the answer, for its `date` field (RFC 9110 section 6.6.1): written anew once a second.
    private mutating func httpDate() -> UnsafeRawBufferPointer {
        let second = now.wall.nanoseconds / 1_000_000_000
        if second != dateSecond || dateText.count == 0 {
            dateSecond = second
            dateText.reset()
            dateText.append(httpDate: now.wall)
        }
        return dateText.bytes
    }

    // MARK: Keys

    /// The scopes of a key on this connection, or of the connection itself when there is no key; nil when it may do nothing.
    /// Whoever is let in is no stranger from then on.
    mutating func authorize(_ key: UnsafeRawBufferPointer, _ index: UInt32, principal: inout UInt64) -> UInt8? {
        let connection = slots + Int(index)
        guard !key.isEmpty else {
            principal = UInt64(connection.pointee.credentials?.user ?? 0)
            return connection.pointee.socketScopes
        }
        // Nearly every request of a connection shows the same key: it is looked up again when keys were made or revoked since.
        let tag = SecretTag(key, under: secret)
        if connection.pointee.keyTag != tag || connection.pointee.keyEpoch != ledger.keys.epoch {
            let digest = Digest(sha256: key)
            guard let scopes = scopes(of: digest) else { return nil }
            connection.pointee.key = digest
            connection.pointee.keyTag = tag
            connection.pointee.keyEpoch = ledger.keys.epoch
            connection.pointee.keyPlace = ledger.keys.place(of: digest)
            connection.pointee.scopes = scopes
            connection.pointee.becomeKnown()
        }
        noteUse(at: connection.pointee.keyPlace)
        principal = connection.pointee.key?.words.0 ?? 0
        return connection.pointee.scopes
    }

    /// The scopes of the key with this digest; nil when it is unknown or revoked.
    func scopes(of digest: Digest) -> UInt8? {
        if let firstKey, firstKey.digest == digest { return KeyScope.all }
        return ledger.keys.scopes(of: digest)
    }

    /// Whether the body that a head announces will be looked at. Without a key nobody gets to fill memory: such a request is
    /// answered at once and ends the connection, whether its body has come by then or not.
    private mutating func awaitsBody(_ index: UInt32, _ head: HTTPRequestHead, _ text: UnsafeRawBufferPointer) -> Bool {
        guard head.path.isPresent else { return false }
        let route = Route(head.path.bytes(in: text))
        // Who signs in has no key yet: what such a body may hold is no more than what every connection may.
        if case .session = route { return !head.chunked && (head.contentLength ?? 0) <= UInt64(Limits.signInBytes) }
        guard route.needsKey(head.method) else { return false }
        var principal: UInt64 = 0
        if case .scopes = admit(Claim(head, text), index, principal: &principal) { return true }
        return false
    }

    private mutating func authenticate(_ context: inout RequestContext, _ claim: Claim) -> Bool {
        let key = claim.key
        switch admit(claim, context.index, principal: &context.principal) {
        case .scopes(let scopes):
            context.scopes = scopes
            // What a page of another origin may read with a key of its own it may not read with the cookie of somebody who looks at it.
            if key.isEmpty, claim.session != nil { context.origin = nil }
            return true
        case .foreign:
            foreign(&context)
            return false
        case .unknown: break
        }
        metrics.unauthorized += 1
        noteRefusal(context, 401, "unauthorized")
        let looksLikeKey = key.count > 3 && key[2] == 0x5F && key[1] == 0x6B && (key[0] == 0x73 || key[0] == 0x63)
        failPlainly(&context, 401, "unauthorized", looksLikeKey ? "Invalid API key" : "Authentication required")
        return false
    }

    // MARK: Answers

    /// Writes an answer whose body `write` appends.
    mutating func answer(
        _ context: inout RequestContext, _ status: UInt16, wait: Bool = false, retryAfter: UInt32 = 0, content: HTTPContent = .json,
        extra: StaticString? = nil, lines: UnsafeRawBufferPointer? = nil, _ write: (inout ByteWriter) -> Void
    ) {
        let connection = slots + Int(context.index)
        var response = HTTPResponse(status: status)
        response.content = content
        response.retryAfter = retryAfter
        response.extra = extra
        response.lines = lines
        fill(&response, context)
        let mark = connection.pointee.output.beginHTTP(response)
        context.status = status
        write(&connection.pointee.output)
        context.bodyStart = connection.pointee.output.endHTTP(mark)
        if context.method == .head { connection.pointee.output.truncate(to: context.bodyStart) }
        connection.pointee.hold(until: wait ? pipelineBox.pointee.waitNumber : 0, durable: pipelineBox.pointee.durable)
    }

    /// An error as the controllers of the client API write it: with an id to look for.
    mutating func fail(
        _ context: inout RequestContext, _ status: UInt16, _ code: StaticString, _ message: StaticString, wait: Bool = false,
        detail: (inout ByteWriter) -> Void = { _ in }
    ) {
        let requestID = context.requestID
        if status >= 500 { noteRefusal(context, status, code) }
        answer(&context, status, wait: wait, retryAfter: status == 503 ? 1 : 0) { output in
            output.append("{\"error\":{\"code\":\"")
            output.append(code)
            output.append("\",\"message\":\"")
            output.append(message)
            detail(&output)
            output.append(" (errorId=")
            // The request id is printable ASCII without quotes or backslashes only by courtesy of the client: escape it.
            output.append(jsonText: requestID)
            output.append(")\",\"detail\":null},\"success\":false}")
        }
    }

    /// An error as the filters before the controllers write it.
    mutating func failPlainly(_ context: inout RequestContext, _ status: UInt16, _ code: StaticString, _ message: StaticString) {
        answer(&context, status) { output in
            output.append("{\"success\":false,\"error\":{\"code\":\"")
            output.append(code)
            output.append("\",\"message\":\"")
            output.append(message)
            output.append("\"}}")
        }
    }

    // MARK: Idempotency-Key

    /// Answers from the kept reply when there is one. False when the request is answered.
    private mutating func prepareReplay(
        _ context: inout RequestContext, _ key: UnsafeRawBufferPointer, _ path: UnsafeRawBufferPointer, _ body: UnsafeRawBufferPointer
    ) -> Bool {
        guard KeyHeader.request(key) == .recorded else {
            failPlainly(&context, 400, "validation_failed", "Idempotency-Key must be 1-255 characters")
            return false
        }
        context.idempotencyKey = key
        scratch.reset()
        scratch.append(context.method.rawValue)
        scratch.append(bytes: path)
        scratch.append(0)
        scratch.append(bytes: key)
        let scope = Digest(sha256: scratch.bytes)
        let digest = Digest(sha256: body)
        guard let position = ledger.responses.position(scope.words.0, now: now.wall) else {
            context.scope = scope
            context.bodyDigest = digest
            return true
        }
        scratch.reset()
        do throws(StorageError) {
            let source = FactLookup(pipeline: pipelineBox, storage: storage)
            guard try source.eventPayload(at: position, into: &scratch), let kept = ResponseFact(scratch.bytes) else { return true }
            guard let keptScope = Digest(bytes: UnsafeRawBufferPointer(rebasing: kept.digests[..<32])), keptScope == scope else {
                return true
            }
            guard let keptBody = Digest(bytes: UnsafeRawBufferPointer(rebasing: kept.digests[32...])), keptBody == digest else {
                answer(&context, 409, wait: true) { output in
                    output.append("{\"success\":false,\"error\":{\"code\":\"idempotency_conflict\",\"message\":\"Idempotency-Key '")
                    output.append(jsonText: key)
                    output.append("' was already used with a different request body\"}}")
                }
                return false
            }
            answer(&context, kept.status, wait: true) { $0.append(bytes: kept.body) }
        } catch {
            failure = error
            fail(&context, 500, "internal_error", "Internal Server Error")
        }
        return false
    }

    /// Keeps the reply just written, in the batch of the facts it reports.
    private mutating func keepReply(_ context: RequestContext) {
        guard let scope = context.scope, let bodyDigest = context.bodyDigest, context.status > 0, context.status < 500 else { return }
        let connection = slots + Int(context.index)
        let length = connection.pointee.output.count - context.bodyStart
        guard length >= 0, length <= Limits.storedResponseBytes else { return }
        guard
            pipelineBox.pointee.hasOpenBatch
                || pipelineBox.pointee.makeRoom(firstSequence: ledger.nextSequence, now: now.wall) == .ready
        else { return }
        guard pipelineBox.pointee.openBatch().pointee.hasRoom(for: length + 256) else { return }
        var digests = (scope.words, bodyDigest.words)
        withUnsafeBytes(of: &digests) { words in
            let body = UnsafeRawBufferPointer(start: connection.pointee.output.base + context.bodyStart, count: length)
            let fact = ResponseFact(scope: scope.words.0, digests: words, at: now.wall, status: context.status, body: body)
            ledger.store(fact, into: &pipelineBox.pointee.openBatch().pointee)
        }
        connection.pointee.holdBack(
            from: context.answerStart, until: pipelineBox.pointee.waitNumber, durable: pipelineBox.pointee.durable)
    }

    // MARK: Queries

    /// Hands a query out; the connection waits for its answer. With `afterCommit` the query is held until everything admitted so
    /// far is durable, so that its answer shows it.
    mutating func ask(_ context: inout RequestContext, _ query: Query, afterCommit: Bool = false) {
        let id = identify(context.index)
        guard askedQueries.admit(id, principal: context.principal, bytes: Server.cost(of: context)) else {
            fail(&context, 503, "overloaded", "Too many queries are waiting; try again")
            return
        }
        putAside(&context)
        let pending = PendingQuery(connection: id, query: query, principal: context.principal)
        if afterCommit, pipelineBox.pointee.waitNumber > pipelineBox.pointee.durable {
            heldQueries.append((pipelineBox.pointee.waitNumber, pending))
        } else {
            queries.append(pending)
        }
    }

    /// What a request costs while it waits: its texts, decoded and as prices in another form, and what holds them.
    static func cost(of context: RequestContext) -> Int { 512 + 2 * context.bytes }

    /// Puts the connection aside until `respond` is called for it.
    mutating func putAside(_ context: inout RequestContext) {
        let connection = slots + Int(context.index)
        connection.pointee.awaitsAnswer = true
        connection.pointee.answerHead = context.method == .head
        connection.pointee.answerKeepAlive = context.keepAlive
        connection.pointee.answerMinorVersion = context.minorVersion
        connection.pointee.answerRequestId = [UInt8](context.requestID)
        connection.pointee.answerOrigin = context.origin.map { [UInt8]($0) }
    }

    /// The answer to a query; dropped when the peer is gone.
    public mutating func answered(_ id: ConnectionID, _ answer: QueryAnswer, at instant: Instant) {
        now = instant
        if id == CorrectionLane.id {
            laneAnswered(answer)
            return
        }
        askedQueries.close(id)
        if connection(id)?.pointee.export != nil { return exportAnswered(id, answer) }
        if connection(id)?.pointee.stream != nil { return streamAnswered(id, answer) }
        var answer = answer
        if answer.data.count > Limits.connectionBufferBytes, let connection = connection(id),
            budgets.pointee.output.isFull(stranger: connection.pointee.isStranger)
        {
            metrics.refusedForMemory += 1
            answer = QueryAnswer(status: 503, code: "overloaded", message: "Too many answers wait to be read; try again")
        }
        respond(id) { server, context in server.write(answer, to: &context) }
    }

    /// Writes the answer that a connection was put aside for, and reads it on. Nothing when the peer is gone.
    mutating func respond(_ id: ConnectionID, _ write: (inout Server, inout RequestContext) -> Void) {
        guard let connection = connection(id), connection.pointee.awaitsAnswer else { return }
        connection.pointee.awaitsAnswer = false
        let requestID = connection.pointee.answerRequestId
        let origin = connection.pointee.answerOrigin ?? []
        let hasOrigin = connection.pointee.answerOrigin != nil
        requestID.withUnsafeBytes { text in
            origin.withUnsafeBytes { originText in
                var context = RequestContext(index: id.index, method: connection.pointee.answerHead ? .head : .get, requestID: text)
                context.keepAlive = connection.pointee.answerKeepAlive
                context.minorVersion = connection.pointee.answerMinorVersion
                if hasOrigin { context.origin = originText }
                write(&self, &context)
            }
        }
        if !connection.pointee.answerKeepAlive || draining { connection.pointee.closing = true }
        connection.pointee.lastActivity = now.monotonic
        resume(id, at: now)
        settle(id.index)
    }

    /// A query's answer as a reply.
    mutating func write(_ answer: QueryAnswer, to context: inout RequestContext) {
        let requestID = context.requestID
        self.answer(&context, answer.status, retryAfter: answer.status == 503 ? 1 : 0) { output in
            guard answer.status != 200 else {
                output.append("{\"data\":")
                output.append(answer.data)
                output.append(",\"success\":true}")
                return
            }
            output.append("{\"error\":{\"code\":")
            output.append(jsonString: answer.code)
            output.append(",\"message\":")
            output.append(jsonString: answer.message + " (errorId=" + String(decoding: requestID, as: UTF8.self) + ")")
            output.append(",\"detail\":null},\"success\":false}")
        }
    }
}

/// The token of `Bearer <token>`, the word in any case; nil when the header says something else.
func bearerToken(_ header: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
    let word: StaticString = "bearer "
    guard header.count > word.utf8CodeUnitCount else { return nil }
    for i in 0..<word.utf8CodeUnitCount {
        let byte = header[i]
        let lower = byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte
        guard lower == word.utf8Start[i] else { return nil }
    }
    var start = word.utf8CodeUnitCount
    var end = header.count
    while start < end, header[start] == 0x20 || header[start] == 0x09 { start += 1 }
    while end > start, header[end - 1] == 0x20 || header[end - 1] == 0x09 { end -= 1 }
    return UnsafeRawBufferPointer(rebasing: header[start..<end])
}
