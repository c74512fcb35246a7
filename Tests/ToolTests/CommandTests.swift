import ArgumentParser
import Core
import Frames
import Glibc
import Testing
import Wire

@testable import purser

@Suite struct CommandTests {
    @Test func toMeansAnAddressOrATime() {
        func apart(_ text: String) -> String { timesApart(text.split(separator: " ").map(String.init)).joined(separator: " ") }
        #expect(apart("--to unix:/s margins --to 2026-08") == "--to unix:/s margins --until 2026-08")
        #expect(apart("margins --to=2026-08 --to tcp:h:1") == "margins --until=2026-08 --to tcp:h:1")
        #expect(apart("--json --key-file margins events --to 7d") == "--json --key-file margins events --until 7d")
        #expect(apart("customers show --to unix:/s") == "customers show --to unix:/s")
        #expect(apart("send --to 2026-08") == "send --to 2026-08")
        #expect(apart("events -- --to 1d") == "events -- --to 1d")
        #expect(apart("margins --to") == "margins --until")
        #expect(apart("") == "")
        #expect(apart("--to") == "--to")
    }

    @Test func sharedOptionsMayStandBeforeOrAfterTheCommand() throws {
        for text in ["--to unix:/s --json margins", "margins --to unix:/s --json", "--json margins --to unix:/s"] {
            let command = try Purser.parseAsRoot(text.split(separator: " ").map(String.init))
            let margins = try #require(command as? MarginsCommand)
            #expect(margins.options.to == "unix:/s")
            #expect(margins.options.json)
        }
        let show = try #require(try Purser.parseAsRoot(["--to", "unix:/s", "customers", "show", "acme"]) as? CustomersCommand.Show)
        #expect(show.options.to == "unix:/s")
        #expect(show.reference == "acme")
    }

    @Test func groupsAreCheckedBeforeAnythingIsAsked() throws {
        #expect(try MarginsCommand.groups("customer,event,day").map(\.parameter) == ["customer", "eventName", "day"])
        for text in ["", "customer,", "week", "day,day"] { #expect(throws: Failure.self) { try MarginsCommand.groups(text) } }
    }

    @Test func wrongUseIsStatusTwo() {
        #expect(Main.run(["margins", "--by", "nothing"]) == 2)
        #expect(Main.run(["nonsense"]) == 2)
        #expect(Main.run(["events", "--limit", "0"]) == 2)
        #expect(Main.run(["--to", "http://x", "keys", "list"]) == 2)
        #expect(Main.run(["--to", "unix:/nonexistent/socket", "keys", "list"]) == 3)
    }

    @Test func theEnvelopeIsOpenedAndRefusalsAreOneSentence() throws {
        func open(_ status: Int, _ text: String) throws -> Service.Answer {
            try Service.open(HTTPReply(status: status, body: Array(text.utf8)))
        }
        #expect(try open(200, #"{"data":{"a":1.50},"success":true}"#).data.json == #"{"a":1.50}"#)
        #expect(try open(200, #"{"success":true}"#).data == .null)
        let refused = try open(404, #"{"error":{"code":"not_found","message":"Customer not found","detail":null},"success":false}"#)
        #expect(refused.refusal == "Customer not found [not_found]")
        #expect(try open(401, #"{"success":false,"error":{"code":"unauthorized","message":"x"}}"#).refusal?.contains("--key-file") == true)
        #expect(try open(200, #"{"success":false}"#).refusal == "HTTP status 200")
        #expect(throws: Failure.self) { try open(200, "<html>") }
    }
}

@Suite struct MarginsTableTests {
    static let data = """
        {"items":[
         {"customerReferenceId":"quill","customer":{"firstName":"Q"},"events":10,"costAmount":7.25,"revenueAmount":1.5,
          "marginAmount":-5.75,"marginRatio":-3.8333,"unpricedEvents":0},
         {"customerReferenceId":"acme","events":1200,"costAmount":1.0051,"revenueAmount":12.5,
          "marginAmount":11.4949,"marginRatio":0.919592,"unpricedEvents":0},
         {"customerReferenceId":null,"events":1,"costAmount":0,"revenueAmount":0,"marginAmount":0,"unpricedEvents":1}
        ],"totals":{"events":1211,"costAmount":8.2551,"revenueAmount":14,"marginAmount":5.7449,"marginRatio":0.41035,"unpricedEvents":1}}
        """

    @Test func theBestMarginComesFirstAndTheTotalsLast() throws {
        let data = try #require(Value(json: MarginsTableTests.data))
        #expect(
            MarginsTable.render(data, by: [.customer], style: .plain) == """
                customer  events    cost  revenue   margin  margin %  unpriced
                acme       1,200  1.0051  12.5000  11.4949      92.0         0
                quill         10  7.2500   1.5000  -5.7500    -383.3         0
                -              1  -        0.0000   -            -           1
                ────────  ──────  ──────  ───────  ───────  ────────  ────────
                total      1,211  8.2551  14.0000   5.7449      41.0         1
                """)
    }

    @Test func timeRunsDownTheTable() throws {
        let data = try #require(
            Value(
                json: """
                    {"items":[{"day":"2026-08-05","events":1,"costAmount":1,"revenueAmount":2,"marginAmount":1,"marginRatio":0.5},
                    {"day":"2026-08-06","events":1,"costAmount":0.5,"revenueAmount":9,"marginAmount":8.5,"marginRatio":0.9444}],
                    "totals":{"events":2,"costAmount":1.5,"revenueAmount":11,"marginAmount":9.5,"marginRatio":0.8636}}
                    """))
        let lines = MarginsTable.render(data, by: [.day], style: Style(color: false, unicode: true, width: 100)).split(separator: "\n")
        #expect(lines[1].hasPrefix("2026-08-05"))
        #expect(lines[2].hasSuffix("████████████████"))
        #expect(!lines[0].contains("unpriced"))
    }

