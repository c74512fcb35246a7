import Core
import Foundation
import Glibc
import Pricing
import Testing
import Upstream

@testable import purser

/// A daemon that gives out a catalogue and takes one, on a socket of its own. What it was asked is kept.
private final class FakeDaemon: @unchecked Sendable {
    struct Request {
        var line: String
        var head: String
        var body: [UInt8]
    }

    let folder: String
    var address: String { "unix:\(folder)/socket" }
    private let listener: Int32
    private let lock = NSLock()
    private var seen: [Request] = []
    private let answer: @Sendable (Request) -> (status: Int, type: String, body: [UInt8])

    var requests: [Request] { lock.withLock { seen } }

    init(_ answer: @escaping @Sendable (Request) -> (status: Int, type: String, body: [UInt8])) throws {
        self.answer = answer
        folder = NSTemporaryDirectory() + "purser-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var name = sockaddr_un()
        name.sun_family = sa_family_t(AF_UNIX)
        let path = Array((folder + "/socket").utf8)
        withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: path) }
        let bound = withUnsafeBytes(of: &name) {
            bind(listener, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t(MemoryLayout<sockaddr_un>.size))
        }
        try #require(bound == 0)
        listen(listener, 4)
        Thread { [self] in serve() }.start()
    }

    func stop() {
        shutdown(listener, Int32(SHUT_RDWR))
        try? FileManager.default.removeItem(atPath: folder)
    }

    private func serve() {
        while true {
            let peer = accept(listener, nil, nil)
            guard peer >= 0 else {
                // Closed here, where nobody accepts on a number used anew.
                close(listener)
                return
            }
            while let request = read(peer) {
                lock.withLock { seen.append(request) }
                let (status, type, body) = answer(request)
                let head = "HTTP/1.1 \(status) X\r\nContent-Type: \(type)\r\nContent-Length: \(body.count)\r\n\r\n"
                let bytes = Array(head.utf8) + body
                var sent = 0
                while sent < bytes.count {
                    let count = bytes.withUnsafeBytes { send(peer, $0.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL)) }
                    guard count > 0 else { break }
                    sent += count
                }
            }
            close(peer)
        }
    }

    private func read(_ peer: Int32) -> Request? {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            if let end = bytes.firstRange(of: Array("\r\n\r\n".utf8)) {
                let head = String(decoding: bytes[..<end.lowerBound], as: UTF8.self)
                let length = head.split(separator: "\r\n").compactMap { line in
                    line.lowercased().hasPrefix("content-length: ") ? Int(line.dropFirst(16)) : nil
                }
                if bytes.count - end.upperBound >= length.first ?? 0 {
                    let line = String(head.prefix { $0 != "\r\n" })
                    return Request(line: line, head: head, body: Array(bytes[end.upperBound...]))
                }
            }
            let count = recv(peer, &chunk, chunk.count, 0)
            guard count > 0 else { return nil }
            bytes += chunk[..<count]
        }
    }
}

private let catalogue = """
    version 2026-11-20
    provider acme
    title Acme
    source genai-prices 0.2.3 (MIT)

    model a
    names a
    rate input=1/M

    """

