// Flow: an answer that comes bit by bit: an export, page after page as its reader takes them, or the stream of new events. What waits to be
// read is bounded like every other output; nothing is made before there is room for it.

internal import Core
internal import Journal
internal import Ledger
internal import Wire

/// An export that is being read.
final class Export {
    var query: ExportQuery
    /// A page was asked for and is not here yet.
    var isAsked = true
    /// The head was written: what goes wrong now can only be told by ending without an end.
    var hasBegun = false
    let minorVersion: UInt8
    let isHead: Bool
    let principal: UInt64
    let name: StaticString

    init(_ query: ExportQuery, name: StaticString, _ context: RequestContext) {
        self.query = query
        self.name = name
        minorVersion = context.minorVersion
        isHead = context.method == .head
        principal = context.principal
    }
}

/// Somebody who watches events as they come.
final class EventStream {
    let filter: EventFilter
    let owner: Watcher
    let principal: UInt64
    /// Where the next look begins; nil before the first.
    var position: JournalPosition?
    var sequence: UInt64
    let isResumed: Bool
    var isAsked = false
    var lastLook: UInt64
    var lastWrite: UInt64
    /// Since when more waits for the reader than should; 0 when it does not.
    var slowSince: UInt64 = 0

    init(_ filter: EventFilter, _ owner: Watcher, principal: UInt64, after: UInt64?, at now: UInt64) {
        self.filter = filter
        self.owner = owner
        self.principal = principal
        sequence = after ?? 0
        isResumed = after != nil
        lastLook = now
        lastWrite = now
    }
}

/// Whose right to read is looked at again while a stream lasts.
enum Watcher {
    case key(Digest)
    case session([UInt8], host: Digest)
    case peer
}

extension Server {
    // MARK: - Exports

    /// Answers with all rows of a list, however many.
    mutating func begin(
        _ subject: ExportQuery.Subject, _ format: ExportFormat, name: StaticString,
        _ context: inout RequestContext
    ) {
        let id = identify(context.index)
        let number = UInt64(id.index) << 32 | UInt64(id.generation)
        let query = ExportQuery(subject: subject, format: format, id: number)
        guard exports < Limits.exports else {
            fail(&context, 503, "overloaded", "Too many exports are being read; try again")
            return
        }
        guard askedQueries.admit(id, principal: context.principal, bytes: Server.cost(of: context))
        else {
            fail(&context, 503, "overloaded", "Too many queries are waiting; try again")
            return
        }
        putAside(&context)
        exports += 1
        slots[Int(context.index)].export = Export(query, name: name, context)
        queries.append(
            PendingQuery(connection: id, query: .export(query), principal: context.principal))
    }

    /// A page of an export has come.
    mutating func exportAnswered(_ id: ConnectionID, _ answer: QueryAnswer) {
        guard let connection = connection(id), let export = connection.pointee.export else { return }
        export.isAsked = false
        if !export.hasBegun {
            guard answer.status == 200 else {
                finishExport(connection)
                respond(id) { server, context in server.write(answer, to: &context) }
                return
            }
            beginAnswer(id, export)
        }
        guard answer.status == 200 else {
            // No last chunk: the reader sees that it is not all.
            finishExport(connection)
            connection.pointee.awaitsAnswer = false
            connection.pointee.closing = true
            settle(id.index)
            return
        }
        if !export.isHead, !answer.data.isEmpty {
            if export.minorVersion > 0 {
                connection.pointee.output.append(chunk: answer.data)
            } else {
                connection.pointee.output.append(answer.data)
            }
        }
        if let next = answer.next, !export.isHead {
            export.query.place = next
        } else {
            if !export.isHead, export.minorVersion > 0 { connection.pointee.output.append("0\r\n\r\n") }
            if answer.next != nil { endExportElsewhere(export) }
            finishExport(connection)
            connection.pointee.awaitsAnswer = false
            if !connection.pointee.answerKeepAlive || draining || export.minorVersion == 0 {
                connection.pointee.closing = true
            }
        }
        connection.pointee.lastActivity = now.monotonic
        connection.pointee.hold(until: 0, durable: pipelineBox.pointee.durable)
        if !connection.pointee.awaitsAnswer { resume(id, at: now) }
        settle(id.index)
    }

