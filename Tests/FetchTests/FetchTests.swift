import Core
import Foundation
import Testing

@testable import Fetch

/// A server of this machine, ended with its owner, and by its closed input if the tests end before that.
private final class WebServer {
    let port: Int
    private let process = Process()
    private let input = Pipe()

    init(_ arguments: [String] = []) throws {
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("server.py").path
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3", script] + arguments
        process.standardInput = input
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        var line: [UInt8] = []
        while line.last != 0x0A {
            let byte = output.fileHandleForReading.readData(ofLength: 1)
            guard !byte.isEmpty else { throw CocoaError(.fileReadUnknown) }
            line += byte
        }
        port = try #require(Int(String(decoding: line.dropLast(), as: UTF8.self)))
    }

    deinit {
        try? input.fileHandleForWriting.close()
        process.terminate()
        process.waitUntilExit()
    }
}

private func outcome(_ address: String, _ limits: FetchLimits = FetchLimits(), etag: String? = nil, authorities: String? = nil)
    -> Result<FetchedBytes, FetchError>
{
    Result { () throws(FetchError) in
        try Fetch.read(address, limits: limits, agent: "purser/test", etag: etag, authorities: authorities)
    }
}

private func reason(_ result: Result<FetchedBytes, FetchError>) -> FetchError.Reason? {
    guard case .failure(let error) = result else { return nil }
    return error.reason
}

private func text(_ result: Result<FetchedBytes, FetchError>) -> String? {
    guard case .success(let fetched) = result else { return nil }
    return String(decoding: fetched.bytes, as: UTF8.self)
}

@Suite struct FetchTests {
    private let server: WebServer
    private var here: String { "http://127.0.0.1:\(server.port)" }

    init() throws { server = try WebServer() }

    @Test func aDocumentIsReadWithItsTag() throws {
        let fetched = try outcome(here + "/ok").get()
        #expect(fetched.bytes == Array("prices".utf8))
        #expect(fetched.etag == "\"v1\"")
        #expect(!fetched.isUnchanged)
        #expect(try outcome(here + "/untagged").get().etag == nil)
        #expect(try outcome(here + "/empty").get().bytes.isEmpty)
        #expect(try outcome("http://localhost:\(server.port)/ok").get().bytes.count == 6)
    }

    @Test func aKnownTagSavesTheBody() throws {
        let again = try outcome(here + "/ok", etag: "\"v1\"").get()
        #expect(again.isUnchanged && again.bytes.isEmpty)
        #expect(again.etag == "\"v1\"")
        #expect(try outcome(here + "/ok", etag: "\"v0\"").get().bytes.count == 6)
        // A tag cannot bring a header of its own.
        #expect(text(outcome(here + "/head", etag: "\"a\"\r\nX-Injected: 1"))?.contains("X-Injected") == false)
    }

    @Test func theRequestSaysWhoAsksAndThatItTakesGzip() throws {
        let head = try #require(text(outcome(here + "/head")))
        #expect(head.contains("User-Agent: purser/test"))
        #expect(head.contains("Accept-Encoding: gzip"))
        #expect(text(outcome(here + "/zipped")) == String(repeating: "prices ", count: 1000))
    }

    @Test func nothingLongerThanTheLimitIsKept() {
        var limits = FetchLimits()
        limits.bytes = 1_000_000
        for path in ["/declared", "/endless", "/bomb"] {
            #expect(reason(outcome(here + path, limits)) == .tooLarge, "\(path)")
        }
        limits.bytes = 5
        #expect(reason(outcome(here + "/ok", limits)) == .tooLarge)
        limits.bytes = 6
        #expect(text(outcome(here + "/ok", limits)) == "prices")
    }

