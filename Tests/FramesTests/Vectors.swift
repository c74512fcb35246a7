// The vectors of protocol/vectors/frames-*.json as values.

import Core
import Foundation
import Frames

/// Text that may be no text: a JSON string, or `{"hex": …}`.
struct VectorText: Decodable, Equatable {
    var bytes: [UInt8]

    init(from decoder: any Decoder) throws {
        if let text = try? decoder.singleValueContainer().decode(String.self) {
            bytes = Array(text.utf8)
        } else {
            bytes = Hex.bytes(try decoder.container(keyedBy: Key.self).decode(String.self, forKey: .hex))
        }
    }

    private enum Key: CodingKey { case hex }
    var string: String { String(decoding: bytes, as: UTF8.self) }
}

/// A code by its name, or by its number where it has none.
struct VectorCode: Decodable {
    var name: String?
    var number: Int?

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        name = try? container.decode(String.self)
        number = try? container.decode(Int.self)
    }
}

struct VectorUsage: Decodable {
    var kind: VectorCode
    var quantity: String

    init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        kind = try container.decode(VectorCode.self)
        quantity = try container.decode(String.self)
    }

    var line: UsageLine? {
        guard let kind = UsageKind.allCases.first(where: { "\($0.name)" == kind.name }) else { return nil }
        return units(quantity).map { UsageLine(kind: kind, quantity: $0) }
    }
}

struct VectorExtra: Decodable {
    var tag: VectorCode
    var text: VectorText

    init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        tag = try container.decode(VectorCode.self)
        text = try container.decode(VectorText.self)
    }
}

struct VectorEvent: Decodable {
    var keyUUID: String?
    var keyText: VectorText?
    var name: Int?
    var customer: Int?
    var feature: Int?
    var model: Int?
    var provider: Int?
    var region: Int?
    var occurredAt: Int64?
    var usageUnits: String?
    var cost: UInt64?
    var revenue: UInt64?
    var usage: [VectorUsage]?
    var tier: VectorCode?
    var extras: [VectorExtra]?
    var outcome: String?
    var field: String?
}

struct VectorResult: Decodable {
    var index: Int
    var outcome: String
    var field: String
    var sequence: UInt64?
    var occurredAt: Int64?
    var cost: Int64?
    var revenue: Int64?
}

struct VectorFrame: Decodable {
    var type: String
    var flags: UInt16
    var requestId: UInt64
    // hello
    var lowest: UInt16?
    var highest: UInt16?
    var capabilities: UInt32?
    var key: VectorText?
    var name: VectorText?
    // helloReply
    var version: UInt16?
    var principal: UInt8?
    var scopes: UInt8?
    var server: String?
    var limits: [String: UInt64]?
    // events
    var strings: [VectorText]?
    var baseTime: Int64?
    var events: [VectorEvent]?
    // eventsReply
    var recorded: Int?
    var duplicates: Int?
    var rejected: Int?
    var firstSequence: UInt64?
    var results: [VectorResult]?
    // customer, customerReply
    var operation: String?
    var customerReferenceId: VectorText?
    var email: VectorText?
    var firstName: VectorText?
    var lastName: VectorText?
    var phoneNumber: VectorText?
    var invalid: String?
    var outcome: String?
    var field: String?
    // ping, pong
    var payload: String?
    // error
    var code: VectorCode?
    var retryAfterMilliseconds: UInt32?
    var message: String?
}

struct Vector: Decodable, CustomStringConvertible {
    var name: String
    var meaning: String
    var hex: String
    /// The encoder of this package writes the same bytes.
    var canonical: Bool?
    /// The limit of a payload before the hello holds.
    var beforeHello: Bool?
    var frames: [VectorFrame]?
    var error: String?

    var bytes: [UInt8] { Hex.bytes(hex) }
    var description: String { name }
    var payloadLimit: Int { beforeHello == true ? Limits.helloBytes : Limits.framePayloadBytes }
}

enum Vectors {
    static let client = load("client")
    static let server = load("server")
    static let refused = load("refused")
    static var all: [Vector] { client + server + refused }

    private struct File: Decodable { var vectors: [Vector] }

    private static func load(_ name: String) -> [Vector] {
        let data = Repository.data("protocol/vectors/frames-\(name).json")
        do { return try JSONDecoder().decode(File.self, from: data).vectors } catch { fatalError("frames-\(name).json: \(error)") }
    }
}

enum Repository {
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    static func data(_ path: String) -> Data {
        guard let data = try? Data(contentsOf: root.appendingPathComponent(path)) else { fatalError("\(path) is not there") }
        return data
    }

    static func text(_ path: String) -> String { String(decoding: data(path), as: UTF8.self) }
}

enum Hex {
    static func bytes(_ text: String) -> [UInt8] {
        let digits = Array(text.utf8).map { $0 < 0x3A ? $0 - 0x30 : $0 - 0x57 }
        return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }

    static func text(_ bytes: some Sequence<UInt8>) -> String { bytes.map { String(format: "%02x", $0) }.joined() }
}

/// Decimal text as a quantity; nil beyond the range.
func units(_ text: String) -> Quantity? {
    guard case .value(let millionths) = DecimalText.read(text, places: Quantity.scale) else { return nil }
    return Quantity(millionths: millionths)
}

func outcome(_ name: String) -> Outcome? { Outcome.allCases.first { "\($0.name)" == name } }
func field(_ name: String) -> EventField? { EventField.allCases.first { "\($0.name)" == name } }

extension EventBlock {
    func string(_ ref: TextRef) -> [UInt8] { [UInt8](text(ref)) }
}
