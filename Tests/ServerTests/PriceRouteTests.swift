// Prices over HTTP: what is taken is in force at once and after a restart, what is wrong is named.

import Core
import Journal
import Ledger
import Testing

@testable import Server

private let base = "/api/v1/client"

@Suite struct PriceRouteTests {
    private func send(_ host: Host, _ client: Int, _ line: String, _ body: String = "", _ fields: [String] = []) throws -> (Int, String) {
        let replies = Reply.all(try host.exchange(client, request(line, body, fields)))
        guard replies.count == 1 else {
            Issue.record("\(replies)")
            return (0, "")
        }
        return (replies[0].status, replies[0].body)
    }

    @Test func aPriceIsSetReplacedListedAndRemoved() throws {
        let host = try Host()
        let client = host.connect()
        let set = try send(
            host, client, "POST \(base)/prices",
            """
            {"id":"deal","model":"custom-1","provider":"openai","from":"2026-01-01T00:00:00Z",
            "rates":{"input":"2/M","output":0.000004}}
            """
        )
        #expect(set.0 == 201)
        #expect(set.1.contains("rates = { \\\"input\\\" = \\\"2/M\\\", \\\"output\\\" = \\\"0.000004\\\" }"))
        let event =
            """
            {"eventName":"c","costInput":{"model":"custom-1","modelProvider":"openai","inputTokens":1000000,"outputTokens":1000}}
            """
        #expect(try send(host, client, eventsPath, event).1.contains("\"costAmount\":2.004"))
        #expect(try send(host, client, "POST \(base)/prices", "{\"id\":\"deal\",\"model\":\"custom-1\",\"perUnit\":1}").0 == 201)
        let list = try send(host, client, "GET \(base)/prices").1
        #expect(list.split(separator: "\"source\":\"api\"", omittingEmptySubsequences: false).count == 2)
        let again = try host.restarted()
        #expect(again.server.ledger.shelf.own.map { String(decoding: $0.id, as: UTF8.self) } == ["deal"])
        #expect(try send(host, client, "DELETE \(base)/prices/deal").0 == 200)
        #expect(try send(host, client, "DELETE \(base)/prices/deal").0 == 404)
        #expect(try host.restarted().server.ledger.shelf.own.isEmpty)
    }

    @Test func whatIsNoPriceIsRefusedByName() throws {
        let host = try Host()
        let client = host.connect()
        let wrong: [(String, String)] = [
            ("[]", "a price, as in prices, is an object"), ("{}", "id: a text"), ("{\"id\":7}", "id: a text"),
            ("{\"id\":\"a b\",\"perUnit\":1}", "an id has"),
            ("{\"id\":\"a\"}", "only one of them"), ("{\"id\":\"a\",\"perUnit\":\"-1\"}", "not a rate"),
            ("{\"id\":\"a\",\"rates\":{\"inputs\":1}}", "unknown kind of usage"), ("{\"id\":\"a\",\"rates\":{\"input\":[]}}", "rates:"),
            ("{\"id\":\"a\",\"perUnit\":1,\"color\":2}", "unknown field 'color'"),
            ("{\"id\":\"a\",\"perUnit\":1,\"from\":\"yesterday\"}", "not a date"),
            ("{\"id\":\"a\",\"discountPercent\":\"101\"}", "0 to 100"),
            ("{\"id\":\"a\",\"rates\":{\"input\":1},\"variants\":[{}]}", "without rates"),
            ("{\"id\":\"a\",\"rates\":{\"input\":1},\"variants\":[{\"tier\":\"slow\",\"rates\":{\"input\":1}}]}", "unknown tier"),
            ("{\"id\":\"a\",\"model\":\"x\\u0001\",\"perUnit\":1}", "model: a text"),
        ]
        for (body, message) in wrong {
            let reply = try send(host, client, "POST \(base)/prices", body)
            #expect(reply.0 == 400 && reply.1.contains("\"code\":\"invalid_prices\"") && reply.1.contains(message), "\(body): \(reply.1)")
        }
        for malformed in ["{", "{\"id\":\"a\",\"rates\":{\"input\":1,\"input\":2}}", "{\"id\":\"a\",\"perUnit\":1,\"id\":\"b\"}"] {
            #expect(try send(host, client, "POST \(base)/prices", malformed).0 == 400)
        }
        #expect(host.server.ledger.shelf.own.isEmpty)
    }

