// What text and JSON in a frame may be, asked through the messages that carry them.

import Core
import Foundation
import Frames
import Testing

@Suite struct TextTests {
    private func isClean(_ text: [UInt8]) -> Bool {
        var writer = ByteWriter()
        text.withUnsafeBytes { writer.appendHello(key: UnsafeRawBufferPointer(start: nil, count: 0), name: $0, requestID: 1) }
        return writer.array.dropFirst(FrameHeader.size).withUnsafeBytes { Hello.decode($0) != nil }
    }

    private func isObject(_ text: String) -> Bool {
        var event = UsageEvent(name: "x")
        event.extras[.meta] = text
        var block = EventBlock()
        #expect(decode(payload(of: frame(of: [event])), into: &block) == .events(1))
        return block.events[0].outcome == .recorded
    }

    @Test func everyByteIsJudgedAtEveryPlace() {
        for byte in UInt8.min...UInt8.max {
            for at in 0..<19 {
                var text = [UInt8](repeating: 0x61, count: 19)
                text[at] = byte
                #expect(isClean(text) == (0x20..<0x7F).contains(byte), "\(byte) at \(at)")
            }
        }
    }

    @Test func sequencesOfUTF8AreJudgedAsTheStandardLibraryDoes() {
        let leads: [UInt8] = [0x7E, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xED, 0xEF, 0xF0, 0xF3, 0xF4, 0xF5]
        let others: [UInt8] = [0x20, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0]
        for lead in leads {
            for second in others {
                for third in others {
                    for prefix in ["", "ascii", "twelve bytes"] {
                        let text = Array(prefix.utf8) + [lead, second, third, 0x80]
                        let decoded = String(validating: text, as: UTF8.self)
                        let expected = decoded.map { $0.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F } } ?? false
                        #expect(isClean(text) == expected)
                    }
                }
            }
        }
    }

    @Test(arguments: [
        "{}", " { } ", "{\"a\":1}", "{\"a\":-0.5e+10,\"b\":[],\"c\":{}}", "{\"a\":[1,2,{\"b\":[null,true,false]}]}",
        "{\"\":\"\\u00e4\\n\\/\"}",
        "{\"a\":\"\\ud83d\\ude00\",\"\\ud83d\\ude01\":1,\"\\ud83d\\ude00\":2}",
        "{\"a\":{\"a\":{\"a\":1},\"b\":2},\"b\":[{\"a\":1},{\"a\":2}]}",
        "{\"a\":\"ü\"}\n", "{\"a\":[[],[{}]] , \"b\" : 0}", "{\"a\":1E5}",
    ])
    func objectsAreAccepted(_ text: String) { #expect(isObject(text)) }

    @Test(arguments: [
        " ", "[]", "1", "null", "{", "}", "{]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{,}", "{a:1}", "{'a':1}", "{\"a\":01}", "{\"a\":1.}",
        "{\"a\":.5}", "{\"a\":+1}", "{\"a\":1e}", "{\"a\":-}", "{\"a\":NaN}", "{\"a\":tru}", "{\"a\":\"\\x\"}", "{\"a\":\"\\u12g4\"}",
        "{\"a\":\"\\u12",
        "{\"a\":\"\u{1}\"}", "{\"a\":\"b}", "{\"a\":1}}", "{}{}", "{\"a\":[1 2]}", "{\"a\":[1,]}", "{\"a\":[1}", "{\"a\" 1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":1}x", "{\"a\":[}]", "{{}}", "{\"a\":{]}",
        "{\"a\":1,\"a\":1}", "{\"a\":1,\"\\u0061\":2}", "{\"b\":{\"a\":1,\"c\":2,\"a\":3}}", "{\"b\":[{\"\\n\":1,\"\\u000A\":2}]}",
        "{\"\":1,\"\":2}", "{\"\\ud83d\\ude00\":1,\"\u{1F600}\":2}", "{\"\u{E9}\":1,\"\\u00E9\":2}", "{\"/\":1,\"\\/\":2}",
        "{\"a\":\"\\ud800\"}", "{\"a\":\"\\udc00\"}", "{\"a\":\"\\ud800\\u0041\"}", "{\"a\":\"\\ud800x\"}", "{\"\\ude00\\ud83d\":1}",
        "{\"a\":\"\\ud800\\ud800\\udc00\"}", "{\"a\":\"\\ud800\\",
    ])
    func everythingElseIsNot(_ text: String) { #expect(!isObject(text)) }

    @Test func objectsAreJudgedAsFoundationDoes() {
        // Every text one edit away from a good one.
        let good = "{\"a\":[1,-2.5e3,\"b\\u0041\"],\"c\":{\"d\":null,\"e\":true}}"
        let bytes = Array(good.utf8)
        for at in bytes.indices {
            for edit in [
                nil, UInt8(ascii: "{"), UInt8(ascii: "\""), UInt8(ascii: ","), UInt8(ascii: "0"), UInt8(ascii: "]"), UInt8(ascii: " "),
            ] {
                var other = bytes
                if let edit { other[at] = edit } else { other.remove(at: at) }
                let text = String(decoding: other, as: UTF8.self)
                let expected = (try? JSONSerialization.jsonObject(with: Data(other))) is [String: Any]
                #expect(isObject(text) == expected, "\(text)")
            }
        }
    }

    @Test func manyKeysAreToldApartAndARepeatedOneIsFound() {
        let keys = (0..<600).map { "\"key-\($0 &* 7919 % 600)\":\($0)" }
        #expect(isObject("{" + keys.joined(separator: ",") + "}"))
        #expect(!isObject("{" + (keys + ["\"key-\\u0035\":0"]).joined(separator: ",") + "}"))
    }

    @Test func nestingIsBoundedAtItsLimit() {
        func nested(_ depth: Int) -> String {
            String(repeating: "{\"a\":", count: depth - 1) + "{}" + String(repeating: "}", count: depth - 1)
        }
        #expect(isObject(nested(Limits.jsonDepth)))
        #expect(!isObject(nested(Limits.jsonDepth + 1)))
        #expect(!isObject("{\"a\":" + String(repeating: "[", count: 5_000)))
    }
}
