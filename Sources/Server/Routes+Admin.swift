// Customers and API keys over HTTP, and the pages for machines: health, readiness, metrics.

internal import Core
internal import Journal
internal import Ledger
internal import Wire

extension Server {
    // MARK: Customers

    mutating func postCustomer(_ context: inout RequestContext, _ body: UnsafeRawBufferPointer) {
        guard let input = readCustomer(&context, body, registering: true) else { return }
        guard makeRoom(&context) else { return }
        var fact = CustomerFact(operation: .registered, reference: noString, at: now.wall)
        fill(&fact, input)
        switch ledger.register(reference: input.customerReferenceId, fact, into: &pipelineBox.pointee.openBatch().pointee) {
        case .created, .changed:
            let time = now.wall
            answer(&context, 201, wait: true) { output in
                output.append("{\"data\":{\"customerReferenceId\":")
                Server.append(&output, input.customerReferenceId)
                output.append(",\"firstName\":")
                Server.append(&output, input.firstName)
                output.append(",\"lastName\":")
                Server.append(&output, input.lastName)
                output.append(",\"email\":")
                Server.append(&output, input.email)
                output.append(",\"phoneNumber\":")
                Server.append(&output, input.phoneNumber)
                output.append(",\"createdAt\":\"")
                output.append(rfc3339: time)
                output.append("\",\"modifiedAt\":\"")
                output.append(rfc3339: time)
                output.append("\",\"subscriptions\":null},\"success\":true}")
            }
        case .conflict:
            fail(&context, 409, "conflict", "A record with this key already exists. Please use a different key.", wait: true)
        case .notFound:
            fail(&context, 404, "not_found", "Customer not found")
        case .overloaded:
            fail(&context, 503, "overloaded", "Too many names are in use")
        }
    }

    /// The reply is the customer as it is afterwards: the query thread gives it once the change is folded.
    mutating func patchCustomer(_ context: inout RequestContext, _ segment: UnsafeRawBufferPointer, _ body: UnsafeRawBufferPointer) {
        guard let reference = decoded(segment) else {
            fail(&context, 400, "validation_failed", "Invalid value for parameter: customerReferenceId")
            return
        }
        guard let input = readCustomer(&context, body, registering: false) else { return }
        guard makeRoom(&context) else { return }
        var fact = CustomerFact(operation: .changed, reference: noString, at: now.wall)
        fill(&fact, input)
        switch ledger.change(reference: reference, fact, into: &pipelineBox.pointee.openBatch().pointee) {
        case .changed, .created:
            // Asked once the batch is durable, so that the answer shows the change.
            context.scope = nil
            ask(&context, .customer(reference: reference), afterCommit: true)
        case .notFound, .conflict:
            fail(&context, 404, "not_found", "Customer not found")
        case .overloaded:
            fail(&context, 503, "overloaded", "Too many names are in use")
        }
    }

    private mutating func readCustomer(_ context: inout RequestContext, _ body: UnsafeRawBufferPointer, registering: Bool) -> CustomerInput?
    {
        switch CustomerJSON.read(body, registering: registering) {
        case .ok(let input): return input
        case .malformed:
            fail(&context, 400, "validation_failed", "Malformed request body")
        case .invalid(let message):
            fail(&context, 400, "validation_failed", "") { output in
                var text = message
                text.withUTF8 { output.append(jsonText: UnsafeRawBufferPointer($0)) }
            }
        }
        return nil
    }

    private func fill(_ fact: inout CustomerFact, _ input: CustomerInput) {
        fact.email = input.email
        fact.firstName = input.firstName
        fact.lastName = input.lastName
        fact.phoneNumber = input.phoneNumber
    }

    private static func append(_ output: inout ByteWriter, _ text: [UInt8]?) {
        if let text { output.append(jsonString: text) } else { output.append("null") }
    }

    mutating func makeRoom(_ context: inout RequestContext) -> Bool {
        switch pipelineBox.pointee.makeRoom(firstSequence: ledger.nextSequence, now: now.wall) {
        case .ready: return true
        case .wait: fail(&context, 503, "overloaded", "Too much is pending; nothing was recorded, try again")
        case .storageFull: fail(&context, 507, "storage_full", "No room on the disk of the daemon; nothing was recorded")
        }
        return false
    }

    // MARK: API keys

    mutating func postKey(_ context: inout RequestContext, _ body: UnsafeRawBufferPointer) {
        guard let request = KeyRequest(body) else {
            fail(
                &context, 400, "validation_failed",
                "Malformed request body: name (text, at most 100 characters) and scopes (ingest, read, admin)")
            return
        }
        guard ledger.keys.records.count < Limits.apiKeys else {
            fail(&context, 409, "conflict", "There are as many API keys as there may be")
            return
        }
        guard makeRoom(&context) else { return }
        // The first key comes first: a journal with other keys and without it would lock its owner out.
        recordStart()
        let key = ApiKey.make()
        let hint = ApiKey.hint(key)
        let id = key.withUnsafeBytes { text in
            ledger.createKey(
                digest: Digest(sha256: text), hint: hint, name: request.name, scopes: request.scopes, at: now.wall,
                into: &pipelineBox.pointee.openBatch().pointee)
        }
        // The reply holds the key itself: it is not kept for `Idempotency-Key`.
        context.scope = nil
        let record = ledger.keys.record(id)
        answer(&context, 201, wait: true) { output in
            output.append("{\"data\":")
            if let record { Server.append(&output, record, key: key) }
            output.append(",\"success\":true}")
        }
    }

