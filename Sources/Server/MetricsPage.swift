// MetricsPage: Prometheus text (exposition format 0.0.4). Labels come from fixed lists only; no name a client sent gets in, and
// no amount of money, because the page needs no key.

internal import Core
internal import Ledger

/// Of the idempotency keys.
struct DedupFigures {
    var keys: Int
    var memoryKeys: Int
    var bytes: Int
    var tableBytes: Int
    var diskBytes: Int
    var runs: Int
    var counters: DedupCounters

    init(_ index: borrowing DedupIndex) {
        keys = index.count
        memoryKeys = index.memoryKeys
        bytes = index.byteCount
        tableBytes = index.tableBytes
        diskBytes = index.diskBytes
        runs = index.runsOnDisk
        counters = index.counters
    }
}

/// Of what connections and queries hold.
struct MemoryFigures {
    var input: Int
    var output: Int
    var queries: Int
    var queryBytes: Int
    var capacity: Int
    var bound: MemoryBound
}

struct MetricsPage {
    var server: ServerMetrics
    var ledger: LedgerCounters
    var connections: Int
    var dedup: DedupFigures
    var strings: Int
    var customers: Int
    var memory: MemoryFigures
    /// Nanoseconds that the wall clock is behind the newest time in the journal.
    var clockBehind: Int64
    var ready: Bool
    var pendingBytes: Int
    var committedBytes: UInt64
    var segment: UInt32
    var retention: RetentionPlan
    var lag: UInt64
    var storageFull: Bool
    var version: String

    func write(to output: inout ByteWriter) {
        head(&output, "purser_build_info", "gauge", "The version that is running.")
        output.append("purser_build_info{version=")
        output.append(jsonString: version)
        output.append("} 1\n")
        head(&output, "purser_events_total", "counter", "Events by outcome since start.")
        line(&output, "purser_events_total{outcome=\"recorded\"}", ledger.recorded)
        line(&output, "purser_events_total{outcome=\"duplicate\"}", ledger.duplicates)
        line(&output, "purser_events_total{outcome=\"conflict\"}", ledger.conflicts)
        for outcome in Outcome.allCases where outcome != .recorded && outcome != .duplicate && outcome != .conflict {
            output.append("purser_events_total{outcome=\"")
            output.append(outcome.name)
            output.append("\"} ")
            output.append(unsigned: ledger.rejected[Int(outcome.rawValue)])
            output.append("\n")
        }
        counter(&output, "purser_events_unpriced_total", "Events recorded without a cost since start.", ledger.unpriced)
        counter(&output, "purser_http_requests_total", "HTTP requests read.", server.requests)
        counter(&output, "purser_frames_total", "Frames read.", server.frames)
        counter(&output, "purser_bad_requests_total", "HTTP requests that could not be read.", server.badRequests)
        counter(&output, "purser_bad_frames_total", "Frames that ended their connection.", server.badFrames)
        counter(&output, "purser_unauthorized_total", "Requests and hellos without a good key.", server.unauthorized)
        counter(&output, "purser_timeouts_total", "Requests that took too long to arrive.", server.timeouts)
        counter(&output, "purser_received_bytes_total", "Bytes read from peers.", server.bytesReceived)
        counter(&output, "purser_connections_accepted_total", "Connections taken in.", server.connectionsAccepted)
        counter(&output, "purser_connections_refused_total", "Connections closed because there were too many.", server.connectionsRefused)
        counter(&output, "purser_connections_shed_total", "Connections closed for want of a descriptor.", server.connectionsShed)
        counter(&output, "purser_accept_failures_total", "Times that accepting a connection failed.", server.acceptFailures)
        counter(&output, "purser_peers_refused_total", "Peers of a Unix socket that no rule names.", server.peersRefused)
        counter(&output, "purser_write_timeouts_total", "Peers that took their answers too slowly.", server.writeTimeouts)
        gauge(&output, "purser_connections", "Open connections.", UInt64(connections))
        gauge(&output, "purser_connections_limit", "The most connections at a time.", UInt64(memory.capacity))
        counter(&output, "purser_refused_for_memory_total", "Requests and frames refused for want of room.", server.refusedForMemory)
        gauge(&output, "purser_input_bytes", "Memory of what connections have sent and is not processed.", UInt64(memory.input))
        gauge(&output, "purser_output_bytes", "Memory of answers that connections have not taken.", UInt64(memory.output))
        gauge(&output, "purser_queries", "Queries and corrections that wait for their answer.", UInt64(memory.queries))
        gauge(&output, "purser_query_bytes", "Memory of what they ask.", UInt64(memory.queryBytes))
        gauge(&output, "purser_memory_bound_bytes", "What the formula of limits.md gives.", memory.bound.bytes)
        gauge(&output, "purser_ready", "1 while /readyz says so.", ready ? 1 : 0)
        counter(&output, "purser_clock_steps_back_total", "Times that the wall clock was seen to go back.", server.clockStepsBack)
        head(&output, "purser_clock_behind_seconds", "gauge", "How far the wall clock is behind the newest time in the journal.")
        output.append("purser_clock_behind_seconds ")
        output.appendDecimal(Int128(clockBehind), places: 9)
        output.append("\n")
        counter(&output, "purser_commits_total", "Batches made durable.", server.commits)
        head(&output, "purser_commit_seconds", "histogram", "Time that writing and syncing a batch took.")
        server.commitLatency.write("purser_commit_seconds", to: &output)
        head(&output, "purser_answer_seconds", "histogram", "Time from a request's last byte until it was durable and its answer could go.")
        server.answerLatency.write("purser_answer_seconds", to: &output)
        counter(&output, "purser_journal_bytes_total", "Bytes of journal made durable since start.", committedBytes)
        gauge(&output, "purser_journal_pending_bytes", "Bytes sealed and not yet durable.", UInt64(pendingBytes))
        gauge(&output, "purser_journal_segment", "Number of the segment in use.", UInt64(segment))
        gauge(&output, "purser_journal_first_segment", "Number of the first segment that is kept.", UInt64(retention.firstSegment))
        gauge(
            &output, "purser_journal_bytes", "Files of segments, the one ahead included.",
            UInt64(max(0, retention.segmentBytes - retention.savedBytes)))
        gauge(
            &output, "purser_journal_condensed_bytes", "Files that stand for segments that were dropped.", UInt64(retention.condensedBytes))
        gauge(&output, "purser_journal_dropped_events", "Events that are kept in sums only.", retention.droppedEvents)
        counter(&output, "purser_retention_failures_total", "Times segments could not be dropped.", retention.failures)
        counter(&output, "purser_stalls_total", "Times a connection waited for room in the journal.", server.stalls)
        gauge(&output, "purser_storage_full", "1 while the disk has no room for the next segment.", storageFull ? 1 : 0)
        gauge(&output, "purser_projection_lag_bytes", "Bytes of journal not yet in the rollups.", lag)
        gauge(&output, "purser_dedup_keys", "Idempotency keys remembered.", UInt64(dedup.keys))
        gauge(&output, "purser_dedup_memory_keys", "Those of them that are in memory and not on disk.", UInt64(dedup.memoryKeys))
        gauge(&output, "purser_dedup_bytes", "Memory of the idempotency keys.", UInt64(dedup.bytes))
        gauge(&output, "purser_dedup_table_bytes", "Of that, tables of the newest keys.", UInt64(dedup.tableBytes))
        gauge(&output, "purser_dedup_disk_bytes", "Files of idempotency keys.", UInt64(dedup.diskBytes))
        gauge(&output, "purser_dedup_runs", "How many files of idempotency keys there are.", UInt64(dedup.runs))
        counter(&output, "purser_dedup_reads_total", "Blocks of keys read from files to look a key up.", dedup.counters.reads)
        counter(&output, "purser_dedup_sealed_total", "Files of keys written from memory.", dedup.counters.sealed)
        counter(&output, "purser_dedup_merges_total", "Files of keys made from others.", dedup.counters.merges)
        counter(&output, "purser_dedup_failures_total", "Times a file of keys could not be written or read.", dedup.counters.failures)
        gauge(&output, "purser_names", "Distinct names in the books.", UInt64(strings))
        gauge(&output, "purser_customers", "Customers known.", UInt64(customers))
        writeHost(to: &output)
    }

