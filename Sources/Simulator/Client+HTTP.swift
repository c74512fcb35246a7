// HTTP from a client's side: requests written and responses read by hand, without the daemon's parser.

internal import Core

extension Client {
    private func request(_ id: UInt64, _ target: String, _ type: String, _ header: String?, _ body: [UInt8]) -> [UInt8] {
        var text = "POST /api/v1/client/\(target) HTTP/1.1\r\nHost: sim\r\nContent-Type: \(type)\r\nX-Request-ID: r\(id)\r\n"
        if plan.isRemote { text += "Authorization: Bearer \(Daemon.apiKey)\r\n" }
        if let header { text += "Idempotency-Key: \(header)\r\n" }
        let chunked = dice.below(4) == 0 && !body.isEmpty
        text += chunked ? "Transfer-Encoding: chunked\r\n\r\n" : "Content-Length: \(body.count)\r\n\r\n"
        guard chunked else { return Array(text.utf8) + body }
        var bytes = Array(text.utf8)
        var at = 0
        while at < body.count {
            let size = min(dice.within(1...max(1, body.count)), body.count - at)
            bytes += Array((String(size, radix: 16) + "\r\n").utf8) + body[at..<at + size] + Array("\r\n".utf8)
            at += size
        }
        return bytes + Array("0\r\n\r\n".utf8)
    }

    func post(_ events: [EventRef]) -> Request {
        let id = takeID()
        let header = dice.happens(plan.headerRate) ? "sim-\(number)-\(id)" : nil
        let lists = dice.below(4) > 0
        return Request(id: id, events: events, bytes: encode(events, id, header, lists, breaks: false), header: header, listsAll: lists)
    }

    private func encode(_ events: [EventRef], _ id: UInt64, _ header: String?, _ lists: Bool, breaks: Bool) -> [UInt8] {
        let texts = events.map { auditor.payload($0).json(key: auditor.keys[$0.key].text) }
        let query = lists ? "?results=all" : ""
        switch kind {
        case .single: return request(id, "events", "application/json", header, cut(Array(texts[0].utf8), breaks))
        case .lines:
            let body = texts.joined(separator: "\n") + (dice.flip() ? "\n" : "")
            return request(id, "events/batch" + query, "application/x-ndjson", header, Array(body.utf8))
        default:
            let body = "[" + texts.joined(separator: ",") + "]"
            return request(id, "events/batch" + query, "application/json", header, cut(Array(body.utf8), breaks))
        }
    }

    /// A body without its last byte is no JSON.
    private func cut(_ body: [UInt8], _ breaks: Bool) -> [UInt8] { breaks ? Array(body.dropLast()) : body }

    func malformedPost(_ events: [EventRef]) -> Request {
        let id = takeID()
        let breaks = canary != .countBeforeParse
        if kind == .lines {
            // Lines stand for themselves; a head that cannot be read refuses them all.
            var bytes = encode(events, id, nil, true, breaks: false)
            if breaks { bytes.insert(contentsOf: Array("Bad Header: x\r\n".utf8), at: bytes.firstIndex(of: 0x0A).map { $0 + 1 } ?? 0) }
            return Request(id: id, events: events, bytes: bytes, isMalformed: true)
        }
        let some = kind == .single ? Array(events[..<1]) : events
        return Request(id: id, events: some, bytes: encode(some, id, nil, true, breaks: breaks), isMalformed: true)
    }

    func query() -> Request {
        record.coverage[.queries] += 1
        let id = takeID()
        let key = plan.isRemote ? "X-API-Key: \(Daemon.apiKey)\r\n" : ""
        let text = "GET /api/v1/client/customers HTTP/1.1\r\nHost: sim\r\n\(key)X-Request-ID: r\(id)\r\n\r\n"
        return Request(id: id, bytes: Array(text.utf8), acknowledged: auditor.acknowledgedCount)
    }

    // MARK: Responses

