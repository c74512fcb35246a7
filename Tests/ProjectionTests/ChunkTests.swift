// Filters of chunks: never a wrong no, and as few wrong yeses as Chunk.swift states.

import Core
import Journal
import Testing

@testable import Projection

/// What a full chunk has in it, and as many values that it has not.
private struct Content {
    var present: [ChunkProbe] = []
    var absentNames: [ChunkProbe] = []
    var absentKeys: [ChunkProbe] = []

    init(flows: Int, _ random: inout Seeded) {
        for _ in 0..<10_000 {
            present.append(Content.key(&random))
            absentKeys.append(Content.key(&random))
        }
        // Numbers as the ledger gives them: small, one after the other, the same for customers and other names.
        let first = UInt64.random(in: 1...50_000, using: &random)
        for number in first..<first + 3_000 { present.append(ChunkProbe(.customer, number)) }
        for number in first + 3_000..<first + 13_000 { absentNames.append(ChunkProbe(.customer, number)) }
        for number in UInt64(1)...10 {
            for field in [ChunkField.feature, .model, .provider, .eventName] {
                present.append(ChunkProbe(field, number))
                for other in 1..<50 { absentNames.append(ChunkProbe(field, number + UInt64(other) * 10)) }
            }
        }
        for number in 0..<flows {
            present.append(Content.flow("flow-\(first)-\(number)"))
            absentNames.append(Content.flow("flow-\(first)-\(number)-not"))
        }
    }

    private static func key(_ random: inout Seeded) -> ChunkProbe {
        let words = (random.next(), random.next())
        return withUnsafeBytes(of: words) { ChunkProbe.text(.key, $0) }
    }

    private static func flow(_ text: String) -> ChunkProbe { Array(text.utf8).withUnsafeBytes { ChunkProbe.text(.flow, $0) } }
}

struct ChunkTests {
    /// The rates are those that Chunk.swift states, one in so many.
    @Test(arguments: [(0, 400.0, 35.0), (3_000, 120.0, 17.0)])
    func aFullFilterSaysNoToWhatIsNotThere(_ flows: Int, _ nameOneIn: Double, _ keyOneIn: Double) {
        var random = Seeded(71)
        var names = (asked: 0, wrong: 0)
        var keys = (asked: 0, wrong: 0)
        for _ in 0..<8 {
            let content = Content(flows: flows, &random)
            var log = ChunkLog()
            log.begin(at: JournalPosition(segment: 0, offset: 4096), firstSequence: 1)
            for probe in content.present { log.insert(probe) }
            log.end(at: JournalPosition(segment: 0, offset: 500_000), events: ChunkLog.chunkEvents, earliest: 1, latest: 2)
            #expect(log.closed.count == 1)
            let chunk = log.closed[0]
            #expect(content.present.allSatisfy { chunk.mayHold([$0]) })
            names.asked += content.absentNames.count
            names.wrong += content.absentNames.count { chunk.mayHold([$0]) }
            keys.asked += content.absentKeys.count
            keys.wrong += content.absentKeys.count { chunk.mayHold([$0]) }
        }
        let (name, key) = (Double(names.wrong) / Double(names.asked), Double(keys.wrong) / Double(keys.asked))
        // Not far below either: then the numbers stated would be wrong.
        #expect(name < 1 / nameOneIn && name > 0.6 / nameOneIn, "names: \(names)")
        #expect(key < 1 / keyOneIn && key > 0.6 / keyOneIn, "keys: \(keys)")
    }

    @Test func theBitsOfAValueAreAsManyAsItsFieldSays() {
        var random = Seeded(72)
        for field in [ChunkField.customer, .feature, .model, .provider, .eventName, .flow, .key, .unpriced] {
            for _ in 0..<200 {
                var log = ChunkLog()
                let probe = ChunkProbe(field, random.next())
                log.begin(at: JournalPosition(segment: 0, offset: 4096), firstSequence: 1)
                log.insert(probe)
                let filter = log.unstored[0].filter
                #expect(filter.reduce(0) { $0 + $1.nonzeroBitCount } == field.bits)
                // Each of them is needed.
                for place in filter.indices where filter[place] != 0 {
                    var less = filter
                    less[place] &= less[place] - 1
                    #expect(!less.withUnsafeBytes { probe.isIn($0) })
                }
            }
        }
    }
}
