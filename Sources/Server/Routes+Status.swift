// `/api/v1/client/status`: how the daemon is and who sends what, for people. What is counted for machines is in `/metrics`.

internal import Core
internal import Journal
internal import Ledger
internal import Wire

extension Server {
    mutating func status(_ context: inout RequestContext) {
        let page = StatusPage(
            activity: activity, counters: ledger.counters, records: ledger.keys.records,
            version: options.version, startedAt: startedAt,
            now: now, reason: unreadiness, journalBytes: UInt64(max(0, retention.segmentBytes)), lag: lag)
        answer(&context, 200) { page.write(to: &$0) }
    }
}

private struct StatusPage {
    var activity: Activity
    var counters: LedgerCounters
    var records: [KeyRecord]
    var version: String
    var startedAt: Timestamp
    var now: Instant
    var reason: StaticString?
    var journalBytes: UInt64
    var lag: UInt64

    func write(to output: inout ByteWriter) {
        output.append("{\"data\":{\"version\":")
        output.append(jsonString: version)
        output.append(",\"startedAt\":\"")
        output.append(rfc3339: startedAt)
        output.append("\",\"now\":\"")
        output.append(rfc3339: now.wall)
        output.append("\",\"ready\":")
        output.append(reason == nil ? "true" : "false")
        output.append(",\"reason\":")
        if let reason {
            output.append(0x22)
            output.append(reason)
            output.append(0x22)
        } else {
            output.append("null")
        }
        rates(&output)
        disk(&output)
        output.append(",\"projection\":{\"lagBytes\":")
        output.append(unsigned: lag)
        output.append("},\"rejections\":[")
        rejections(&output)
        output.append("],\"sources\":[")
        sources(&output)
        output.append("],\"limits\":{\"sources\":")
        output.append(unsigned: UInt64(Limits.sources))
        output.append(",\"examples\":")
        output.append(unsigned: UInt64(Limits.rejectionExamples))
        output.append("}},\"success\":true}")
    }

    private func rates(_ output: inout ByteWriter) {
        output.append(",\"rate\":{")
        for (place, (label, seconds)) in [("last1s", UInt64(1)), ("last5s", 5), ("last60s", 60)]
            .enumerated()
        {
            if place > 0 { output.append(0x2C) }
            output.append(jsonString: label)
            output.append(0x3A)
            let tenths = activity.rate(seconds: seconds, recorded: counters.recorded, at: now.monotonic)
            output.appendDecimal(Int128(tenths), places: 1)
        }
        let rejected = counters.rejected.reduce(0, +)
        output.append("},\"events\":{\"recorded\":")
        output.append(unsigned: counters.recorded)
        output.append(",\"duplicates\":")
        output.append(unsigned: counters.duplicates + counters.conflicts)
        output.append(",\"rejected\":")
        output.append(unsigned: rejected)
        let waits = activity.waits([50, 99], at: now.monotonic)
        output.append("},\"answers\":{\"windowSeconds\":60,\"count\":")
        output.append(unsigned: waits.count)
        for (label, nanoseconds) in zip(["p50Seconds", "p99Seconds"], waits.nanoseconds)
        where waits.count > 0 {
            output.append(0x2C)
            output.append(jsonString: label)
            output.append(0x3A)
            output.appendDecimal(Int128(nanoseconds), places: 9)
        }
        output.append(0x7D)
    }

    private func disk(_ output: inout ByteWriter) {
        output.append(",\"disk\":{\"journalBytes\":")
        output.append(unsigned: journalBytes)
        if let disk = activity.disk {
            output.append(",\"freeBytes\":")
            output.append(unsigned: disk.free)
            output.append(",\"totalBytes\":")
            output.append(unsigned: disk.total)
        }
        output.append(0x7D)
    }

    private func rejections(_ output: inout ByteWriter) {
        var isFirst = true
        for outcome in Outcome.allCases where counters.rejected[Int(outcome.rawValue)] > 0 {
            if !isFirst { output.append(0x2C) }
            isFirst = false
            output.append("{\"outcome\":\"")
            output.append(outcome.name)
            output.append("\",\"code\":\"")
            output.append(outcome.code)
            output.append("\",\"events\":")
            output.append(unsigned: counters.rejected[Int(outcome.rawValue)])
            output.append(",\"examples\":[")
            for (place, example) in activity.rejections[Int(outcome.rawValue)].reversed().enumerated() {
                if place > 0 { output.append(0x2C) }
                output.append("{\"at\":\"")
                output.append(rfc3339: example.at)
                output.append("\",\"field\":")
                if example.field == .none {
                    output.append("null")
                } else {
                    output.append(0x22)
                    output.append(example.field.name)
                    output.append(0x22)
                }
                output.append(",\"message\":\"")
                if example.field != .none { output.append(example.field.name) }
                output.append(Server.reason(outcome, example.field))
                output.append("\",")
                source(example.listener, example.isBinary, example.principal, &output)
                output.append(0x7D)
            }
            output.append("]}")
        }
    }

    private func sources(_ output: inout ByteWriter) {
        let recent = activity.sources.filter {
            now.monotonic &- $0.lastMonotonic < UInt64(Limits.sourceMinutes) * 60_000_000_000
        }
        .sorted { $0.lastMonotonic > $1.lastMonotonic }
        for (place, one) in recent.enumerated() {
            if place > 0 { output.append(0x2C) }
            output.append(0x7B)
            source(one.listener, one.isBinary, one.principal, &output)
            output.append(",\"events\":")
            output.append(unsigned: one.events)
            output.append(",\"duplicates\":")
            output.append(unsigned: one.duplicates)
            output.append(",\"rejected\":")
            output.append(unsigned: one.rejected)
            output.append(",\"firstSeen\":\"")
            output.append(rfc3339: one.firstSeen)
            output.append("\",\"lastSeen\":\"")
            output.append(rfc3339: one.lastSeen)
            output.append("\"}")
        }
    }

    /// The members that say who it was.
    private func source(
        _ listener: PeerKind, _ isBinary: Bool, _ principal: UInt64, _ output: inout ByteWriter
    ) {
        output.append("\"listener\":\"")
        output.append(listener == .local ? "unix" : "tcp")
        output.append("\",\"protocol\":\"")
        output.append(isBinary ? "frames" : "http")
        output.append("\",\"key\":")
        if let record = records.first(where: { $0.digest.words.0 == principal }) {
            output.append("{\"id\":")
            output.append(unsigned: UInt64(record.id))
            output.append(",\"name\":")
            output.append(jsonString: record.name)
            output.append("},\"user\":null")
        } else {
            output.append("null,\"user\":")
            if listener == .local { output.append(unsigned: principal) } else { output.append("null") }
        }
    }
}