    @Test func allPricesOfTheAPITogetherAreBoundedToTheByte() throws {
        let host = try Host()
        let client = host.connect()
        let price = "{\"id\":\"last\",\"model\":\"m\",\"perUnit\":1}"
        let longer = "{\"id\":\"last\",\"model\":\"m\",\"perUnit\":10}"
        #expect(try send(host, client, "POST \(base)/prices", price).0 == 201)
        var rest = Limits.ownPricesBytes - host.server.ledger.shelf.own[0].text.count
        #expect(try send(host, client, "DELETE \(base)/prices/last").0 == 200)
        while rest > 0 {
            let id = Array("filler-\(rest)".utf8)
            var text = Array("[[price]]\nid = \"filler-\(rest)\"\nmodel = \"f\(rest)\"\nper_unit = \"1\"\n#".utf8)
            let length = rest < 2 * Limits.ownPriceBytes ? rest : Limits.ownPriceBytes
            text += [UInt8](repeating: UInt8(ascii: "x"), count: length - text.count)
            rest -= length
            let change = try host.server.ledger.prices(with: id, text: text, at: host.now.wall)
            let room = host.server.pipelineBox.pointee.makeRoom(firstSequence: host.server.ledger.nextSequence, now: host.now.wall)
            #expect(room == .ready)
            var fact = OwnPriceFact(operation: .set, at: host.now.wall, id: id)
            fact.text = text
            host.server.ledger.apply(change, fact, into: &host.server.pipelineBox.pointee.openBatch().pointee)
            try host.settle()
        }
        let over = try send(host, client, "POST \(base)/prices", longer)
        #expect(over.0 == 409 && over.1.contains("longer together than they may be (1 MiB)"), "\(over)")
        #expect(try send(host, client, "POST \(base)/prices", price).0 == 201)
        // One that takes the place of another counts instead of it.
        #expect(try send(host, client, "POST \(base)/prices", longer).0 == 409)
        #expect(try send(host, client, "POST \(base)/prices", price).0 == 201)
        #expect(host.server.ledger.shelf.own.reduce(0) { $0 + $1.text.count } == Limits.ownPricesBytes)
        let filler = String(decoding: host.server.ledger.shelf.own[0].id, as: UTF8.self)
        #expect(try send(host, client, "DELETE \(base)/prices/\(filler)").0 == 200)
        #expect(try send(host, client, "POST \(base)/prices", longer).0 == 201)
    }

    @Test func aPriceIsTextAndNeverToml() throws {
        let host = try Host()
        let client = host.connect()
        let hostile = "x\\\"\\nrates = { input = \\\"0\\\" }\\n[[price]]\\nid = \\\"b"
        let reply = try send(host, client, "POST \(base)/prices", "{\"id\":\"a\",\"feature\":\"\(hostile)\",\"perUnit\":1}")
        #expect(reply.0 == 400)
        let quoted = try send(host, client, "POST \(base)/prices", "{\"id\":\"a\",\"feature\":\"say \\\"\\\\u0041\\\"\",\"perUnit\":1}")
        #expect(quoted.0 == 201 && host.server.ledger.shelf.own.count == 1)
        let event = "{\"eventName\":\"c\",\"featureKey\":\"say \\\"\\\\u0041\\\"\",\"costInput\":{\"inputTokens\":3}}"
        let priced = try send(host, client, eventsPath, event).1
        #expect(priced.contains("\"costAmount\":3"), "\(priced)")
    }

    @Test func aCatalogueIsTakenWholeAndHoldsAfterARestart() throws {
        let host = try Host()
        let client = host.connect()
        let text =
            "version 2999-01-01-00000000\nprovider openai\ntitle OpenAI\nmaker *\nmodel gpt-4o\nnames gpt-4o\nrate input=9/M output=1/M\n"
        let reply = try send(
            host, client, "PUT \(base)/prices/catalogue", text, ["Content-Type: text/plain"])
        #expect(reply.0 == 200 && reply.1.contains("\"applied\":true"), "\(reply)")
        #expect(host.server.ledger.priceBookVersion == "2999-01-01-00000000")
        #expect(try host.restarted().server.ledger.shelf.loaded?.version == Array("2999-01-01-00000000".utf8))
        let old = text.replacing("2999-01-01-00000000", with: "")
        let refused = try send(
            host, client, "PUT \(base)/prices/catalogue", old, ["Content-Type: text/plain"])
        #expect(refused.0 == 400)
        #expect(host.server.ledger.priceBookVersion == "2999-01-01-00000000")
    }

    @Test func aSimulationNeedsSomethingToTry() throws {
        let host = try Host()
        let client = host.connect()
        let wrong = [
            "{}", "{\"groupBy\":[\"model\"]}", "{\"substitutions\":[{}]}", "{\"substitutions\":[{\"model\":\"a\"}]}",
            "{\"substitutions\":{}}",
            "{\"pricesToml\":1}", "{\"prices\":[{}]}", "{\"substitutions\":[{\"model\":\"a\",\"asModel\":\"b\"}],\"groupBy\":[\"colour\"]}",
            "{\"substitutions\":[{\"model\":\"a\",\"asModel\":\"b\"}],\"colour\":1}",
        ]
        for body in wrong { #expect(try send(host, client, "POST \(base)/simulations", body).0 == 400, "\(body)") }
        let good =
            """
            {"substitutions":[{"model":"a","asModel":"b","asProvider":null}],"groupBy":["day"],"timezone":"Europe/Berlin"}
            """
        #expect(try send(host, client, "POST \(base)/simulations", good).0 == 200)
    }
}
