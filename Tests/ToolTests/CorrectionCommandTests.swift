import Core
import Testing

@testable import purser

/// Run 2 as the daemon tells of it.
private let run = """
    {"id":2,"kind":"reprice","status":"applied","at":"2026-11-23T17:12:52.5Z","endedAt":"2026-11-23T17:12:53Z",\
    "filter":{"customerReferenceId":"acme","unpriced":true},"prices":"2026-11-23","events":1204,"newlyPriced":35,\
    "costBefore":5.1,"costAfter":4.5,"costDifference":-0.6}
    """

private let preview = """
    {"scanned":2000,"matched":1300,"changed":3,"newlyPriced":1,"unchanged":1200,"givenByClient":90,"noLongerPriced":0,\
    "stillUnpriced":5,"voided":2,"costBefore":0.55,"costAfter":0.4412,"costDifference":-0.1088,"items":[\
    {"customerReferenceId":"acme","modelProvider":"openai","model":"gpt-4o","events":2,"newlyPriced":0,"costBefore":0.55,\
    "costAfter":0.44,"costDifference":-0.11},{"customerReferenceId":null,"modelProvider":null,"model":"own","events":1,\
    "newlyPriced":1,"costBefore":0,"costAfter":0.0012,"costDifference":0.0012}],\
    "reasons":{"unknown_model":4,"no_usage":1},"freshAsOf":"2026-11-23T10:00:00Z"}
    """

