// protocol/vectors/json-texts.json as values inside the `meta` of a frame: what HTTP refuses, a frame refuses too.

import Core
import Foundation
import Frames
import Testing

private struct TextVector: Decodable {
    /// A text whose characters are bytes, or one that is repeated.
    struct Part: Decodable {
        var bytes: [UInt8]

        private enum Key: CodingKey { case `repeat`, times }

        init(from decoder: any Decoder) throws {
            if let text = try? decoder.singleValueContainer().decode(String.self) {
                bytes = text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }
            } else {
                let run = try decoder.container(keyedBy: Key.self)
                let text = try run.decode(String.self, forKey: .repeat).unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }
                bytes = Array(repeatElement(text, count: try run.decode(Int.self, forKey: .times)).joined())
            }
        }
    }

    var name: String
    var bytes: [UInt8]
    var isAccepted: Bool
    var alone: Bool

    private enum Key: CodingKey { case name, text, verdict, alone }

    init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: Key.self)
        name = try fields.decode(String.self, forKey: .name)
        isAccepted = try fields.decode(String.self, forKey: .verdict) == "accept"
        alone = try fields.decodeIfPresent(Bool.self, forKey: .alone) ?? false
        let one = try? fields.decode(Part.self, forKey: .text)
        bytes = try one?.bytes ?? fields.decode([Part].self, forKey: .text).flatMap(\.bytes)
    }
}

@Test func aTextVectorInMetaHasTheSameVerdict() throws {
    struct File: Decodable { var texts: [TextVector] }
    let texts = try JSONDecoder().decode(File.self, from: Repository.data("protocol/vectors/json-texts.json")).texts
    #expect(texts.count >= 580)
    for vector in texts where !vector.alone {
        let meta = Array("{\"x\":".utf8) + vector.bytes + Array("}".utf8)
        // A Swift string would mend what is no UTF-8 before it gets into a frame.
        guard let text = String(validating: meta, as: UTF8.self) else {
            #expect(!vector.isAccepted, "\(vector.name)")
            continue
        }
        var event = UsageEvent(name: "x")
        event.extras[.meta] = text
        var block = EventBlock()
        #expect(decode(payload(of: frame(of: [event])), into: &block) == .events(1))
        #expect((block.events[0].outcome == .recorded) == vector.isAccepted, "\(vector.name)")
    }
}
