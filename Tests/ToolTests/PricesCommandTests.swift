import Core
import Pricing
import Testing

@testable import purser

private var builtInDigest: String {
    var text = ByteWriter(capacity: 64)
    PriceBook.digest(catalogue: nil).bytes.withUnsafeBytes { text.append(hex: $0) }
    return text.string
}

private let own = """
    [{"source":"file","name":"/etc/p.d/a.toml","text":"[[price]]\\nid = \\"half\\"\\ndiscount_percent = 50\\n\
    provider = \\"anthropic\\"\\n"},\
    {"source":"api","id":"acme","setAt":"2026-11-23T00:00:00Z","text":"[[price]]\\nid = \\"acme\\"\\nmodel = \\"gpt-4o\\"\\n\
    feature = \\"chat\\"\\nuntil = 2199-01-01\\nrates = { input = \\"2/M\\", output = \\"8/M\\" }\\n"}]
    """

private func prices(_ digest: String, builtIn: Bool = true) -> String {
    "{\"catalogue\":{\"version\":\"2026-11-23\",\"sha256\":\"\(digest)\",\"rows\":1,\"builtIn\":\(builtIn)},\"own\":\(own)}"
}

private let tiny = """
    version 2027-01-01
    provider openai
    model gpt-9
    names gpt-9
    rate input=3/M output=9/M

    """

@Suite struct PricesCommandTests {
    @Test func pricesOfOnesOwnCountAndAreListed() throws {
        let daemon = try ScriptedDaemon()
        defer { daemon.end() }
        daemon.data("GET /prices", prices(builtInDigest))
        let list = try daemon.tool("prices", "list", "--own")
        #expect(
            list.output == """
                id    for                       when              price              from
                half  every model by anthropic  always            50% off            /etc/p.d/a.toml
                acme  gpt-4o, feature chat      until 2199-01-01  input 2, output 8  API
                2 prices of your own, before the catalogue's; tokens per million

                """)
        #expect(list.errors.contains("catalogue \(try PriceList.builtIn().version) (built in), 2 of your own"))
        // The catalogue is the one this program has: it does not travel.
        #expect(daemon.requests.map(\.target) == ["/api/v1/client/prices"])