@Suite struct RepriceCommandTests {
    @Test func lookingIsTheDefaultAndSaysHowToGoOn() throws {
        let daemon = try ScriptedDaemon()
        defer { daemon.end() }
        daemon.data("POST /reprices", preview)
        let result = try daemon.tool("reprice", "--customer", "O'Brien & co", "--from", "2026-11", "--to", "2026-12-01", "--unpriced")
        #expect(result.status == 0)
        #expect(
            result.output == """
                customer  provider  model   events  newly priced  cost before  cost after  difference
                acme      openai    gpt-4o       2             0       0.5500      0.4400     -0.1100
                -         -         own          1             1       0.0000      0.0012     +0.0012
                ────────  ────────  ──────  ──────  ────────────  ───────────  ──────────  ──────────
                total                            3             1       0.5500      0.4412     -0.1088

                3 events of 1,300 would cost something else; 1 of them have no cost so far. Left as they are:
                  1,200  the same cost
                     90  a cost that came with the event
                      2  void
                      5  no price: unknown_model 4, no_usage 1

                Nothing was changed. To do it:  purser --to unix:\(daemon.path) reprice --from 2026-11-01T00:00:00Z \
                --to 2026-12-01T00:00:00Z --customer 'O'\\''Brien & co' --unpriced --apply

                """)
        #expect(
            daemon.requests.map(\.body) == [
                #"{"from":"2026-11-01T00:00:00Z","to":"2026-12-01T00:00:00Z","#
                    + #""customerReferenceId":"O'Brien & co","unpriced":true,"apply":false}"#
            ])
    }

    @Test func withNobodyToAskApplyingAsksOnceAndNobody() throws {
        let daemon = try ScriptedDaemon()
        defer { daemon.end() }
        daemon.data("POST /reprices", run, status: 201)
        let result = try daemon.tool("reprice", "--model", "gpt-4o", "--apply")
        #expect(result.status == 0)
        #expect(
            result.output == """
                Run 2: 1,204 events that cost 5.10 USD cost 4.50 USD now (-0.60); 35 of them had no cost before.
                By the prices in force, catalogue 2026-11-23.
                To take it back:  purser --to unix:\(daemon.path) reprice --reverse 2

                """)
        #expect(daemon.requests.map(\.body) == [#"{"model":"gpt-4o","apply":true}"#])
    }

    @Test func whatHadNoCostIsNotSaidToHaveCostNothing() throws {
        let text = run.replacing("\"events\":1204", with: "\"events\":35").replacing("\"costBefore\":5.1", with: "\"costBefore\":0")
        let data = try #require(Value(json: text))
        #expect(RepriceCommand.text(of: data, again: []).hasPrefix("Run 2: 35 events that had no cost cost 4.50 USD now.\n"))
    }

    @Test func nothingToChangeIsNoRun() throws {
        let daemon = try ScriptedDaemon()
        defer { daemon.end() }
        daemon.data(
            "POST /reprices",
            #"{"id":null,"status":"unchanged","events":0,"newlyPriced":0,"costBefore":0,"costAfter":0,"costDifference":0}"#)
        #expect(try daemon.tool("reprice", "--apply").output == "Nothing to change: no event would cost anything else.\n")
    }

    @Test func aRunIsTakenBackByItsNumber() throws {
        let daemon = try ScriptedDaemon()
        defer { daemon.end() }
        daemon.data(
            "POST /reprices/2/reverse",
            """
            {"id":3,"kind":"reverse","status":"applied","at":"2026-11-23T17:13:00Z","filter":{},"prices":"2026-11-23","reverses":2,\
            "events":1,"newlyPriced":0,"costBefore":4.5,"costAfter":5.1,"costDifference":0.6}
            """, status: 201)
        let result = try daemon.tool("reprice", "--reverse", "2", "--yes")
        #expect(result.output == "Run 3 took run 2 back: 1 event that cost 4.50 USD costs 5.10 USD now (+0.60).\n")
        let unknown = try daemon.tool("reprice", "--reverse", "9")
        #expect(unknown.status == 1)
        // The id under which the daemon logs is no use to a person.
        #expect(unknown.errors == "purser: no POST /reprices/9/reverse [not_found]\n")
    }

    @Test func runsAreListedWithWhatBecameOfThem() throws {
        let daemon = try ScriptedDaemon()
        defer { daemon.end() }
        let back = run.replacing("\"applied\"", with: "\"reversed\"").replacing("\"events\"", with: "\"reversedBy\":3,\"events\"")
        daemon.data("GET /reprices", "{\"items\":[\(back)]}")
        #expect(
            try daemon.tool("reprice", "--list").output == """
                run  at                    what          status           events  newly priced  cost before  cost after  difference  of
                  2  2026-11-23T17:12:52Z  priced again  taken back by 3   1,204            35         5.10        4.50       -0.60  \
                customer acme, unpriced

                """)
        #expect(try daemon.tool("reprice", "--list", "--json").output == "{\"items\":[\(back)]}\n")
    }

    @Test func whetherABrokenRunBeganCanBeLookedUp() throws {
        let daemon = try ScriptedDaemon()
        defer { daemon.end() }
        daemon.on("POST /reprices", "", breaks: true)
        let result = try daemon.tool("reprice", "--apply")
        #expect(result.status == 3)
        #expect(result.errors.contains("reprice --list"))
        #expect(daemon.requests.count == 1)
    }

    @Test func wrongUseIsSeenBeforeAnythingIsAsked() {
        for line in [
            "reprice --apply --dry-run", "reprice --reverse 2 --model x", "reprice --list --unpriced", "reprice --reverse 0",
            "reprice --yes",
            "reprice --from nonsense", "simulate", "simulate --as-if x", "simulate --as-if =y", "simulate --prices /nonexistent",
            "simulate --as-if a=b --by nothing", "void k", "void k --reason", "void", "events show",
        ] {
            #expect(Main.run(line.split(separator: " ").map(String.init)) == 2, "\(line)")
        }
        #expect(Main.run(["void", "k", "--reason", "  "]) == 2)
        #expect(Main.run(["void", "k", "--reason", String(repeating: "x", count: Limits.reasonScalars + 1)]) == 2)
    }
}

