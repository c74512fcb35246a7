// Prices for people: found by a part of a name, with what they were, are and will be.

import Core
import Foundation
import Journal
import Testing

@testable import Projection

private let now = Timestamp(nanoseconds: 1_780_000_000_000_000_000)

private func json(_ answer: QueryAnswer) throws -> [String: Any] {
    #expect(answer.status == 200)
    return try #require(try JSONSerialization.jsonObject(with: Data(answer.data)) as? [String: Any])
}

private func items(_ answer: QueryAnswer, _ member: String = "items") throws -> [[String: Any]] {
    try #require(try json(answer)[member] as? [[String: Any]])
}

private func texts(own: String = "") -> PriceTexts {
    var texts = TestPrices.first.texts
    if !own.isEmpty {
        texts.own = [
            PriceTexts.Text(name: PriceTexts.name(ofSet: Array("house".utf8)), bytes: Array(own.utf8))
        ]
    }
    return texts
}

@Suite struct PriceListTests {
    @Test func modelsAreFoundByAPartOfTheirName() throws {
        let projection = try openProjection(try TestJournal())
        func names(_ search: String?, provider: String? = nil) throws -> [String] {
            var query = ModelsQuery(prices: texts(), at: now)
            query.search = search.map { Array($0.utf8) }
            query.provider = provider.map { Array($0.utf8) }
            return try items(projection.answer(.models(query), now: now)).compactMap {
                $0["model"] as? String
            }
        }
        #expect(try names(nil) == ["claude", "gpt-5.5"])
        #expect(
            try names("GPT") == ["gpt-5.5"] && names("nthrop") == ["claude"] && names("nothing").isEmpty)
        #expect(try names(nil, provider: "OpenAI") == ["gpt-5.5"])
        var query = ModelsQuery(prices: texts(), at: now)
        query.limit = 1
        query.offset = 1
        let page = try json(projection.answer(.models(query), now: now))
        #expect((page["pagination"] as? [String: Any])?["total"] as? Int == 2)
        let item = try #require((page["items"] as? [[String: Any]])?.first)
        #expect(item["row"] as? String == "catalogue:2026-01-01:openai/gpt-5.5")
        let text = String(decoding: projection.answer(.models(query), now: now).data, as: UTF8.self)
        #expect(
            text.contains(
                "{\"kind\":\"inputTokens\",\"rate\":0.00000125},{\"kind\":\"outputTokens\",\"rate\":0.00001}"
            ))
    }

    @Test func theChangesOfAPriceAreInOrder() throws {
        let projection = try openProjection(try TestJournal())
        let own = """
            [[price]]
            id = "house"
            model = "gpt-5.5"
            from = 2026-02-01T00:00:00Z
            until = 2026-05-01T00:00:00Z
            rates = { input = "9/M", output = "9/M" }
            """
        var query = ModelQuery(prices: texts(own: own), model: Array("gpt-5.5".utf8))
        query.provider = Array("openai".utf8)
        let changes = try items(projection.answer(.model(query), now: now), "changes")
        #expect(
            changes.map { $0["from"] as? String } == [
                nil, "2026-02-01T00:00:00Z", "2026-05-01T00:00:00Z",
            ])
        #expect(
            changes.map { $0["source"] as? String } == [
                "catalogue:2026-01-01:openai/gpt-5.5", "custom:house",
                "catalogue:2026-01-01:openai/gpt-5.5",
            ])
        #expect(
            changes.allSatisfy {
                ($0["rates"] as? [Any])?.count == 2 && ($0["cards"] as? [Any])?.isEmpty == false
            })
        // Listed with when it holds, and that it can be taken back.
        let listed = try items(
            projection.answer(.models(ModelsQuery(prices: texts(own: own), at: now)), now: now), "own")
        #expect(
            listed.count == 1 && listed[0]["source"] as? String == "api"
                && listed[0]["inForce"] as? Bool == false)
        let unknown = try json(
            projection.answer(.model(ModelQuery(prices: texts(), model: Array("nobody".utf8))), now: now))
        #expect(
            (unknown["changes"] as? [Any])?.isEmpty == true
                && unknown["unpricedReason"] as? String == "unknown_model")
    }

    @Test func modelsWithoutAPriceComeWithTheReason() throws {
        let journal = try TestJournal()
        func event(_ key: String, _ model: String?, _ cost: Int64?) -> TestEvent {
            var event = TestEvent()
            event.key = key
            event.model = model
            event.provider = "openai"
            event.cost = cost
            return event
        }
        try journal.commit([
            event("a", "gpt-5.5", nil), event("b", "nobody", nil), event("c", "nobody", nil),
            event("d", "gpt-5.5", 5), event("e", "fine", 1),
        ])
        let projection = try openProjection(journal)
        #expect(projection.catchUp(through: journal.end))
        let found = try items(projection.answer(.unpriced(UnpricedQuery(prices: texts())), now: now))
        #expect(
            found.map { $0["model"] as? String } == ["nobody", "gpt-5.5"]
                && found.map { $0["events"] as? Int } == [2, 1])
        #expect(
            found.map { $0["hasPrice"] as? Bool } == [false, true]
                && found[0]["reason"] as? String == "unknown_model")
    }

    @Test func everyRateIsALineOfTheExport() throws {
        let projection = try openProjection(try TestJournal())
        let query = ExportQuery(
            subject: .models(ModelsQuery(prices: texts(), at: now)), format: .csv, id: 1)
        let lines = String(decoding: projection.answer(.export(query), now: now).data, as: UTF8.self)
            .components(separatedBy: "\r\n")
        #expect(lines.count == 6 && lines[0] == "modelProvider,model,kind,rate,row,source")
        #expect(
            lines[1].hasPrefix(
                "anthropic,claude,inputTokens,0.000003,catalogue:2026-01-01:anthropic/claude,"))
    }
}
