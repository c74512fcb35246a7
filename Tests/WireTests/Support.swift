// What the tests of this room share: bytes from text, and one call for each decoder that returns plain values.

import Core
import Foundation
import Wire

func bytes(_ text: String) -> [UInt8] { [UInt8](text.utf8) }

func text(_ bytes: UnsafeRawBufferPointer) -> String { String(decoding: bytes, as: UTF8.self) }

/// A head, as a test wants to see it.
enum Head: Equatable {
    case needMore
    case refused(UInt16)
    case head([String: String], consumed: Int)

    var status: UInt16? {
        if case .refused(let status) = self { return status }
        return nil
    }
    var fields: [String: String]? {
        if case .head(let fields, _) = self { return fields }
        return nil
    }
}

func describe(_ result: HTTPHeadResult, _ input: UnsafeRawBufferPointer) -> Head {
    switch result {
    case .needMore: return .needMore
    case .refused(let refusal): return .refused(refusal.status)
    case .head(let head, let consumed):
        var fields: [String: String] = [
            "method": "\(head.method)", "minor": "\(head.minorVersion)", "chunked": "\(head.chunked)", "keepAlive": "\(head.keepAlive)",
            "expect": "\(head.expectContinue)", "name": text(head.methodName.bytes(in: input)),
        ]
        if let length = head.contentLength { fields["length"] = "\(length)" }
        for (name, range) in [
            ("path", head.path), ("query", head.query), ("host", head.host), ("authorization", head.authorization),
            ("x-api-key", head.apiKey), ("content-type", head.contentType), ("x-request-id", head.requestID),
            ("idempotency-key", head.idempotencyKey), ("x-idempotency-key", head.eventKey), ("origin", head.origin),
            ("acrm", head.accessControlRequestMethod), ("accept", head.accept),
        ] where range.isPresent { fields[name] = text(range.bytes(in: input)) }
        return .head(fields, consumed: consumed)
    }
}

/// The whole request at once.
func parse(_ request: [UInt8]) -> Head {
    request.withUnsafeBytes { input in
        var scanned = 0
        return describe(HTTPRequestHead.parse(input, scanned: &scanned), input)
    }
}

func parse(_ request: String) -> Head { parse(bytes(request)) }

/// The request in pieces: each call sees the bytes up to the next of `cuts`, then all of them; the first answer counts.
/// Each prefix is a buffer of its own size, so that reading beyond it would be seen.
func parse(_ request: [UInt8], cuts: [Int]) -> Head {
    var scanned = 0
    for cut in cuts + [request.count] {
        let prefix = Array(request[0..<cut])
        let result = prefix.withUnsafeBytes { input in describe(HTTPRequestHead.parse(input, scanned: &scanned), input) }
        if result != .needMore { return result }
    }
    return .needMore
}

enum Vectors {
    /// A file of protocol/vectors.
    static func data(_ name: String) -> Data {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let url = root.appendingPathComponent("protocol/vectors").appendingPathComponent(name)
        guard let data = try? Data(contentsOf: url) else { fatalError("\(url.path) is not there") }
        return data
    }
}

/// The bytes of a text whose characters are bytes.
func latin(_ text: String) -> [UInt8] { text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) } }

/// Bytes in a vector: a text whose characters are bytes, or a list of such texts and of runs that are repeated.
struct VectorBytes: Decodable {
    var bytes: [UInt8]

    private struct Part: Decodable {
        var bytes: [UInt8]

        private enum Key: CodingKey { case `repeat`, times }

        init(from decoder: any Decoder) throws {
            if let text = try? decoder.singleValueContainer().decode(String.self) {
                bytes = latin(text)
            } else {
                let run = try decoder.container(keyedBy: Key.self)
                let text = latin(try run.decode(String.self, forKey: .repeat))
                bytes = Array(repeatElement(text, count: try run.decode(Int.self, forKey: .times)).joined())
            }
        }
    }

    init(from decoder: any Decoder) throws {
        if let text = try? decoder.singleValueContainer().decode(String.self) {
            bytes = latin(text)
        } else {
            bytes = try decoder.singleValueContainer().decode([Part].self).flatMap(\.bytes)
        }
    }
}