@Suite struct SimulateCommandTests {
    @Test func modelsAndProvidersAreToldApart() throws {
        func json(_ text: String) throws -> String { try SimulateCommand.Substitution(text).json.json }
        #expect(try json("a=b") == #"{"model":"a","asModel":"b"}"#)
        #expect(try json("a=b@azure") == #"{"model":"a","asModel":"b","asProvider":"azure"}"#)
        #expect(try json("a@openai=x/b") == #"{"model":"a","provider":"openai","asModel":"x/b"}"#)
        // A version is part of the name.
        #expect(try json("a=claude@20250514") == #"{"model":"a","asModel":"claude@20250514"}"#)
        #expect(try json("a=claude@20250514@vertex") == #"{"model":"a","asModel":"claude@20250514","asProvider":"vertex"}"#)
        #expect(try json("a=b@") == #"{"model":"a","asModel":"b@"}"#)
        for text in ["", "a", "a=", "=b"] { #expect(throws: Failure.self) { try SimulateCommand.Substitution(text) } }
    }

    @Test func bothSidesStandBesideEachOther() throws {
        let daemon = try ScriptedDaemon()
        defer { daemon.end() }
        let sums = """
            "events":2,"changedEvents":1,"unpricedEvents":0,"simulatedUnpricedEvents":0,"costAmount":0.5,"simulatedCostAmount":0.25,\
            "costDifference":-0.25,"revenueAmount":0.4,"marginAmount":-0.1,"marginRatio":-0.25,"simulatedMarginAmount":0.15,\
            "simulatedMarginRatio":0.375
            """
        let unpriced = """
            "events":1,"changedEvents":0,"unpricedEvents":1,"simulatedUnpricedEvents":1,"costAmount":0,"simulatedCostAmount":0,\
            "costDifference":0,"revenueAmount":1,"marginAmount":1,"marginRatio":1,"simulatedMarginAmount":1,"simulatedMarginRatio":1
            """
        let data = """
            {"items":[{"customerReferenceId":"acme",\(sums)},{"customerReferenceId":"b",\(unpriced)}],"totals":{\(sums)},\
            "freshAsOf":"2026-11-23T10:00:00Z"}
            """
        daemon.data("POST /simulations", data)
        let result = try daemon.tool(
            "simulate", "--as-if", "gpt-4o=gpt-4o-mini", "--by", "customer,event", "--reprice-given", "--timezone", "UTC")
        #expect(
            result.output == """
                customer  event  events  cost  simulated  difference  margin  simulated  margin %  simulated  unpriced  simulated
                acme      -           2  0.50       0.25       -0.25   -0.10       0.15     -25.0       37.5         0          0
                b         -           1  -          -           -       -          -          -          -           1          1
                ────────  ─────  ──────  ────  ─────────  ──────────  ──────  ─────────  ────────  ─────────  ────────  ─────────
                total                 2  0.50       0.25       -0.25   -0.10       0.15     -25.0       37.5         0          0

                1 of 2 events would cost something else.
                A simulation: nothing was changed.

                """)
        #expect(
            daemon.requests.map(\.body) == [
                #"{"groupBy":["customer","eventName"],"timezone":"UTC","#
                    + #""substitutions":[{"model":"gpt-4o","asModel":"gpt-4o-mini"}],"repriceGiven":true}"#
            ])
        #expect(try daemon.tool("--json", "simulate", "--as-if", "a=b").output == data + "\n")
    }
}

@Suite struct VoidCommandTests {
    @Test func whatWasTakenOutIsSaid() throws {
        let daemon = try ScriptedDaemon()
        defer { daemon.end() }
        daemon.data(
            "POST /events/a%2Fb%20%C3%A4/void",
            #"{"eventId":"7","sequence":7,"eventIdempotencyKey":"a/b ä","voided":true,"#
                + #""voidedAt":"2026-11-23T17:12:52Z","reason":"r","costAmount":0.55,"revenueAmount":0}"#
        )
        let result = try daemon.tool("void", "a/b ä", "--reason", "a \"test\"")
        #expect(result.output == "a/b ä (event 7) is void. Out of every total: cost 0.55 USD.\n")
        #expect(daemon.requests.map(\.body) == [#"{"reason":"a \"test\""}"#])
    }
}

@Suite struct EventHistoryTests {
    static let event = """
        {"eventId":"1","sequence":1,"eventIdempotencyKey":"a1","keyGenerated":false,"eventName":"chat","customerReferenceId":"acme",\
        "featureKey":null,"model":"gpt-4o","modelProvider":"openai","region":null,"serviceTier":"batch",\
        "occurredAt":"2026-11-20T10:00:00.25Z","recordedAt":"2026-11-20T10:00:01Z","usage":{"inputTokens":86,"outputTokens":300},\
        "unitsAsInput":false,"inputTokens":86,"outputTokens":300,"costAmount":0.002572,"revenueAmount":0.05,"marginAmount":0.047428,\
        "unpriced":false,"priceSource":"custom:acme","priceDetail":{"match":"exact","lines":[\
        {"kind":"inputTokens","count":86,"rate":0.000002,"amount":0.000172},\
        {"kind":"outputTokens","count":300,"rate":0.000008,"amount":0.0024}],"flags":["tier:batch"]},"corrections":[\
        {"kind":"reprice","run":1,"at":"2026-11-21T00:00:00Z","position":"1:4096","unpricedReasonBefore":"unknown_model","costAfter":0.003,\
        "priceSource":"catalogue:2026-11-23:openai/gpt-4o"},\
        {"kind":"reprice","run":2,"at":"2026-11-22T00:00:00Z","position":"1:5000","costBefore":0.003,"costAfter":0.002572,\
        "priceSource":"custom:acme"}]}
        """