    func readResponses(_ now: UInt64) {
        while connection != nil, record.failure == nil, let end = headEnd() {
            let head = String(decoding: inbox[..<end], as: UTF8.self).split(separator: "\r\n")
            guard let line = head.first?.split(separator: " "), line.count > 1, let status = Int(line[1]) else {
                return wrong("no status line")
            }
            func header(_ name: String) -> String? {
                for field in head.dropFirst() {
                    let parts = field.split(separator: ":", maxSplits: 1)
                    if parts.count == 2, parts[0].lowercased() == name { return parts[1].drop { $0 == " " }.description }
                }
                return nil
            }
            guard let length = header("content-length").flatMap({ Int($0) }) else { return wrong("no length: \(line)") }
            guard inbox.count >= end + length else { return }
            let body = Array(inbox[end..<end + length])
            inbox.removeFirst(end + length)
            guard let request = outstanding.first else {
                if status != 408 { wrong("a response to nothing: \(status)") }
                return
            }
            // It came too slowly to be read; the connection ends.
            if status == 408 { return }
            if !request.isMalformed, header("x-request-id") != "r\(request.id)" { return wrong("responses are out of order") }
            outstanding.removeFirst()
            settle(status, body, request, now)
        }
    }

    private func headEnd() -> Int? {
        guard inbox.count >= 4 else { return nil }
        for i in 0...inbox.count - 4 where inbox[i] == 0x0D && inbox[i + 1] == 0x0A && inbox[i + 2] == 0x0D && inbox[i + 3] == 0x0A {
            return i + 4
        }
        return nil
    }

    private func settle(_ status: Int, _ body: [UInt8], _ request: Request, _ now: UInt64) {
        guard let reply = JSONText(body) else { return wrong("a body is no JSON: \(status)") }
        if status == 503, request.acknowledged == nil {
            if !request.isMalformed { notNow(request.events, .overloaded, request, now) }
            return
        }
        if request.isMalformed {
            // The planted bug counts and says nothing of it: only the journal tells.
            if status != 400, canary != .countBeforeParse { wrong("a request that cannot be read was answered with \(status)") }
            return
        }
        if let before = request.acknowledged {
            if status == 503 || status == 500 { return }
            guard status == 200, let count = reply["data"]?["events"]?.integer else { return wrong("a query was answered with \(status)") }
            if count < before { record.fail("Z8: \(before) events were acknowledged, a query after that shows \(count)") }
            return
        }
        // Something failed inside, and the daemon is about to stop: what became of the request is unknown.
        if status == 500 { return unknown(request) }
        let waiting = pending
        if kind == .single { settleOne(status, reply, request, now) } else { settleBatch(status, reply, request, now) }
        settled(request, completely: pending == waiting)
    }

    private func settleOne(_ status: Int, _ reply: JSONText, _ request: Request, _ now: UInt64) {
        let event = request.events[0]
        switch status {
        case 201: hear(event, .recorded, reply["data"]?["sequence"]?.integer.map { UInt64($0) }, request, now)
        case 409:
            let sequence = reply["data"]?["original"]?["sequence"]?.integer.map { UInt64($0) }
            hear(event, reply["data"]?["conflict"]?.isTrue == true ? .conflict : .duplicate, sequence, request, now)
        case 400, 422: hear(event, .fieldTooLong, nil, request, now)
        case 503: notNow([event], .overloaded, request, now)
        case 507: notNow([event], .storageFull, request, now)
        default: wrong("status \(status)")
        }
    }

    private func settleBatch(_ status: Int, _ reply: JSONText, _ request: Request, _ now: UInt64) {
        guard status == 200, let data = reply["data"], let results = data["results"]?.items,
            let recorded = data["recorded"]?.integer, let duplicates = data["duplicates"]?.integer, let rejected = data["rejected"]?.integer
        else { return wrong("a batch was answered with \(status)") }
        guard recorded + duplicates + rejected == request.events.count else { return wrong("a batch was answered in part") }
        var listed: [Int: JSONText] = [:]
        for result in results { if let index = result["index"]?.integer { listed[index] = result } }
        if request.listsAll, listed.count != request.events.count { return wrong("not every event was listed") }
        var tally = (recorded: 0, duplicates: 0)
        for (index, event) in request.events.enumerated() {
            guard let result = listed[index] else {
                tally.recorded += 1
                hear(event, .recorded, nil, request, now)
                continue
            }
            guard let name = result["status"]?.text, let outcome = Outcome.allCases.first(where: { $0.name.description == name }) else {
                return wrong("no outcome of event \(index)")
            }
            if outcome == .recorded { tally.recorded += 1 }
            if outcome == .duplicate || outcome == .conflict { tally.duplicates += 1 }
            let sequence = (outcome == .recorded ? result : result["original"])?["sequence"]?.integer.map { UInt64($0) }
            hear(event, outcome, sequence, request, now)
        }
        if tally != (recorded, duplicates) { wrong("a batch's counts are not those of its results") }
    }
}
