// Idempotency keys that leave the memory: the server hands the work out, answers stay what they were, and a disk that takes no
// more is said.

import Core
import Journal
import Ledger
import Server
import Testing

private let year = 365.0 * 86_400

@Test func aRetryOfAKeyOnDiskGetsTheOriginal() throws {
    var host = try Host(keyDisk: MemoryDisk())
    var client = host.connect()
    for i in 0..<200 { #expect(statuses(try host.exchange(client, post("k\(i)"))) == [201]) }
    func check() throws {
        #expect(host.server.ledger.dedup.runsOnDisk > 0 && host.server.ledger.dedup.memoryKeys < 20)
        for i in 0..<200 {
            let same = try #require(Reply.all(try host.exchange(client, post("k\(i)"))).first)
            #expect(same.status == 409 && same.body.contains("\"sequence\":\(i + 1)") && !same.body.contains("\"conflict\":true"))
            let other = try #require(Reply.all(try host.exchange(client, post("k\(i)", cost: "2"))).first)
            #expect(other.status == 409 && other.body.contains("\"sequence\":\(i + 1)") && other.body.contains("\"conflict\":true"))
        }
        #expect(host.events == 200 && host.keyTroubles.isEmpty)
    }
    try check()
    host = try host.restarted()
    client = host.connect()
    try check()
    // Without the files everything is as before.
    host = try Host(MemoryDisk(host.disk.files), random: 7, keyDisk: MemoryDisk())
    client = host.connect()
    try host.settle()
    host.workOnKeys()
    try check()
}

@Test func withoutRoomForKeysEventsAreRefusedUntilThereIs() throws {
    let keys = MemoryDisk()
    let host = try Host(keyDisk: keys)
    host.server.ledger.dedup.memoryLimit = 50
    let client = host.connect()
    keys.fill(true)
    for i in 0..<50 { #expect(statuses(try host.exchange(client, post("k\(i)"))) == [201]) }
    #expect(host.keyTroubles.map(\.errno) == [28] && host.server.failure == nil)
    #expect(statuses(try host.exchange(client, post("new") + post("k3") + request("GET /readyz"))) == [507, 507, 503])
    #expect(host.events == 50)
    keys.fill(false)
    // It is tried again after a while, not at once.
    #expect(statuses(try host.exchange(client, post("new"))) == [507])
    host.wait(Double(Limits.dedupRetrySeconds) + 1)
    try host.settle()
    #expect(statuses(try host.exchange(client, post("new") + post("k3") + request("GET /readyz"))) == [201, 409, 200])
    #expect(host.server.ledger.dedup.runsOnDisk > 0)
    #expect(try host.restarted().events == 51)
}

@Test func keysThatComeTooFastWaitForTheDisk() throws {
    let host = try Host(keyDisk: MemoryDisk())
    host.server.ledger.dedup.memoryLimit = 50
    host.worksOnKeys = false
    let client = host.connect()
    for i in 0..<80 { host.send(client, post("k\(i)")) }
    for _ in 0..<20 {
        host.turn()
        try host.sync()
    }
    host.turn()
    let before = statuses(host.take(client))
    #expect(before.count == 50 && before.allSatisfy { $0 == 201 } && !host.wantsInput(client))
    host.worksOnKeys = true
    for _ in 0..<5 { try host.settle() }
    #expect(statuses(host.take(client)) == [Int](repeating: 201, count: 30))
    #expect(host.events == 80 && host.keyTroubles.isEmpty)
}

@Test func aFileThatRotsEndsAcknowledgements() throws {
    let keys = MemoryDisk()
    let host = try Host(keyDisk: keys)
    let client = host.connect()
    for i in 0..<10 { #expect(statuses(try host.exchange(client, post("k\(i)"))) == [201]) }
    try host.settle()
    let file = try #require(keys.files.first { $0.key.hasSuffix(".run") })
    try [UInt8](repeating: 0xAA, count: 64).withUnsafeBytes { bytes in
        for at in stride(from: 16_384, to: file.value.count, by: 4_096) { try keys.write(file.key, at: at, bytes) }
    }
    #expect(host.server.failure == nil)
    #expect(statuses(try host.exchange(client, post("k1"))) == [503])
    #expect(host.server.failure != nil)
    // The next start finds it, and makes it again.
    let later = try host.restarted()
    let after = later.connect()
    for i in 0..<10 { #expect(statuses(try later.exchange(after, post("k\(i)"))) == [409]) }
}

@Test func aWallClockThatJumpsForgetsNoKey() throws {
    let host = try Host()
    let client = host.connect()
    #expect(statuses(try host.exchange(client, post("a"))) == [201])
    for jump in [year, -year, 50 * year, -1, -20 * year, year] {
        host.now.wall = Timestamp(nanoseconds: host.now.wall.nanoseconds + Int64(jump) * 1_000_000_000)
        for _ in 0..<3 {
            host.wait(1)
            host.server.sweep(at: host.now)
            try host.settle()
        }
        #expect(statuses(try host.exchange(client, post("a"))) == [409])
    }
}

@Test func theMetricsSayWhereKeysAre() throws {
    let host = try Host(keyDisk: MemoryDisk())
    let client = host.connect()
    for i in 0..<35 { #expect(statuses(try host.exchange(client, post("k\(i)"))) == [201]) }
    try host.settle()
    let page = try #require(Reply.all(try host.exchange(client, request("GET /metrics"))).first).body
    for line in ["purser_dedup_keys 35", "purser_dedup_memory_keys 5", "purser_dedup_sealed_total 3", "purser_dedup_failures_total 0"] {
        #expect(page.contains("\n\(line)\n"), "\(line)")
    }
    #expect(!page.contains("purser_dedup_disk_bytes 0\n") && !page.contains("purser_dedup_runs 0\n"))
}