    mutating func listKeys(_ context: inout RequestContext) {
        recordStart()
        let records = ledger.keys.records
        let keyUse = keyUse
        answer(&context, 200, wait: true) { output in
            output.append("{\"data\":[")
            for (i, record) in records.enumerated() {
                if i > 0 { output.append(0x2C) }
                Server.append(&output, record, key: nil, lastUsed: i < keyUse.count ? keyUse[i] : nil)
            }
            output.append("],\"success\":true}")
        }
    }

    mutating func deleteKey(_ context: inout RequestContext, _ segment: UnsafeRawBufferPointer) {
        let text = String(decoding: segment, as: UTF8.self)
        guard let id = UInt32(text), let record = ledger.keys.record(id) else {
            fail(&context, 404, "not_found", "API key not found")
            return
        }
        guard record.revokedAt == nil else {
            fail(&context, 409, "conflict", "This API key is revoked already")
            return
        }
        guard makeRoom(&context) else { return }
        _ = ledger.revokeKey(id, at: now.wall, into: &pipelineBox.pointee.openBatch().pointee)
        answer(&context, 200, wait: true) { $0.append("{\"success\":true}") }
    }

    /// A key was good for something. Kept in memory only: after a start nobody has used any.
    mutating func noteUse(at place: Int?) {
        guard let place else { return }
        while keyUse.count <= place { keyUse.append(Timestamp(nanoseconds: 0)) }
        keyUse[place] = now.wall
    }

    private static func append(_ output: inout ByteWriter, _ record: KeyRecord, key: [UInt8]?, lastUsed: Timestamp? = nil) {
        output.append("{\"id\":")
        output.append(unsigned: UInt64(record.id))
        if let key {
            output.append(",\"apiKey\":")
            output.append(jsonString: key)
        }
        output.append(",\"keyHint\":")
        output.append(jsonString: record.hint)
        output.append(",\"name\":")
        output.append(jsonString: record.name)
        output.append(",\"scopes\":[")
        append(&output, scopes: record.scopes)
        output.append("],\"active\":")
        output.append(record.revokedAt == nil ? "true" : "false")
        output.append(",\"createdAt\":\"")
        output.append(rfc3339: record.createdAt)
        output.append("\"")
        if let revokedAt = record.revokedAt {
            output.append(",\"revokedAt\":\"")
            output.append(rfc3339: revokedAt)
            output.append("\"")
        }
        if let lastUsed, lastUsed.nanoseconds > 0 {
            output.append(",\"lastUsedAt\":\"")
            output.append(rfc3339: lastUsed)
            output.append("\"")
        }
        output.append("}")
    }

    static func append(_ output: inout ByteWriter, scopes: UInt8) {
        var first = true
        for (bit, name) in KeyRequest.names where scopes & bit != 0 {
            if !first { output.append(0x2C) }
            first = false
            output.append(jsonString: name)
        }
    }

    // MARK: Pages for machines

    mutating func health(_ context: inout RequestContext) {
        answer(&context, 200) { $0.append("{\"data\":{\"status\":\"ok\"},\"success\":true}") }
    }

    mutating func readiness(_ context: inout RequestContext) {
        let reason = unreadiness
        guard let reason else {
            answer(&context, 200) { $0.append("{\"data\":{\"status\":\"ok\"},\"success\":true}") }
            return
        }
        answer(&context, 503) { output in
            output.append("{\"data\":{\"status\":\"not_ready\",\"reason\":\"")
            output.append(reason)
            output.append("\"},\"success\":false}")
        }
    }

    mutating func metricsPage(_ context: inout RequestContext) {
        let page = MetricsPage(
            server: metrics, ledger: ledger.counters, connections: connectionCount, dedup: DedupFigures(ledger.dedup),
            strings: ledger.strings.count, customers: ledger.accounts.count,
            memory: MemoryFigures(
                input: budgets.pointee.input.total, output: budgets.pointee.output.total, queries: askedQueries.count,
                queryBytes: askedQueries.bytes, capacity: capacity,
                bound: MemoryBound(connections: connectionCount, books: ledger.byteCount)),
            clockBehind: pipelineBox.pointee.clockBehind(now.wall), ready: unreadiness == nil,
            pendingBytes: pipelineBox.pointee.pendingBytes, committedBytes: pipelineBox.pointee.committedBytes,
            segment: pipelineBox.pointee.currentSegment, retention: retention, lag: lag, storageFull: pipelineBox.pointee.isFull,
            version: options.version)
        answer(&context, 200, content: .prometheus) { page.write(to: &$0) }
    }

    /// Bytes of journal that the projection has not folded yet.
    var lag: UInt64 {
        let end = pipelineBox.pointee.durableEnd
        guard projectionPosition < end else { return 0 }
        let segments = UInt64(end.segment - max(projectionPosition.segment, 1)) * UInt64(options.segmentBytes)
        return segments + UInt64(end.offset) - min(UInt64(projectionPosition.offset), UInt64(end.offset) + segments)
    }
}
