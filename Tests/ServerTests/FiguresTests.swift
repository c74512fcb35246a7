// What the operator is shown: latencies, the line of status, notices.

import Core
import Server
import Testing

/// The value of one line of the metrics page.
private func metric(_ host: Host, _ name: String) throws -> String? {
    let client = host.connect()
    let page = Reply.all(try host.exchange(client, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"))[0].body
    host.drop(client)
    return page.split(separator: "\n").first { $0.hasPrefix(name + " ") }.map { String($0.dropFirst(name.count + 1)) }
}

@Test func anAnswersLatencyRunsFromItsLastByteUntilItIsDurable() throws {
    let host = try Host()
    let client = host.connect()
    // 0.7 ms, then 30 s, which is beyond the last bound.
    for (seconds, key) in [(0.0007, "a"), (30, "b")] {
        host.send(client, post(key))
        host.turn()
        host.wait(seconds)
        try host.sync()
        try host.settle()
    }
    #expect(try metric(host, "purser_answer_seconds_count") == "2")
    #expect(try metric(host, "purser_answer_seconds_sum") == "30.0007")
    #expect(try metric(host, "purser_answer_seconds_bucket{le=\"0.0005\"}") == "0")
    #expect(try metric(host, "purser_answer_seconds_bucket{le=\"0.001\"}") == "1")
    #expect(try metric(host, "purser_answer_seconds_bucket{le=\"10\"}") == "1")
    #expect(try metric(host, "purser_answer_seconds_bucket{le=\"+Inf\"}") == "2")
    // What waits for nothing is not counted.
    _ = try host.exchange(client, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    #expect(try metric(host, "purser_answer_seconds_count") == "2")
}

@Test func boundsOfACommitsLatencyBelongToTheirBucket() throws {
    let host = try Host()
    for nanoseconds in [50_000, 50_001, 10_000_000_000, 10_000_000_001] as [UInt64] {
        host.server.recordCommit(nanoseconds: nanoseconds)
    }
    #expect(try metric(host, "purser_commit_seconds_bucket{le=\"0.00005\"}") == "1")
    #expect(try metric(host, "purser_commit_seconds_bucket{le=\"0.0001\"}") == "2")
    #expect(try metric(host, "purser_commit_seconds_bucket{le=\"5\"}") == "2")
    #expect(try metric(host, "purser_commit_seconds_bucket{le=\"10\"}") == "3")
    #expect(try metric(host, "purser_commit_seconds_count") == "4")
}

@Test func theStatusSaysWhatWasDoneSinceItWasLookedAtLast() throws {
    let host = try Host()
    let client = host.connect()
    var figures = StatusFigures()
    #expect(figures.text == "ready")
    figures.look(at: host.server, host.now)
    #expect(figures.text == "0 recorded, 0 duplicate, 0 refused since start; 1 connection")
    for key in ["a", "b", "c", "a"] { _ = try host.exchange(client, post(key)) }
    host.server.recordCommit(nanoseconds: 1_260_000)
    host.wait(2)
    figures.look(at: host.server, host.now)
    #expect(figures.text.hasPrefix("2 events/s; 3 recorded, 1 duplicate, 0 refused since start; 1 connection; "))
    host.wait(2)
    figures.look(at: host.server, host.now)
    #expect(figures.text == "0 events/s; 3 recorded, 1 duplicate, 0 refused since start; 1 connection")
    host.server.drain()
    figures.look(at: host.server, host.now)
    #expect(figures.text.hasPrefix("not ready: stopping; "))
}

@Test func refusedRequestsAreNoticedWithTheirIdsAndNotInFloods() throws {
    let host = try Host(key: "sk_live_00000000000000000000000000000000")
    let client = host.connect(.remote)
    for number in 0..<40 {
        _ = try host.exchange(client, "GET /api/v1/client/margins HTTP/1.1\r\nHost: x\r\nX-Request-Id: id-\(number)\r\n\r\n")
    }
    let notices = host.server.takeNotices()
    #expect(notices.count == 16)
    #expect(notices[0].requestID == "id-0" && notices[0].kind == "unauthorized" && !notices[0].isWarning)
    #expect(notices[0].text == "request id-0 was answered 401 unauthorized")
    host.server.drain()
    #expect(host.server.takeNotices().isEmpty)
}

@Test func whatTheRuntimeSeesIsOnThePage() throws {
    let host = try Host()
    var figures = HostFigures()
    #expect(try metric(host, "purser_last_error_timestamp_seconds{kind=\"none\"}") == "0")
    figures.residentBytes = 12_000_000
    figures.cpuNanoseconds = 1_500_000_000
    (figures.diskBytes, figures.diskFreeBytes) = (1000, 400)
    (figures.errors, figures.warnings) = (2, 3)
    figures.lastKind = "storage_failed"
    figures.lastAt = Timestamp(nanoseconds: 1_780_000_000_500_000_000)
    host.server.recordHost(figures)
    #expect(try metric(host, "process_resident_memory_bytes") == "12000000")
    #expect(try metric(host, "process_cpu_seconds_total") == "1.5")
    #expect(try metric(host, "purser_disk_free_bytes") == "400")
    #expect(try metric(host, "purser_log_lines_total{level=\"error\"}") == "2")
    #expect(try metric(host, "purser_last_error_timestamp_seconds{kind=\"storage_failed\"}") == "1780000000.5")
}