    static let void = event.replacing(
        "\"priceSource\":\"custom:acme\"}]}",
        with: """
            "priceSource":"custom:acme"},{"kind":"void","at":"2026-11-23T00:00:00Z","position":"1:6000","costBefore":0.002572,\
            "reason":"a test"}],"voided":true,"voidReason":"a test","voidedAt":"2026-11-23T00:00:00Z"}
            """)

    @Test func oneEventIsShownWithEveryCorrection() throws {
        let event = try #require(Value(json: EventHistoryTests.event))
        #expect(
            EventDetail.text(event, style: .plain) == """
                a1  repriced 2 times

                event      chat
                number     1
                occurred   2026-11-20T10:00:00.25Z
                recorded   2026-11-20T10:00:01Z
                customer   acme
                model      gpt-4o by openai, batch
                usage      inputTokens 86, outputTokens 300
                revenue    0.05 USD
                cost       0.002572 USD
                margin     0.047428 USD
                priced by  custom:acme, tier:batch

                usage         count  rate  per    amount
                inputTokens      86     2  1M   0.000172
                outputTokens    300     8  1M   0.0024
                ────────────  ─────  ────  ───  ────────
                cost in USD                     0.002572

                Corrections
                at                    what                     cost before  cost after  difference  by
                2026-11-21T00:00:00Z  priced again, run 1  unpriced           0.003000   +0.003000  catalogue:2026-11-23:openai/gpt-4o
                2026-11-22T00:00:00Z  priced again, run 2         0.003000    0.002572   -0.000428  custom:acme
                """)
    }

    @Test func aVoidEventIsFaintAndSaysSo() throws {
        let void = try #require(Value(json: EventHistoryTests.void))
        let event = try #require(Value(json: EventHistoryTests.event))
        #expect(EventsTable.note(void) == "void")
        #expect(EventsTable.note(event) == "repriced 2 times")
        let lines = EventsTable.render([void, event], style: .plain).split(separator: "\n")
        #expect(lines[1].hasSuffix("  void"))
        #expect(lines[2].hasSuffix("  repriced 2 times"))
        let coloured = EventsTable.render([void], style: Style(color: true, unicode: true, width: 200))
        #expect(coloured.contains("\u{1B}[2macme\u{1B}[0m"))
        let detail = EventDetail.text(void, style: .plain)
        #expect(detail.hasPrefix("a1  VOID\n"))
        #expect(detail.contains("voided                      0.002572  void          -0.002572  a test"))
        var following = EventsTable.Following(style: .plain)
        #expect(following.line(void).hasSuffix("  void"))
        // Without corrections there is no column for them.
        let plain = try #require(Value(json: #"{"eventName":"x","sequence":1}"#))
        #expect(EventsTable.render([plain], style: .plain).split(separator: "\n")[0].hasSuffix("margin"))
    }

    @Test func listingIsStillTheDefault() throws {
        let daemon = try ScriptedDaemon()
        defer { daemon.end() }
        daemon.data("GET /events", #"{"items":[]}"#)
        daemon.data("GET /events/a1", EventHistoryTests.event)
        #expect(try daemon.tool("events", "--unpriced", "--flow", "f", "--to", "2026-01-01", "--limit", "3").output == "No events.\n")
        #expect(try daemon.tool("events", "show", "a1", "--json").output == EventHistoryTests.event + "\n")
        #expect(
            daemon.requests.map(\.target) == [
                "/api/v1/client/events?to=2026-01-01T00%3A00%3A00Z&flowId=f&unpriced=true&limit=3", "/api/v1/client/events/a1",
            ])
    }
}

@Suite struct TypedLineTests {
    @Test func aShellReadsTheWordsBack() {
        #expect(TypedLine.word("gpt-4o") == "gpt-4o")
        #expect(TypedLine.word("unix:/run/x.sock") == "unix:/run/x.sock")
        #expect(TypedLine.word("") == "''")
        #expect(TypedLine.word("a b") == "'a b'")
        #expect(TypedLine.word("$(rm)") == "'$(rm)'")
        #expect(TypedLine.word("it's") == "'it'\\''s'")
        #expect(TypedLine.word("a\u{1B}[2J") == "'a\\u{1b}[2J'")
    }
}
