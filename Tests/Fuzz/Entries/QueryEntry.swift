// Query: targets and their parameters, bodies that filter events, prices given as JSON; and a request with all of them.

import Core
import Pricing
import Wire

@testable import Server

extension FuzzEntry {
    /// A byte of choices, then the text: a target, or a body.
    static let query = FuzzEntry("query") { input in
        var choices = Choices(input)
        let choice = choices.byte()
        let text = choices.data
        try exactly(text) { text in
            try decode(text)
            try filter(text)
            try price(text)
        }
        // Spaces and line ends would make another request of it.
        guard !text.contains(where: { $0 <= 0x20 }) else { return }
        let path = ["/api/v1/client/margins", "/api/v1/client/events", "/api/v1/client/customers", "/api/v1/client/events/"][
            Int(choice & 3)]
        let join = choice & 3 == 3 ? "" : "?"
        let request = Array("GET \(path)\(join)".utf8) + text + Array(" HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
        let host = try FuzzHost.answer(.local, [request[...]], ends: true)
        try demand(host.received.starts(with: Array("HTTP/1.1 ".utf8)), "no answer")
        try demand(!host.received.dropFirst(9).starts(with: Array("5".utf8)), "\(String(decoding: host.received, as: UTF8.self))")
    }

    private static func decode(_ text: UnsafeRawBufferPointer) throws {
        var out = ByteWriter()
        for plusIsSpace in [false, true] {
            out.reset()
            guard HTTPTarget.decode(text, plusIsSpace: plusIsSpace, into: &out) != nil else {
                try demand(out.count == 0, "something malformed left bytes behind")
                continue
            }
            try demand(out.count <= text.count && String(validating: out.array, as: UTF8.self) != nil, "decoded to what is no text")
        }
        var query = HTTPQuery(text)
        var bytes = 0
        while let pair = query.next() { bytes += pair.name.count + pair.value.count }
        try demand(bytes <= text.count, "pairs longer than the query")
        var segments = HTTPPathSegments(text)
        bytes = 0
        while let segment = segments.next() { bytes += segment.count }
        try demand(bytes <= text.count, "segments longer than the path")
    }

    private static func filter(_ text: UnsafeRawBufferPointer) throws {
        let input = exactly([UInt8](text), padding: 64) { FilterInput($0, taking: ["reason"]) }
        guard input.refusal == nil else { return }
        try demand(StrictJSON.accepts(input.text), "the filter is recorded as what is no JSON")
        // What a run records is the filter it was asked for.
        let again = exactly(input.text, padding: 64) { FilterInput($0, taking: []) }
        try demand(again.refusal == nil && again.text == input.text, "\(String(decoding: input.text, as: UTF8.self)) is read otherwise")
    }

    private static func price(_ text: UnsafeRawBufferPointer) throws {
        guard let document = try? exactly([UInt8](text), padding: 64, { try JSONDocument($0) }) else { return }
        let input = PriceInput(document.root)
        guard input.refusal == nil else { return }
        var texts = PriceTexts()
        texts.catalogue = Array("version 1\nprovider a \"A\" own\n".utf8)
        let toml = input.toml.array
        do {
            _ = try toml.withUnsafeBytes { try PriceBook(catalogue: [], own: [PriceBook.Source(name: "a", bytes: $0)]) }
        } catch let error as PriceBookError {
            try demand(error.line >= 0, "no line")
            // What was put together here is TOML, whatever the names in it are.
            try demand(!error.message.contains("no key, value or table"), "\(error) in \(String(decoding: toml, as: UTF8.self))")
        }
    }
}