private func list(_ rate: String, _ names: [String] = ["a"]) -> String {
    let models = names.map { #"{"id":"\#($0)","match":{"equals":"\#($0)"},"prices":{"input_mtok":\#(rate)}}"# }
    return #"[{"id":"acme","name":"Acme","api_pattern":"x","models":[\#(models.joined(separator: ","))]}]"#
}

private let loaded = """
    {"success":true,"data":{"version":"2026-11-24-0a0b0c0d","sha256":"00","rows":1,"added":0,"removed":0,"changed":1,\
    "catalogueBefore":"2026-11-20"}}
    """

@Suite struct PricesUpdateTests {
    /// Runs `purser prices update` against a daemon with this catalogue; its status, and what the daemon was asked.
    private func run(_ text: String, _ options: [String] = [], put: (Int, String) = (200, loaded)) throws -> (Int32, [String], [UInt8]?) {
        let daemon = try FakeDaemon { request in
            request.line.hasPrefix("GET")
                ? (200, "text/plain; charset=utf-8", Array(catalogue.utf8)) : (put.0, "application/json", Array(put.1.utf8))
        }
        defer { daemon.stop() }
        let file = daemon.folder + "/list"
        try Data(text.utf8).write(to: URL(fileURLWithPath: file))
        let status = Main.run(["prices", "update", "--from", file, "--to", daemon.address] + options)
        let requests = daemon.requests
        for request in requests where request.line.hasPrefix("PUT") {
            #expect(request.head.contains("\r\nContent-Type: text/plain; charset=utf-8"))
        }
        return (status, requests.map(\.line), requests.first { $0.line.hasPrefix("PUT") }?.body)
    }

    private let get = "GET /api/v1/client/prices/catalogue HTTP/1.1"
    private let put = "PUT /api/v1/client/prices/catalogue HTTP/1.1"

    @Test func aNewRateIsLaidOverTheCatalogueInForceAndSent() throws {
        let (status, lines, body) = try run(list("1.5"))
        #expect(status == 0)
        #expect(lines == [get, put])
        let sent = try CatalogueDocument(try #require(body))
        #expect(sent.providers.map(\.id) == ["acme"])
        #expect(sent.providers[0].models[0].cards[0].rates == [CatalogueRate(kind: "input", text: "1.5/M")])
        #expect(sent.version == CatalogueBundle.version(day: String(Instant.now.description.prefix(10)), content: sent.contentHash))
    }

    @Test func nothingIsSentThatChangesNothing() throws {
        let (status, lines, _) = try run(list("1.0"))
        #expect(status == 0)
        #expect(lines == [get])
    }

    @Test func aDryRunSendsNothing() throws {
        let (status, lines, _) = try run(list("1.5"), ["--dry-run"])
        #expect(status == 0)
        #expect(lines == [get])
    }

    @Test func aListThatWouldDropTooMuchNeedsForce() throws {
        var (status, lines, _) = try run(list("1", ["b"]))
        #expect(status == 1)
        #expect(lines == [get])
        (status, lines, _) = try run(list("1", ["b"]), ["--dry-run", "--json"])
        #expect(status == 1)
        (status, lines, _) = try run(list("1", ["b"]), ["--force"])
        #expect(status == 0)
        #expect(lines == [get, "PUT /api/v1/client/prices/catalogue?force=true HTTP/1.1"])
    }

    @Test func aRefusalOfTheDaemonIsOne() throws {
        let refused = #"{"success":false,"error":{"code":"forbidden","message":"The key may not do that","detail":null}}"#
        #expect(try run(list("1.5"), put: (403, refused)).0 == 1)
        #expect(try run("[}").0 == 1)
        #expect(try run("[]").0 == 1)
        #expect(Main.run(["prices", "update", "--from", "/nonexistent/list", "--base", "builtin", "--dry-run"]) == 2)
        #expect(Main.run(["prices", "update", "--base", "builtin"]) == 2)
        #expect(Main.run(["prices", "update", "--from", "http://example.invalid/x", "--base", "builtin", "--dry-run"]) == 2)
        #expect(Main.run(["prices", "update", "--to", "unix:/nonexistent/socket"]) == 3)
    }

    @Test func theNewCatalogueMayBeKeptAsAFileAndTakenFromIt() throws {
        let folder = NSTemporaryDirectory() + "purser-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try Data(catalogue.utf8).write(to: URL(fileURLWithPath: folder + "/base"))
        try Data(list("2").utf8).write(to: URL(fileURLWithPath: folder + "/list"))
        let update = ["prices", "update", "--dry-run", "--base", folder + "/base"]
        #expect(Main.run(update + ["--from", folder + "/list", "--output", folder + "/new"]) == 0)
        let new = [UInt8](try Data(contentsOf: URL(fileURLWithPath: folder + "/new")))
        let taken = try PricesCommand.Update.lay(new, over: Array(catalogue.utf8), day: "2030-01-01")
        // A catalogue that has its right name keeps it.
        #expect(taken.bundle == new)
        #expect(taken.diff.changed.count == 1)
    }

    @Test func theDifferenceIsReadableAsTextAndAsJSON() throws {
        let text = list("0.3").replacingOccurrences(of: #""input_mtok":0.3"#, with: #""input_mtok":0.3,"smell_mtok":1"#)
        let updated = try PricesCommand.Update.lay(Array(text.utf8), over: Array(catalogue.utf8), day: "2026-11-24")
        #expect(
            PricesCommand.Update.text(updated, style: .plain) == """
                acme
                  ~ a  input 1/M -> 0.3/M

                0 added, 0 removed, 1 changed: 1 row, then 1
                1 thing that the list says has no word here; --json names it
                """)
        let json = PricesCommand.Update.json(updated, reply: nil)
        #expect(
            json["changed"]?.elements.first?.json
                == #"{"provider":"acme","model":"a","changes":[{"what":"input","old":"1/M","new":"0.3/M"}]}"#)
        #expect(json["leftOut"]?.json == #"["acme/a: smell_mtok"]"#)
        #expect(json["loaded"] == nil)
        let reply = try #require(Value(json: loaded)?["data"])
        #expect(
            PricesCommand.Update.loaded(reply, .plain) == "loaded 2026-11-24-0a0b0c0d: 1 row, before it 2026-11-20")
    }
}

@Suite struct DisagreementListTests {
    private let all = [
        Disagreement(
            provider: "acme", model: "Acme-1", kind: "input", chosenSource: "genai-prices", chosenRate: "2/M", otherSource: "litellm",
            otherRate: "3/M"),
        Disagreement(
            provider: "other", model: "o", kind: "output", chosenSource: "genai-prices", chosenRate: "2/M", otherSource: "litellm",
            otherRate: "3/M"),
    ]

    @Test func theyAreChosenByProviderAndPartOfTheName() {
        func models(_ provider: String?, _ model: String?) -> [String] {
            PricesCommand.DisagreementList.matching(all, provider: provider, model: model).map(\.model)
        }
        #expect(models(nil, nil) == ["Acme-1", "o"])
        #expect(models("acme", nil) == ["Acme-1"])
        #expect(models(nil, "ACME") == ["Acme-1"])
        #expect(models("other", "acme") == [])
    }

    @Test func bothRatesAreShownWithTheirSources() {
        #expect(
            PricesCommand.DisagreementList.render(Array(all.prefix(1)), style: .plain) == """
                provider  model   kind   rate  from          other rate  from
                acme      Acme-1  input  2/M   genai-prices  3/M         litellm
                1 rate
                """)
        #expect(
            PricesCommand.DisagreementList.json(Array(all.prefix(1))).json
                == #"{"items":[{"provider":"acme","model":"Acme-1","kind":"input","chosenSource":"genai-prices","chosenRate":"2/M","#
                + #""otherSource":"litellm","otherRate":"3/M"}]}"#)
        #expect(Main.run(["prices", "disagreements", "--provider", "together", "--json"]) == 0)
        #expect(Main.run(["prices", "disagreements", "--provider", "nobody-at-all"]) == 1)
    }
}
