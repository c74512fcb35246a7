// What the server says, whole, cut short and wrong.

import Core
import Frames
import Testing

@testable import Bench

private func http(_ status: String, _ body: String) -> [UInt8] {
    Array("HTTP/1.1 \(status)\r\ncontent-type: application/json\r\ncontent-length: \(body.utf8.count)\r\n\r\n\(body)".utf8)
}

private func response(_ bytes: [UInt8], events: Int) -> Reply.Parse { bytes.withUnsafeBytes { Reply.response($0, events: events) } }

private func frame(_ type: UInt8, _ id: UInt64, _ payload: [UInt8]) -> [UInt8] {
    var bytes: [UInt8] = [0xF5, type, 0, 0]
    for i in 0..<4 { bytes.append(UInt8(truncatingIfNeeded: payload.count >> (8 * i))) }
    for i in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: id >> UInt64(8 * i))) }
    return bytes + payload
}

private let counts: [UInt8] = [3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0] + [UInt8](repeating: 0, count: 12)

@Test func anEventsReplyIsCountedAndItsCutFormsWait() {
    let bytes = frame(0x82, 0x1_0000_0002, counts)
    let whole = Reply(requestID: 0x1_0000_0002, recorded: 3, duplicates: 2, rejected: 1)
    for length in 0..<bytes.count { #expect(bytes[..<length].withUnsafeBytes { Reply.frame($0) } == .needMore) }
    #expect((bytes + [1, 2]).withUnsafeBytes { Reply.frame($0) } == .reply(whole, length: bytes.count))
}

@Test func anOverloadedFrameIsSentAgainAndAnyOtherErrorEndsTheRun() {
    let overloaded = frame(0xFF, 5, [8, 0, 250, 0, 0, 0, 0]).withUnsafeBytes { Reply.frame($0) }
    #expect(overloaded == .reply(Reply(requestID: 5, retryAfter: 250), length: 23))
    guard case .reply(let full, _) = frame(0xFF, 5, [9, 0, 0, 0, 0, 0, 0]).withUnsafeBytes({ Reply.frame($0) }) else {
        Issue.record("an error frame is a reply")
        return
    }
    #expect(full.failure?.hasPrefix("storage_full") == true && full.retryAfter == nil)
    guard case .broken = frame(0x84, 5, []).withUnsafeBytes({ Reply.frame($0) }) else {
        Issue.record("a pong answers no events")
        return
    }
}

@Test func singleEventsOverHTTPAreRecordedOrDuplicates() {
    let recorded = http("201 Created", "{\"data\":{}}")
    #expect(response(recorded, events: 1) == .reply(Reply(recorded: 1), length: recorded.count))
    let again = http("409 Conflict", "{\"data\":{\"original\":{},\"conflict\":false},\"error\":{\"code\":\"duplicate_event\"}}")
    #expect(response(again, events: 1) == .reply(Reply(duplicates: 1), length: again.count))
    let other = http("409 Conflict", "{\"data\":{\"original\":{},\"conflict\":true},\"error\":{\"code\":\"duplicate_event\"}}")
    guard case .reply(let conflict, _) = response(other, events: 1) else {
        Issue.record("a conflict is a reply")
        return
    }
    #expect(conflict.failure != nil && conflict.recorded == 0 && conflict.duplicates == 0)
    for length in 0..<recorded.count { #expect(response(Array(recorded[..<length]), events: 1) == .needMore) }
}

@Test func batchesOverHTTPAreCountedFromTheirAnswer() {
    let bytes = http("200 OK", "{\"data\":{\"recorded\":97,\"duplicates\":2,\"rejected\":1,\"results\":[]},\"success\":true}")
    #expect(response(bytes, events: 100) == .reply(Reply(recorded: 97, duplicates: 2, rejected: 1), length: bytes.count))
    let busy = http("503 Service Unavailable", "{}")
    #expect(response(busy, events: 100) == .reply(Reply(retryAfter: 100), length: busy.count))
    guard case .reply(let full, _) = response(http("507 Insufficient Storage", "{\"error\":1}"), events: 100) else {
        Issue.record("a refusal is a reply")
        return
    }
    #expect(full.failure == "HTTP status 507: {\"error\":1}")
    guard case .broken = response(Array("SSH-2.0-OpenSSH_9.2 and more\r\n\r\n".utf8), events: 1) else {
        Issue.record("this is no HTTP")
        return
    }
}