    @Test func nothingIsSaidInOneLine() throws {
        #expect(MarginsTable.render(Value(json: "{\"items\":[]}")!, by: [.customer], style: .plain) == "No events.")
    }
}

@Suite struct JournalCommandTests {
    @Test func aDumpEndsAfterAsManyLinesAsWereWanted() {
        var left = 3
        func head(_ text: String) -> String {
            Array(text.utf8).withUnsafeBytes { String(decoding: JournalCommand.Dump.head($0, &left), as: UTF8.self) }
        }
        #expect(head("a\nb\n") == "a\nb\n")
        #expect(left == 1)
        #expect(head("c\nd\n") == "c\n")
        #expect(left == 0)
        #expect(head("e\n") == "")
    }

    @Test func anEmptyJournalIsIntactAndAMissingOneIsWrongUse() throws {
        var template = Array("/tmp/purser-journal-XXXXXX".utf8CString)
        let directory = try #require(mkdtemp(&template)).withMemoryRebound(to: CChar.self, capacity: 1) { String(cString: $0) }
        defer { removeTree(directory) }
        #expect(Main.run(["journal", "verify", "--state", directory]) == 2)
        mkdir(directory + "/journal", 0o700)
        #expect(Main.run(["journal", "verify", "--state", directory]) == 0)
        #expect(Main.run(["journal", "stats", "--state", directory]) == 0)
        #expect(Main.run(["journal", "dump", "--state", directory]) == 0)
        #expect(Main.run(["journal", "repair", "--dry-run", "--state", directory]) == 0)
        #expect(Main.run(["journal", "repair", "--dry-run", "--json", "--state", directory]) == 0)
        // A start repairs; the tool only says what it would do.
        #expect(Main.run(["journal", "repair", "--state", directory]) == 2)
        // A segment that begins with something else and goes on is damaged, not empty.
        let file = open(directory + "/journal/00000002.segment", O_WRONLY | O_CREAT, 0o600)
        let garbage = [UInt8](repeating: 0x5A, count: 65_536)
        #expect(garbage.withUnsafeBytes { write(file, $0.baseAddress, $0.count) } == garbage.count)
        close(file)
        #expect(Main.run(["journal", "verify", "--state", directory]) == 1)
        #expect(Main.run(["journal", "repair", "--dry-run", "--state", directory]) == 1)
        #expect(Main.run(["journal", "repair", "--state", directory]) == 2)
    }
}

@Suite struct ValueTests {
    @Test func valuesArePrintedAsTheyCame() throws {
        let text = #"{"a":[1,0.00000014,-3e5,12345678901234567890.10],"b":"x\"\n","c":null,"d":true,"e":{}}"#
        #expect(Value(json: text)?.json == text)
        #expect(Value(json: "{") == nil)
        #expect(Value(json: #"{"n":null}"#)?["n"] == nil)
    }
}

@Suite struct DemoEventsTests {
    @Test func everyDemoLineIsAGoodEventWithItsOwnKey() throws {
        let lines = DemoEvents.lines(now: Timestamp(rfc3339: "2026-08-06T12:00:00Z")!)
        #expect(lines.count == DemoEvents.count)
        var reader = EventBatchReader()
        var rejections: [Rejection] = []
        let batch = try Array(lines.joined(separator: "\n").utf8).withUnsafeBytes {
            try reader.read($0, shape: .ndjson, numbers: Array(1...lines.count), rejections: &rejections)
        }
        #expect(rejections.isEmpty)
        #expect(reader.withoutKey == 0)
        #expect(Set(batch.events.map(\.key)).count == lines.count)
        #expect(
            Set(batch.events.compactMap(\.provider))
                == ["openai", "anthropic", "google", "mistral", "deepseek", "groq", "bedrock", "own-gpu"])
        #expect(Set(batch.events.compactMap(\.customer)).count == 5)
        #expect(DemoEvents.firstKey(of: "quill-legal", in: lines) != nil)
    }
}