    @Test func aSlowServerIsGivenUp() {
        var limits = FetchLimits()
        limits.seconds = 1
        let clock = ContinuousClock()
        let took = clock.measure { #expect(reason(outcome(here + "/slow", limits)) == .timeout) }
        #expect(took < .seconds(5))
    }

    @Test func otherAnswersAreNoDocument() throws {
        #expect(reason(outcome(here + "/nothing")) == .status(404))
        #expect(reason(outcome(here + "/half")) == .broken)
        guard case .failure(let error) = outcome(here + "/nothing") else { return #expect(Bool(false)) }
        #expect("\(error)" == "\(here)/nothing: the server answered with status 404")
    }

    @Test func redirectsLeadToHTTPSOnly() {
        for path in ["/to-other-host", "/to-file", "/to-plain"] { #expect(reason(outcome(here + path)) == .redirect, "\(path)") }
    }

    @Test func onlyThisMachineIsAskedWithoutTLS() {
        for address in [
            "http://example.invalid/", "http://127.0.0.1.example.invalid/", "http://localhost@example.invalid/", "http://128.0.0.1/",
            "ftp://127.0.0.1/", "file:///etc/hostname", "gopher://127.0.0.1/", "://", "http://", "https://", "http://[::2]/",
        ] {
            #expect(reason(outcome(address)) == .badAddress, "\(address)")
        }
    }

    @Test func nobodyAtHomeIsSaidAsSuch() {
        var limits = FetchLimits()
        limits.connectSeconds = 2
        #expect(reason(outcome("http://127.0.0.1:1/", limits)) == .unreachable)
    }

    @Test func fetchesRunBesideEachOther() async {
        let address = here + "/zipped"
        await withTaskGroup(of: Int.self) { group in
            for _ in 0..<8 { group.addTask { text(outcome(address))?.utf8.count ?? 0 } }
            for await count in group { #expect(count == 7000) }
        }
    }
}

@Suite struct SecureFetchTests {
    private let server: WebServer
    private let folder: URL
    private var here: String { "https://127.0.0.1:\(server.port)" }
    private var certificate: String { folder.appendingPathComponent("certificate.pem").path }

    init() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("purser-fetch-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let key = folder.appendingPathComponent("key.pem").path
        let made = Process()
        made.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        made.arguments =
            "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 -keyout".split(
                separator: " "
            ).map(String.init)
            + [key, "-out", folder.appendingPathComponent("certificate.pem").path]
        made.standardError = FileHandle.nullDevice
        made.standardInput = FileHandle.nullDevice
        try made.run()
        made.waitUntilExit()
        try #require(made.terminationStatus == 0)
        server = try WebServer([folder.appendingPathComponent("certificate.pem").path, key])
    }

    private func clean() { try? FileManager.default.removeItem(at: folder) }

    @Test func aCertificateThatNobodyVouchesForIsRefused() {
        defer { clean() }
        #expect(reason(outcome(here + "/ok")) == .untrusted)
        // The right certificate under another name.
        #expect(reason(outcome("https://localhost:\(server.port)/ok", authorities: certificate)) == .untrusted)
        #expect(text(outcome(here + "/ok", authorities: certificate)) == "prices")
    }

    @Test func redirectsAreFollowedToHTTPSAndCounted() throws {
        defer { clean() }
        let followed = try outcome(here + "/to-secure", authorities: certificate).get()
        #expect(followed.bytes == Array("prices".utf8))
        // The tag is that of the document, not of the answer that led to it.
        #expect(followed.etag == nil)
        #expect(reason(outcome(here + "/around", authorities: certificate)) == .redirect)
        #expect(reason(outcome(here + "/to-plain", authorities: certificate)) == .redirect)
        #expect(reason(outcome(here + "/to-file", authorities: certificate)) == .redirect)
    }
}

@Suite struct FileTests {
    @Test func aFileIsReadWholeOrNotAtAll() throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("purser-fetch-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        try Data(repeating: 7, count: 200_000).write(to: URL(fileURLWithPath: path))
        #expect(try outcome(path).get().bytes == [UInt8](repeating: 7, count: 200_000))
        var limits = FetchLimits()
        limits.bytes = 199_999
        #expect(reason(outcome(path, limits)) == .tooLarge)
        #expect(reason(outcome(path + ".none")) == .file)
        #expect(reason(outcome("/")) == .file)
        #expect(!Fetch.isAddress("a/b.json"))
    }
}
