// The status: who sent what, what was refused and why, in tables that do not grow.

import Core
import Foundation
import Journal
import Testing

@testable import Server

private let secret = "sk_live_0123456789abcdef0123456789abcdef"
private let wrong = "{\"eventName\":\"call\",\"costAmount\":-1,\"meta\":{\"secret\":\"hunter2\"}}"

private func status(_ host: Host) throws -> String {
    let client = host.connect()
    defer { host.drop(client) }
    let reply = try #require(
        Reply.all(try host.exchange(client, request("GET /api/v1/client/status"))).first)
    #expect(reply.status == 200)
    return reply.body
}

@Test func theStatusSaysWhoSentWhat() throws {
    let host = try Host(key: secret)
    host.server.sweep(at: host.now)
    try host.settle()
    let local = host.connect(.local, from: PeerCredentials(user: 1000, groups: []))
    let remote = host.connect(.remote)
    let key = "Authorization: Bearer \(secret)"
    for i in 0..<3 { _ = try host.exchange(remote, post("k\(i)", [key])) }
    _ = try host.exchange(remote, post("k0", [key]))
    _ = try host.exchange(remote, request(eventsPath, wrong, [key]))
    _ = try host.exchange(local, post("l"))
    let frames = host.connect(.local, from: PeerCredentials(user: 1000, groups: []))
    _ = try host.exchange(frames, Frame.hello() + Frame.events(["f1", "f2"], requestID: 2))
    let page = try status(host)
    #expect(
        page.contains(
            "\"protocol\":\"http\",\"key\":{\"id\":1,\"name\":\"first\"},\"user\":null,\"events\":3,\"duplicates\":1,\"rejected\":1"
        ))
    #expect(
        page.contains(
            "\"listener\":\"unix\",\"protocol\":\"http\",\"key\":null,\"user\":1000,\"events\":1,\"duplicates\":0,\"rejected\":0"
        ))
    #expect(
        page.contains(
            "\"listener\":\"unix\",\"protocol\":\"frames\",\"key\":null,\"user\":1000,\"events\":2"))
    #expect(page.contains("\"events\":{\"recorded\":6,\"duplicates\":1,\"rejected\":1}"))
    // Later they are not shown any more; what was counted in all is.
    host.wait(Double(Limits.sourceMinutes) * 60 + 1)
    let later = try status(host)
    #expect(later.contains("\"sources\":[]") && later.contains("\"recorded\":6"))
}

@Test func whatIsRefusedIsShownWithoutWhatItHeld() throws {
    let host = try Host()
    let client = host.connect()
    for _ in 0..<(Limits.rejectionExamples + 3) {
        _ = try host.exchange(client, request(eventsPath, wrong))
    }
    let page = try status(host)
    #expect(
        page.contains(
            "\"outcome\":\"amount_out_of_range\",\"code\":\"amount_out_of_range\",\"events\":8,\"examples\":["
        ))
    #expect(
        page.components(separatedBy: "\"field\":\"costAmount\"").count == Limits.rejectionExamples + 1)
    #expect(!page.contains("hunter2") && !page.contains("-1"))
}

@Test func ratesAndWaitingTimesAreOfTheLastMinute() throws {
    let host = try Host()
    let client = host.connect()
    for second in 0..<70 {
        for i in 0..<10 {
            host.send(client, post("k\(second)-\(i)"))
        }
        host.turn()
        host.wait(0.004)
        try host.settle()
        _ = host.take(client)
        host.wait(0.996)
        host.server.sweep(at: host.now)
    }
    let page = try status(host)
    #expect(page.contains("\"rate\":{\"last1s\":10,\"last5s\":10,\"last60s\":10}"))
    let text = try #require(page.range(of: "\"p50Seconds\":")).upperBound
    let p50 = try #require(Double(page[text...].prefix { $0 != "," }))
    #expect(p50 >= 0.004 && p50 < 0.0051)
    host.wait(120)
    host.server.sweep(at: host.now)
    #expect(try status(host).contains("\"answers\":{\"windowSeconds\":60,\"count\":0}"))
}

@Test func theTablesDoNotGrow() {
    var activity = Activity()
    var now = Host.start
    for principal in 0..<UInt64(Limits.sources * 3) {
        now.monotonic += 1
        let number = activity.source(.remote, isBinary: false, principal: principal, known: 0, at: now)
        activity.add(number, recorded: 1, duplicates: 0, rejected: 0, at: now)
    }
    #expect(activity.sources.count == Limits.sources)
    #expect(activity.sources.allSatisfy { $0.principal >= UInt64(Limits.sources * 2) })
}

@Test func everyWaitingTimeIsInABucketThatIsNotMuchLonger() {
    var nanoseconds: UInt64 = 1
    while nanoseconds < 60_000_000_000 {
        let top = Activity.top(Activity.bucket(nanoseconds))
        #expect(
            top > nanoseconds / 1000 * 1000
                && (nanoseconds < 4000 || top <= nanoseconds + nanoseconds / 4 + 1000), "\(nanoseconds)")
        nanoseconds += nanoseconds / 3 + 1
    }
    #expect(Activity.bucket(.max) == Activity.bucket(.max / 2))
}

@Test func aKeySaysWhenItWasUsed() throws {
    let host = try Host(key: secret)
    let client = host.connect()
    func list() throws -> String {
        try #require(Reply.all(try host.exchange(client, request("GET /api/v1/client/keys"))).first)
            .body
    }
    #expect(try !list().contains("lastUsedAt"))
    let remote = host.connect(.remote)
    host.wait(3600)
    _ = try host.exchange(remote, post("a", ["Authorization: Bearer \(secret)"]))
    var text = ByteWriter()
    text.append(rfc3339: host.now.wall)
    #expect(try list().contains("\"lastUsedAt\":\"\(text.string)\""))
}