    private mutating func beginAnswer(_ id: ConnectionID, _ export: Export) {
        export.hasBegun = true
        let connection = slots + Int(id.index)
        var context = RequestContext(
            index: id.index, method: .get, requestID: UnsafeRawBufferPointer(start: nil, count: 0))
        context.keepAlive = connection.pointee.answerKeepAlive && export.minorVersion > 0
        context.minorVersion = export.minorVersion
        let requestID = connection.pointee.answerRequestId
        let origin = connection.pointee.answerOrigin
        requestID.withUnsafeBytes { requestID in
            (origin ?? []).withUnsafeBytes { originText in
                context.requestID = requestID
                if origin != nil { context.origin = originText }
                var response = HTTPResponse(status: 200)
                response.content = export.query.format == .csv ? .csv : .ndjson
                response.extra = "cache-control: no-store\r\nx-content-type-options: nosniff\r\n"
                fill(&response, context)
                scratch.reset()
                scratch.append("content-disposition: attachment; filename=\"")
                scratch.append(export.name)
                scratch.append(export.query.format == .csv ? ".csv\"\r\n" : ".ndjson\"\r\n")
                response.lines = scratch.bytes
                connection.pointee.output.append(http: response, chunked: export.minorVersion > 0)
            }
        }
    }

    private mutating func finishExport(_ connection: UnsafeMutablePointer<Connection>) {
        guard connection.pointee.export != nil else { return }
        connection.pointee.export = nil
        exports -= 1
    }

    private mutating func endExportElsewhere(_ export: Export) {
        queries.append(
            PendingQuery(
                connection: Server.nobody, query: .endExport(export.query.id), principal: export.principal))
    }

    /// Answers to it concern nobody.
    static let nobody = ConnectionID(index: .max, generation: 1)

    /// The connection is about to go, or has to stop.
    mutating func abandonFlows(of connection: UnsafeMutablePointer<Connection>) {
        if let export = connection.pointee.export {
            endExportElsewhere(export)
            finishExport(connection)
            connection.pointee.awaitsAnswer = false
        }
        if connection.pointee.stream != nil {
            connection.pointee.stream = nil
            streams -= 1
        }
    }

    /// Output was taken: asks for the next page of an export when there is room for it. Called by the transport.
    public mutating func drained(_ id: ConnectionID) {
        guard let connection = connection(id), let export = connection.pointee.export, export.hasBegun,
            !export.isAsked,
            connection.pointee.output.count - connection.pointee.written < Limits.exportPageBytes / 2
        else { return }
        // While others ask too much it waits: the next sweep tries again.
        guard askedQueries.admit(id, principal: export.principal, bytes: 512) else { return }
        export.isAsked = true
        queries.append(
            PendingQuery(connection: id, query: .export(export.query), principal: export.principal))
    }

    // MARK: - New events

    mutating func streamEvents(
        _ context: inout RequestContext, _ filter: EventFilter, _ claim: Claim, after: UInt64?
    ) {
        guard streams < Limits.streams, !draining else {
            fail(
                &context, 503, "overloaded", "There are as many streams as there may be; try again later")
            return
        }
        let connection = slots + Int(context.index)
        var response = HTTPResponse(status: 200)
        response.content = .eventStream
        response.extra =
            "cache-control: no-store\r\nx-accel-buffering: no\r\nx-content-type-options: nosniff\r\n"
        context.keepAlive = false
        fill(&response, context)
        // Without a length and without chunks: it lasts until the connection ends.
        connection.pointee.output.append(http: response, chunked: false)
        if context.method == .head {
            connection.pointee.hold(until: 0, durable: pipelineBox.pointee.durable)
            return
        }
        connection.pointee.output.append("retry: 2000\n\n")
        connection.pointee.hold(until: 0, durable: pipelineBox.pointee.durable)
        let key = claim.key
        var watcher = Watcher.peer
        if !key.isEmpty {
            watcher = .key(Digest(sha256: key))
        } else if let token = claim.session {
            watcher = .session([UInt8](token), host: claim.hostDigest)
        }
        streams += 1
        connection.pointee.stream = EventStream(
            filter, watcher, principal: context.principal, after: after, at: now.monotonic)
        watching.append(identify(context.index))
        // The connection stays, whatever the request said; nothing more is read as a request.
        context.keepAlive = true
        connection.pointee.closing = false
        look(identify(context.index))
    }

    /// Time has passed.
    public mutating func watch(at instant: Instant) {
        guard !watching.isEmpty else { return }
        now = instant
        lookForEvents()
    }

    /// Looks for new events for everybody who watches. Called when a batch is durable and about twice a second.
    mutating func lookForEvents() {
        guard !watching.isEmpty else { return }
        var kept = 0
        for k in 0..<watching.count {
            let id = watching[k]
            guard let connection = connection(id), connection.pointee.stream != nil,
                !connection.pointee.closing
            else { continue }
            look(id)
            watching[kept] = id
            kept += 1
        }
        watching.removeLast(watching.count - kept)
    }