        let quote = try daemon.tool("price", "--model", "gpt-4o", "--feature", "chat", "--input", "1000", "--output", "7")
        #expect(quote.output.contains("custom:acme"))
        #expect(quote.output.hasSuffix("cost in USD                     0.002056\n"))
        #expect(try daemon.tool("price", "--model", "gpt-4o", "--input", "1000", "--json").output.contains("catalogue:"))
        let half = try daemon.tool("price", "--model", "claude-opus-4-6", "--input", "1000", "--json")
        #expect(half.output.contains(#""costAmount":0.0025"#))
        #expect(half.output.contains(#""from":"daemon""#))
        let builtIn = try daemon.tool("price", "--model", "claude-opus-4-6", "--input", "1000", "--builtin", "--json")
        #expect(builtIn.output.contains(#""costAmount":0.005"#))
        #expect(builtIn.errors == "")
    }

    @Test func aLoadedCatalogueIsFetchedAndUsed() throws {
        let daemon = try ScriptedDaemon()
        defer { daemon.end() }
        daemon.data("GET /prices", prices(String(repeating: "0", count: 64), builtIn: false))
        daemon.on("GET /prices/catalogue", tiny, type: "text/plain; charset=utf-8")
        let list = try daemon.tool("prices", "list", "--provider", "openai")
        #expect(list.output.contains("openai    gpt-9      3       9"))
        #expect(list.errors.contains("catalogue 2027-01-01 (loaded)"))
        #expect(try daemon.tool("prices", "show", "gpt-4o").status == 1)
    }

    @Test func aSourceIsShownWithWhenItCounts() throws {
        let daemon = try ScriptedDaemon()
        defer { daemon.end() }
        daemon.data("GET /prices", prices(builtInDigest))
        let shown = try daemon.tool("prices", "show", "gpt-4o", "--feature", "chat").output
        #expect(
            shown.hasPrefix(
                """
                custom:acme
                  gpt-4o, feature chat, until 2199-01-01

                when    inputTokens  outputTokens
                always            2             8

                catalogue:\(try PriceList.builtIn().version):openai/gpt-4o

                """))
        #expect(!(try daemon.tool("prices", "show", "gpt-4o").output.contains("custom:")))
    }

    @Test func aNamedDaemonMustAnswerAndAnUnnamedOneNeedNot() throws {
        let gone = try ScriptedDaemon.tool(["--to", "unix:/nonexistent/socket", "price", "--model", "gpt-4o", "--input", "1"])
        #expect(gone.status == 3)
        #expect(gone.output == "")
        let prices = try PricesInForce.builtIn("nobody there\nmore")
        #expect(prices.text.hasSuffix("without any of your own: nobody there."))
        // A file whose text this program cannot read is not passed over.
        let daemon = try ScriptedDaemon()
        defer { daemon.end() }
        daemon.data(
            "GET /prices",
            "{\"catalogue\":{\"sha256\":\"\(builtInDigest)\"},\"own\":["
                + "{\"source\":\"file\",\"name\":\"x.toml\",\"text\":\"[[later]]\\nid=1\"}]}"
        )
        let refused = try daemon.tool("prices", "list")
        #expect(refused.status == 1)
        #expect(refused.errors.contains("x.toml:2: expected [[price]]"))
    }

    @Test func aPriceIsSentAsItWasTyped() throws {
        let daemon = try ScriptedDaemon()
        defer { daemon.end() }
        daemon.data("POST /prices", #"{"source":"api","id":"acme","setAt":"2026-11-23T00:00:00Z","text":"…"}"#, status: 201)
        daemon.on("DELETE /prices/acme", #"{"success":true}"#)
        let set = try daemon.tool(
            "prices", "set", "acme", "--model", "gpt-*", "--provider", "openai", "--feature", "chat", "--from", "2026-08", "--until",
            "2027-01-01", "--rate", "input=2.50/M", "--rate", "seconds=0.36/h", "--tier", "batch:input=1/M,output=0.10", "--tier",
            "standard:above=200000,input=5/M")
        #expect(set.status == 0)
        #expect(set.output.contains("reprice --feature chat --from 2026-08"))
        let discount = try daemon.tool("prices", "set", "d", "--discount", "12.50")
        #expect(discount.status == 0, "\(discount.errors)")
        #expect(try daemon.tool("prices", "set", "u", "--per-unit", "0.002").status == 0)
        #expect(try daemon.tool("prices", "remove", "acme").output == "acme is removed. What it has priced keeps its cost.\n")
        #expect(
            daemon.requests.map(\.body) == [
                #"{"id":"acme","provider":"openai","model":"gpt-*","feature":"chat","#
                    + #""from":"2026-08-01T00:00:00Z","until":"2027-01-01T00:00:00Z","rates":{"input":"2.50/M","seconds":"0.36/h"},"#
                    + #""variants":[{"tier":"batch","rates":{"input":"1/M","output":"0.10"}},"#
                    + #"{"tier":"standard","above":200000,"rates":{"input":"5/M"}}]}"#,
                #"{"id":"d","discountPercent":"12.50"}"#, #"{"id":"u","perUnit":"0.002"}"#, "",
            ])
    }

    @Test func aPriceIsOneThing() {
        for line in [
            "prices set", "prices set a", "prices set a --rate input=1/M --discount 5", "prices set a --rate input",
            "prices set a --rate =1",
            "prices set a --rate input=1 --rate input=2", "prices set a --rate input=1 --tier batch",
            "prices set a --rate input=1 --tier :x=1",
            "prices set a --rate input=1 --tier batch:above=x,input=1", "prices set a --discount 5 --tier batch:input=1",
            "prices set a --discount 5 --from whenever", "prices remove",
        ] {
            #expect(Main.run(line.split(separator: " ").map(String.init)) == 2, "\(line)")
        }
    }

    @Test func whatHasNoPriceIsSaidWithWhatToDo() throws {
        let daemon = try ScriptedDaemon()
        defer { daemon.end() }
        daemon.data("GET /prices", prices(builtInDigest))
        daemon.data(
            "GET /margins",
            """
            {"items":[{"modelProvider":"openai","model":"gpt-4o","events":1},{"modelProvider":"openai","model":"no such","events":1200},\
            {"modelProvider":null,"model":null,"events":2}],"totals":{}}
            """)
        daemon.data("GET /events", #"{"items":[{"unpricedReason":"no_usage"}]}"#)
        let result = try daemon.tool("prices", "unpriced")
        #expect(
            result.output == """
                provider  model    events  reason
                openai    no such   1,200  unknown_model
                -         -             2  no_model
                openai    gpt-4o        1  no_usage

                What to do:
                  no such  purser --to unix:\(daemon.path) prices set ID --model 'no such' --rate input=RATE/M --rate output=RATE/M
                  -        send costInput.model, or costAmount
                  gpt-4o   send the usage: costInput.usage, or token counts

                Newer price lists may know them:  purser --to unix:\(daemon.path) prices update --dry-run

                """)
        daemon.data("GET /margins", #"{"items":[],"totals":{}}"#)
        #expect(try daemon.tool("prices", "unpriced").output == "Every event has a cost.\n")
    }
}

@Suite struct ExactPriceTests {
    @Test func whatTheLinesAddUpToIsShownWhereTheCostIsRounded() throws {
        let input = try #require(
            Value(json: #"{"modelProvider":"openai","model":"gpt-4o","inputTokens":0.000001,"outputTokens":0.000003}"#))
        let quote = try PriceQuote(input, at: .string("2026-10-20T12:00:00Z"))
        let table = PriceQuote.table(quote.lines, cost: try #require(quote.cost)).render(.plain)
        #expect(
            table == """
                usage            count  rate  per           amount
                inputTokens   0.000001   2.5  1M   0.0000000000025
                outputTokens  0.000003  10    1M   0.00000000003
                ────────────  ────────  ────  ───  ───────────────
                sum                                0.0000000000325
                cost in USD                        0.000000000032
                """)
        #expect(quote.json["sumAmount"] == .number("0.0000000000325"))
    }

    @Test(arguments: 0..<50)
    func everyLineIsCountTimesRateAndTheSumIsTheCost(seed: UInt64) throws {
        var random = SplitMix(state: seed)
        let models = [("openai", "gpt-5.5"), ("anthropic", "claude-opus-4-6"), ("google", "gemini-2.5-pro"), ("deepseek", "deepseek-chat")]
        let (provider, model) = models[Int(random.next() % 4)]
        let (read, write, rest) = (random.next() % 400_000, random.next() % 90_000, random.next() % 90_000)
        let input = Value.fields(
            ("modelProvider", .string(provider)), ("model", .string(model)), ("inputTokens", .number("\(read + write + rest)")),
            ("outputTokens", .number("\(random.next() % 50_000).\(random.next() % 1_000_000)")), ("cacheReadTokens", .number("\(read)")),
            ("cacheWriteTokens", .number("\(write)")))
        let quote = try PriceQuote(input, at: .string("2026-11-20T12:00:00Z"))
        let cost = try #require(quote.cost)
        for line in quote.lines { #expect(line.amount == Int128(line.count.millionths) * Int128(line.rate)) }
        #expect(PriceBook.cost(of: quote.lines) == cost)
        let sum = PriceQuote.sum(quote.lines)
        let difference = sum - Int128(cost.picodollars) * 1_000_000_000
        #expect(difference.magnitude <= 500_000_000)
        let shown = PriceQuote.table(quote.lines, cost: cost)
        #expect((shown.subtotals != nil) == (difference != 0))
    }
}

private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