    /// What the runtime saw about a second ago.
    private func writeHost(to output: inout ByteWriter) {
        let host = server.host
        gauge(&output, "purser_disk_size_bytes", "Size of the file system of the state directory.", host.diskBytes)
        gauge(&output, "purser_disk_free_bytes", "Room left on it for the daemon.", host.diskFreeBytes)
        head(&output, "purser_log_lines_total", "counter", "Lines for the log since start, those left out included.")
        line(&output, "purser_log_lines_total{level=\"error\"}", host.errors)
        line(&output, "purser_log_lines_total{level=\"warning\"}", host.warnings)
        head(&output, "purser_last_error_timestamp_seconds", "gauge", "When the last line of level error or warning was; 0 when none was.")
        output.append("purser_last_error_timestamp_seconds{kind=")
        output.append(jsonString: host.lastKind ?? "none")
        output.append("} ")
        output.appendDecimal(Int128(host.lastAt.nanoseconds), places: 9)
        output.append("\n")
        gauge(&output, "process_resident_memory_bytes", "Resident memory.", host.residentBytes)
        head(&output, "process_cpu_seconds_total", "counter", "User and system processor time.")
        output.append("process_cpu_seconds_total ")
        output.appendDecimal(Int128(host.cpuNanoseconds), places: 9)
        output.append("\n")
        head(&output, "process_start_time_seconds", "gauge", "When this process started to serve, since 1970.")
        output.append("process_start_time_seconds ")
        output.appendDecimal(Int128(host.startedAt.nanoseconds), places: 9)
        output.append("\n")
    }

    private func head(_ output: inout ByteWriter, _ name: StaticString, _ type: StaticString, _ help: StaticString) {
        output.append("# HELP ")
        output.append(name)
        output.append(" ")
        output.append(help)
        output.append("\n# TYPE ")
        output.append(name)
        output.append(" ")
        output.append(type)
        output.append("\n")
    }

    private func line(_ output: inout ByteWriter, _ name: StaticString, _ value: UInt64) {
        output.append(name)
        output.append(" ")
        output.append(unsigned: value)
        output.append("\n")
    }

    private func counter(_ output: inout ByteWriter, _ name: StaticString, _ help: StaticString, _ value: UInt64) {
        head(&output, name, "counter", help)
        line(&output, name, value)
    }

    private func gauge(_ output: inout ByteWriter, _ name: StaticString, _ help: StaticString, _ value: UInt64) {
        head(&output, name, "gauge", help)
        line(&output, name, value)
    }
}
