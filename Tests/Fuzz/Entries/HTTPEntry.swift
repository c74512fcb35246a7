// HTTP: the head, the chunked body, and a whole session. Nothing depends on how the bytes arrive; there is never an answer to
// something that was not asked; and a reader that does no more than count bytes sees the same requests.

import Core
import Server
import Wire

extension FuzzEntry {
    static let http = FuzzEntry("http") { input in
        let arrival = Arrival(input)
        try readHead(arrival.bytes, arrival.pieces)
        try readChunks(arrival.bytes, arrival.pieces)
        let host = try arrival.answers()
        guard arrival.bytes.first != 0xF5 else { return }
        let answers = try statuses(host.received)
        let ends = arrival.bytes.all("\r\n\r\n").count
        try demand(answers.count <= ends + 1, "\(answers.count) answers, \(ends) heads")
        if !host.closed {
            let asked = requests(arrival.bytes)
            try demand(asked == answers.count, "\(answers) to \(asked) requests")
        }
    }

    private static func describe(_ result: HTTPHeadResult) -> String {
        switch result {
        case .needMore: "more"
        case .refused(let refusal): "\(refusal.status) \(refusal.message)"
        case .head(let head, let consumed): "\(head) \(consumed)"
        }
    }

    private static func readHead(_ bytes: [UInt8], _ pieces: [ArraySlice<UInt8>]) throws {
        let whole = exactly(bytes) { bytes in
            var scanned = 0
            return HTTPRequestHead.parse(bytes, scanned: &scanned)
        }
        if case .head(_, let consumed) = whole { try demand(consumed <= bytes.count, "a head beyond the end") }
        var scanned = 0
        for piece in pieces {
            let part = exactly(Array(bytes[..<piece.endIndex])) { HTTPRequestHead.parse($0, scanned: &scanned) }
            if case .needMore = part { continue }
            try demand(describe(part) == describe(whole), "whole: \(describe(whole)); \(piece.endIndex) bytes: \(describe(part))")
            return
        }
        // What is wrong with a head that has not ended may be said at once or when it ends.
        if case .head = whole { throw Finding("a head only when it comes whole") }
    }

    private static func readChunks(_ bytes: [UInt8], _ pieces: [ArraySlice<UInt8>]) throws {
        func decode(_ pieces: [ArraySlice<UInt8>]) -> (body: [UInt8], end: Int, state: String) {
            var decoder = ChunkedBody()
            var body = ByteWriter()
            var at = 0
            for piece in pieces {
                let (consumed, state) = exactly(Array(bytes[at..<piece.endIndex])) { decoder.feed($0, into: &body) }
                at += consumed
                switch state {
                case .needMore: continue
                case .done: return (body.array, at, "done")
                case .refused(let refusal): return ([], 0, "\(refusal.status)")
                }
            }
            return (body.array, at, "more")
        }
        let whole = decode([bytes[...]])
        try demand(decode(pieces) == whole, "a chunked body depends on how it arrives")
        if whole.state == "done" {
            let plain = chunked(bytes[...])
            try demand(plain?.body == whole.body && plain?.end == whole.end, "a chunked body that a plain reader reads otherwise")
        }
    }

    // MARK: The plain reader

    /// Status of each answer. A body is not looked for where another answer or nothing follows: the request was HEAD.
    private static func statuses(_ received: [UInt8]) throws -> [Int] {
        var rest = received[...]
        var list: [Int] = []
        let start = Array("HTTP/1.1 ".utf8)
        while !rest.isEmpty {
            guard rest.starts(with: start), let end = rest.first("\r\n\r\n"),
                let status = Int(String(decoding: rest.dropFirst(9).prefix(3), as: UTF8.self))
            else { throw Finding("not an answer: \(String(decoding: rest, as: UTF8.self))") }
            let head = String(decoding: rest[..<end.lowerBound], as: UTF8.self).lowercased()
            rest = rest[end.upperBound...]
            if status == 100 { continue }
            list.append(status)
            guard let length = field("content-length", head), let count = Int(length), count > 0 else { continue }
            if rest.isEmpty || rest.starts(with: start) { continue }
            try demand(rest.count >= count, "a body that is cut short")
            let body = Array(rest.prefix(count))
            if field("content-type", head)?.hasPrefix("application/json") == true {
                try demand(StrictJSON.accepts(body), "an answer that is no JSON: \(String(decoding: body, as: UTF8.self))")
            }
            rest = rest.dropFirst(count)
        }
        return list
    }

    private static func field(_ name: String, _ head: String) -> String? {
        for line in head.split(separator: "\r\n").dropFirst() where line.hasPrefix(name + ":") {
            return String(line.dropFirst(name.count + 1)).trimming
        }
        return nil
    }

    /// Whole requests in these bytes, for one who has read that all of them are well-formed.
    private static func requests(_ bytes: [UInt8]) -> Int {
        var rest = bytes[...]
        var count = 0
        while true {
            while rest.starts(with: [0x0D, 0x0A]) { rest = rest.dropFirst(2) }
            guard let end = rest.first("\r\n\r\n") else { return count }
            let head = String(decoding: rest[..<end.lowerBound], as: UTF8.self).lowercased()
            rest = rest[end.upperBound...]
            if field("transfer-encoding", head) != nil {
                guard let body = chunked(rest) else { return count }
                rest = rest[body.end...]
            } else if let length = field("content-length", head).flatMap({ Int($0) }) {
                guard rest.count >= length else { return count }
                rest = rest.dropFirst(length)
            }
            count += 1
        }
    }

    /// A chunked body and where it ends; nil when it does not.
    private static func chunked(_ bytes: ArraySlice<UInt8>) -> (body: [UInt8], end: Int)? {
        var rest = bytes
        var body: [UInt8] = []
        while let lineEnd = rest.first("\r\n") {
            let line = String(decoding: rest[..<lineEnd.lowerBound], as: UTF8.self)
            let digits = line.prefix { $0.isHexDigit }
            guard let size = Int(digits, radix: 16) else { return nil }
            rest = rest[lineEnd.upperBound...]
            if size == 0 {
                while let next = rest.first("\r\n") {
                    let isLast = next.lowerBound == rest.startIndex
                    rest = rest[next.upperBound...]
                    if isLast { return (body, rest.startIndex) }
                }
                return nil
            }
            guard rest.count >= size + 2 else { return nil }
            body += rest.prefix(size)
            rest = rest.dropFirst(size + 2)
        }
        return nil
    }
}

extension String {
    fileprivate var trimming: String {
        String(drop { $0 == " " || $0 == "\t" }.reversed().drop { $0 == " " || $0 == "\t" }.reversed())
    }
}