    private mutating func look(_ id: ConnectionID) {
        guard let connection = connection(id), let stream = connection.pointee.stream, !stream.isAsked
        else { return }
        let isFirst = stream.position == nil
        guard isFirst || now.monotonic &- stream.lastLook >= Server.lookInterval else { return }
        // What was shown is up to here; nothing new is durable.
        if let position = stream.position, position >= pipelineBox.pointee.durableEnd { return }
        guard connection.pointee.output.count - connection.pointee.written < Limits.streamBytes else {
            return
        }
        guard askedQueries.admit(id, principal: stream.principal, bytes: 512) else { return }
        var query = TailQuery(filter: stream.filter, after: stream.sequence)
        query.from = stream.position
        query.isResumed = stream.isResumed && stream.position == nil
        // Up to a second's worth after a pause, and so many a second while they keep coming.
        let elapsed = isFirst ? 1_000_000_000 : min(now.monotonic &- stream.lastLook, 1_000_000_000)
        query.limit = max(1, Int(elapsed / 1_000_000) * Limits.streamEvents / 1000)
        stream.lastLook = now.monotonic
        stream.isAsked = true
        queries.append(PendingQuery(connection: id, query: .tail(query), principal: stream.principal))
    }

    /// Nanoseconds between two looks.
    private static let lookInterval: UInt64 = 200_000_000
    private static let heartbeat: UInt64 = 15_000_000_000

    mutating func streamAnswered(_ id: ConnectionID, _ answer: QueryAnswer) {
        guard let connection = connection(id), let stream = connection.pointee.stream else { return }
        stream.isAsked = false
        // A failure of the books is tried again with the next look.
        guard answer.status == 200, let tail = answer.tail else { return }
        stream.position = tail.position
        stream.sequence = max(stream.sequence, tail.sequence)
        guard !answer.data.isEmpty || tail.skipped > 0 else { return }
        if tail.skipped > 0 {
            connection.pointee.output.append("event: skipped\ndata: {\"events\":")
            connection.pointee.output.append(unsigned: tail.skipped)
            connection.pointee.output.append("}\n\n")
        }
        connection.pointee.output.append(answer.data)
        wrote(id, stream)
    }

    private mutating func wrote(_ id: ConnectionID, _ stream: EventStream) {
        let connection = slots + Int(id.index)
        stream.lastWrite = now.monotonic
        connection.pointee.lastActivity = now.monotonic
        connection.pointee.hold(until: 0, durable: pipelineBox.pointee.durable)
        settle(id.index)
    }

    /// About once a second: signs of life, readers that are too slow, and those who may not read any more.
    mutating func sweepFlows() {
        for k in 0..<watching.count {
            let id = watching[k]
            guard let connection = connection(id), let stream = connection.pointee.stream,
                !connection.pointee.closing
            else { continue }
            let isSlow =
                connection.pointee.output.count - connection.pointee.written >= Limits.streamBytes
            if !isSlow {
                stream.slowSince = 0
            } else if stream.slowSince == 0 {
                stream.slowSince = now.monotonic
            }
            let patience = UInt64(Limits.streamSeconds) * 1_000_000_000
            if isSlow, now.monotonic &- stream.slowSince > patience {
                connection.pointee.output.append("event: overrun\ndata: {\"reason\":\"slow_reader\"}\n\n")
                end(id, stream)
            } else if !mayWatch(stream, connection) {
                end(id, stream)
            } else if now.monotonic &- stream.lastWrite >= Server.heartbeat, !isSlow {
                connection.pointee.output.append(": heartbeat\n\n")
                wrote(id, stream)
            }
        }
        lookForEvents()
        guard exports > 0 else { return }
        for index in 0..<nextSlot
        where generations[Int(index)] & 1 == 1 && slots[Int(index)].export != nil {
            drained(identify(index))
        }
    }

    private mutating func end(_ id: ConnectionID, _ stream: EventStream) {
        wrote(id, stream)
        let connection = slots + Int(id.index)
        abandonFlows(of: connection)
        connection.pointee.closing = true
        settle(id.index)
    }

    private mutating func mayWatch(
        _ stream: EventStream, _ connection: UnsafeMutablePointer<Connection>
    ) -> Bool {
        let allowed: UInt8? =
            switch stream.owner {
            case .key(let digest): self.scopes(of: digest)
            // Watching is being there: the session goes on.
            case .session(let token, let host):
                token.withUnsafeBytes { sessions.use($0, host: host, at: now) }.flatMap {
                    self.scopes(of: $0.owner)
                }
            case .peer: connection.pointee.socketScopes
            }
        return (allowed ?? 0) & KeyScope.read != 0
    }
}
