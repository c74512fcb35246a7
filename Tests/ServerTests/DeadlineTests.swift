// When a request's time is up: never sooner, hardly later, and not too many at once.

import Core
import Testing

@testable import Server

private let second: UInt64 = 1_000_000_000

@Test func everybodyIsEndedWhenTheirTimeIsUpAndNobodySooner() throws {
    for seed in UInt64(1)...20 {
        var dice = Dice(seed)
        let host = try Host(connections: 40)
        /// When the head that a client is at began; nil between requests.
        var since: [Int: UInt64] = [:]
        var open: [Int] = []
        for _ in 0..<600 {
            host.now.monotonic += UInt64(dice.below(dice.oneIn(20) ? 4000 : 200)) * 1_000_000
            if open.count < 40, dice.oneIn(2) { open.append(host.connect()) }
            if !open.isEmpty {
                let client = dice.pick(open)
                switch dice.below(4) {
                case 0, 1:
                    if since[client] == nil { since[client] = host.now.monotonic }
                    host.send(client, since[client] == host.now.monotonic ? "GET /healthz HTTP/1.1\r\nHost: a\r\nX: " : "x")
                case 2:
                    if since.removeValue(forKey: client) == nil { continue }
                    host.send(client, "\r\n\r\n")
                default:
                    host.drop(client)
                    since[client] = nil
                    open.removeAll { $0 == client }
                }
            }
            host.server.endLate(at: host.now, by: host.now.monotonic)
            host.turn()
            for client in open {
                let age = since[client].map { host.now.monotonic - $0 } ?? 0
                if age > UInt64(Limits.headSeconds) * second + DeadlineWheel.slot {
                    #expect(host.clients[client].closed, "seed \(seed): not ended after \(age) ns")
                } else if age <= UInt64(Limits.headSeconds) * second {
                    #expect(!host.clients[client].closed, "seed \(seed): ended after \(age) ns")
                }
            }
            for client in open where host.clients[client].closed {
                since[client] = nil
                open.removeAll { $0 == client }
            }
        }
    }
}

@Test func onlySoManyAreEndedAtATimeAndTheOthersAfterThem() throws {
    let host = try Host(connections: 100)
    let clients = (0..<100).map { _ in host.connect() }
    for client in clients { host.send(client, "GET /heal") }
    host.wait(Double(Limits.headSeconds) + 1)
    let time = host.now.monotonic
    var turns = 0
    var more = true
    while more {
        // It is judged as things were at `time`, whenever its turn comes.
        host.wait(0.001)
        more = host.server.endLate(at: host.now, by: time, most: 16)
        host.turn()
        turns += 1
        let closed = clients.count { host.clients[$0].closed }
        #expect(closed == min(100, 16 * turns))
    }
    #expect(turns == 7)
    #expect(host.server.metrics.timeouts == 100)
}

@Test func whatCameWhileOthersWereEndedIsInTime() throws {
    let host = try Host(connections: 3)
    let clients = (0..<3).map { _ in host.connect() }
    for client in clients { host.send(client, "GET /healthz HTTP/1.1\r\nHost: a\r\n") }
    host.wait(Double(Limits.headSeconds) + 1)
    let time = host.now.monotonic
    let more = host.server.endLate(at: host.now, by: time, most: 1)
    #expect(more)
    let left = clients.filter { host.server.connection(host.clients[$0].id)?.pointee.closing == false }
    #expect(left.count == 2)
    for client in left { host.send(client, "\r\n") }
    host.server.endLate(at: host.now, by: time)
    host.turn()
    #expect(left.allSatisfy { statuses(host.take($0)) == [200] && !host.clients[$0].closed })
}
