// protocol/vectors/http-requests.json against the parsers: the verdict of every request is the same whole, in two pieces at
// every point, byte by byte, and with another request behind it. The daemon is asked the same by `drivers/wire_scenarios.py`.

import Core
import Foundation
import Testing
import Wire

/// One request of the vectors.
private struct RequestVector: Decodable {
    enum Verdict: String, Decodable { case accept, refuse, wait }

    var name: String
    var verdict: Verdict
    var request: [UInt8]
    var status: UInt16?
    var body: [UInt8]
    var closes: Bool

    private enum Key: CodingKey { case name, verdict, request, status, body, closes }

    init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: Key.self)
        name = try fields.decode(String.self, forKey: .name)
        verdict = try fields.decode(Verdict.self, forKey: .verdict)
        request = try fields.decode(VectorBytes.self, forKey: .request).bytes
        status = try fields.decodeIfPresent(UInt16.self, forKey: .status)
        body = latin(try fields.decodeIfPresent(String.self, forKey: .body) ?? "")
        closes = try fields.decodeIfPresent(Bool.self, forKey: .closes) ?? false
    }

    static let all: [RequestVector] = {
        struct File: Decodable { var requests: [RequestVector] }
        do { return try JSONDecoder().decode(File.self, from: Vectors.data("http-requests.json")).requests } catch {
            fatalError("http-requests.json: \(error)")
        }
    }()
}

/// What becomes of the bytes at the front of a connection.
private enum Fate: Equatable {
    case wait
    case refused(UInt16)
    case request(body: [UInt8], consumed: Int)
}

/// Reads one request as a session does: the head from bytes that grow, then its body, each byte of which is seen once.
private func fate(of input: [UInt8], cuts: [Int]) -> Fate {
    var scanned = 0
    var head: (HTTPRequestHead, Int)?
    var chunks = ChunkedBody()
    var chunkBytes = 0
    var body = ByteWriter()
    for cut in cuts + [input.count] {
        let step: Fate = Array(input[0..<cut]).withUnsafeBytes { bytes in
            if head == nil {
                switch HTTPRequestHead.parse(bytes, scanned: &scanned) {
                case .needMore: return .wait
                case .refused(let refusal): return .refused(refusal.status)
                case .head(let found, let length): head = (found, length)
                }
            }
            let (found, length) = head!
            if found.chunked {
                let rest = UnsafeRawBufferPointer(rebasing: bytes[(length + chunkBytes)...])
                let (used, state) = chunks.feed(rest, into: &body)
                chunkBytes += used
                switch state {
                case .needMore: return .wait
                case .refused(let refusal): return .refused(refusal.status)
                case .done: return .request(body: body.array, consumed: length + chunkBytes)
                }
            }
            let end = length + Int(found.contentLength ?? 0)
            return bytes.count < end ? .wait : .request(body: Array(bytes[length..<end]), consumed: end)
        }
        if step != .wait { return step }
    }
    return .wait
}

private func expected(_ vector: RequestVector) -> Fate {
    switch vector.verdict {
    case .accept: .request(body: vector.body, consumed: vector.request.count)
    case .refuse: .refused(vector.status ?? 0)
    case .wait: .wait
    }
}

/// Every point of a short request; of a long one its ends and some between.
private func points(of request: [UInt8]) -> [Int] {
    let count = request.count
    if count <= 512 { return Array(0...count) }
    return Array(0...64) + Array(stride(from: 65, to: count - 64, by: 997)) + Array(count - 64...count)
}

private let follower = bytes("GET /second HTTP/1.1\r\nHost: h\r\n\r\n")

@Test func everyRequestVectorHasItsVerdict() {
    #expect(RequestVector.all.count >= 600)
    #expect(Set(RequestVector.all.map(\.name)).count == RequestVector.all.count)
    for vector in RequestVector.all {
        #expect((vector.verdict == .refuse) == (vector.status != nil), "\(vector.name)")
        #expect(fate(of: vector.request, cuts: []) == expected(vector), "\(vector.name)")
    }
}

@Test func aRequestVectorCutAnywhereHasTheSameVerdict() {
    for vector in RequestVector.all {
        let wanted = expected(vector)
        for point in points(of: vector.request) where fate(of: vector.request, cuts: [point]) != wanted {
            Issue.record("\(vector.name), cut at \(point)")
            break
        }
        #expect(fate(of: vector.request, cuts: points(of: vector.request)) == wanted, "\(vector.name), piece by piece")
    }
}

@Test func whatFollowsARequestVectorDoesNotChangeIt() {
    for vector in RequestVector.all where vector.verdict != .wait {
        #expect(fate(of: vector.request + follower, cuts: []) == expected(vector), "\(vector.name)")
        #expect(fate(of: vector.request + vector.request, cuts: [vector.request.count]) == expected(vector), "\(vector.name), twice")
        guard vector.verdict == .accept else { continue }
        let rest = Array((vector.request + follower)[vector.request.count...])
        #expect(fate(of: rest, cuts: []) == .request(body: [], consumed: follower.count), "after \(vector.name)")
    }
}
