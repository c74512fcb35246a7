// protocol/vectors/json-texts.json against every reader of JSON in this room: alone, and as a value inside an event.

import Core
import Foundation
import Testing
import Wire

private struct TextVector: Decodable {
    enum Verdict: String, Decodable { case accept, refuse }

    var name: String
    var text: VectorBytes
    var verdict: Verdict
    var alone: Bool?

    var isAccepted: Bool { verdict == .accept }

    static let all: [TextVector] = {
        struct File: Decodable { var texts: [TextVector] }
        do { return try JSONDecoder().decode(File.self, from: Vectors.data("json-texts.json")).texts } catch {
            fatalError("json-texts.json: \(error)")
        }
    }()
}

/// Whether the one event of a body is recorded.
private func isRecorded(_ body: [UInt8], _ shape: EventJSON.Shape, _ reader: inout EventJSON) -> Bool {
    var block = EventBlock()
    return body.withUnsafeBytes { bytes in
        guard case .ok = reader.read(bytes, shape: shape, into: &block) else { return false }
        return block.count == 1 && block.events[0].outcome == .recorded
    }
}

@Test func everyTextVectorHasItsVerdict() {
    #expect(TextVector.all.count >= 580)
    #expect(Set(TextVector.all.map(\.name)).count == TextVector.all.count)
    for vector in TextVector.all {
        let document = try? JSONDocument(vector.text.bytes, uniqueKeys: true)
        #expect((document != nil) == vector.isAccepted, "\(vector.name)")
    }
}

@Test func aTextVectorInsideAnEventHasTheSameVerdict() {
    var reader = EventJSON()
    for vector in TextVector.all where vector.alone != true {
        let text = vector.text.bytes
        let unknown = bytes("{\"eventName\":\"v\",\"unknown\":") + text + bytes("}")
        let inMeta = bytes("{\"meta\":{\"x\":") + text + bytes("},\"eventName\":\"v\"}")
        let inCost = bytes("{\"eventName\":\"v\",\"costInput\":{\"unknown\":") + text + bytes("}}")
        // Two levels around it; the outermost texts of 15 levels have room for one.
        let isDeep = vector.name.hasPrefix("depth: 15")
        #expect(isRecorded(unknown, .single, &reader) == vector.isAccepted, "\(vector.name), in a field that is not known")
        #expect(isRecorded(inMeta, .single, &reader) == (vector.isAccepted && !isDeep), "\(vector.name), in meta")
        #expect(isRecorded(inCost, .single, &reader) == (vector.isAccepted && !isDeep), "\(vector.name), in costInput")
        let inArray = bytes("[") + unknown + bytes("]")
        #expect(isRecorded(inArray, .array, &reader) == vector.isAccepted, "\(vector.name), in an array")
        if !text.contains(0x0A) {
            #expect(isRecorded(unknown + [0x0A], .ndjson, &reader) == vector.isAccepted, "\(vector.name), as a line")
        }
    }
}

@Test func aTextVectorIsReadTheSameWithAnythingBefore() {
    // The reader keeps its memory: what one text left behind must not show in the next.
    var reader = EventJSON()
    for vector in TextVector.all.reversed() where vector.alone != true {
        let event = bytes("{\"eventName\":\"v\",\"unknown\":") + vector.text.bytes + bytes("}")
        #expect(isRecorded(event, .single, &reader) == vector.isAccepted, "\(vector.name)")
        #expect(isRecorded(bytes("{\"eventName\":\"\\u0061\",\"meta\":{\"a\":1,\"b\":2}}"), .single, &reader), "after \(vector.name)")
    }
}
