import Glibc
import Testing

@testable import purser

@Suite struct EventLinesTests {
    /// All lines of a file with this content: their numbers and their text.
    private func lines(_ content: [UInt8]) throws -> [(Int, String)] {
        var template = Array("/tmp/purser-lines-XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { unlink(path) }
        #expect(content.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) } == content.count)
        close(descriptor)
        var reader = try EventLines(path)
        var found: [(Int, String)] = []
        while true {
            switch reader.next() {
            case .lines(let bytes):
                let texts = bytes.split(separator: 0x0A).map { String(decoding: $0, as: UTF8.self) }
                    .filter { $0.contains { $0 != " " && $0 != "\r" } }
                #expect(texts.count == reader.numbers.count)
                #expect(texts.count <= EventLines.most)
                found += zip(reader.numbers, texts)
            case .end: return found
            case .pause: Issue.record("a file does not pause")
            case .tooLong(let number): return found + [(number, "too long")]
            case .failed(let number): throw Failure.usage("\(number)")
            }
        }
    }

    @Test func linesKeepTheirNumbersAcrossBlankOnes() throws {
        let found = try lines(Array("a\n\n  \r\nb\r\n\nc".utf8))
        #expect(found.map(\.0) == [1, 4, 6])
        #expect(found.map(\.1) == ["a", "b\r", "c"])
        #expect(try lines([]).isEmpty)
        #expect(try lines(Array("\n\n".utf8)).isEmpty)
    }

    @Test func aByteOrderMarkIsNotPartOfTheFirstLine() throws {
        #expect(try lines([0xEF, 0xBB, 0xBF] + Array("a\nb\n".utf8)).map(\.1) == ["a", "b"])
    }

    @Test func manyLinesComeInRunsAndNoneIsLost() throws {
        var content: [UInt8] = []
        for index in 0..<50_000 { content += Array("{\"n\":\(index)}\(String(repeating: " ", count: index % 97))\n".utf8) }
        let found = try lines(content)
        #expect(found.count == 50_000)
        #expect(found.enumerated().allSatisfy { $0.offset + 1 == $0.element.0 })
        #expect(found.last?.1.hasPrefix("{\"n\":49999}") == true)
    }

    @Test func aLineWithoutEndIsRefusedAndThoseBeforeItCount() throws {
        let found = try lines(Array("a\nb\n".utf8) + [UInt8](repeating: 0x78, count: EventLines.longest + 1))
        #expect(found.map(\.0) == [1, 2, 3])
        #expect(found.last?.1 == "too long")
    }

    @Test func aPipeHandsOutWhatItHasAndThenPauses() {
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        var reader = EventLines(descriptor: ends[0], isOwned: true)
        func put(_ text: String) { _ = Array(text.utf8).withUnsafeBytes { write(ends[1], $0.baseAddress, $0.count) } }
        put("one\ntw")
        guard case .lines(let first) = reader.next() else {
            Issue.record("no line")
            return
        }
        #expect(String(decoding: first, as: UTF8.self) == "one\n")
        guard case .pause = reader.next() else {
            Issue.record("no pause")
            return
        }
        put("o\nthree\n")
        guard case .lines(let second) = reader.next() else {
            Issue.record("no line")
            return
        }
        #expect(String(decoding: second, as: UTF8.self) == "two\nthree\n")
        #expect(reader.numbers == [2, 3])
        close(ends[1])
        var isOver = false
        for _ in 0..<2 {
            if case .end = reader.next() { isOver = true }
        }
        #expect(isOver)
    }
}
