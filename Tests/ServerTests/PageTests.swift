// The page's files: who gets them, with what they may load, and when they need not travel again.

import Core
import Server
import Testing

private func get(_ host: Host, _ path: String, _ fields: [String] = [], method: String = "GET") throws -> Reply {
    let client = host.connect(.remote)
    defer { host.drop(client) }
    let text = "\(method) \(path) HTTP/1.1\r\nHost: localhost:7787\r\n" + fields.map { $0 + "\r\n" }.joined() + "\r\n"
    return try #require(Reply.all(try host.exchange(client, text), heads: method == "HEAD" ? [0] : []).first)
}

@Test func everyPageOfTheAppIsTheSameFile() throws {
    let host = try Host()
    let index = try get(host, "/")
    #expect(index.status == 200 && index.fields["content-type"] == "text/html; charset=utf-8" && index.body.hasPrefix("<!doctype html>"))
    for path in [
        "/overview", "/customers", "/customers/acme", "/customers/a%2Fb/c", "/features/x", "/models", "/models/openai/gpt-4o", "/events",
        "/events/k1", "/prices", "/prices/x", "/sources", "/health", "/sign-in", "/overview?from=2026-01-01",
    ] {
        let reply = try get(host, path)
        #expect(reply.status == 200 && reply.fields["etag"] == index.fields["etag"], "\(path)")
    }
    for path in [
        "/nothing", "/customer", "/customers/", "/overview/", "/health/x", "/assets", "/assets/", "/assets/none.js",
        "/assets/../index.html", "//", "/index.html",
    ] {
        let reply = try get(host, path)
        #expect(reply.status == 404 && reply.fields["content-type"] == "application/json", "\(path)")
    }
    #expect(try get(host, "/", method: "POST").status == 405)
    let head = try get(host, "/", method: "HEAD")
    #expect(head.status == 200 && head.fields["content-length"] == index.fields["content-length"])
}

@Test func aPageMayLoadOnlyWhatIsItsOwn() throws {
    let host = try Host()
    for path in ["/", "/assets/chart.js", "/favicon.svg"] {
        let fields = try get(host, path).fields
        let policy = try #require(fields["content-security-policy"])
        #expect(
            policy
                == "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
                + "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
        #expect(fields["x-content-type-options"] == "nosniff" && fields["referrer-policy"] == "no-referrer")
        #expect(fields["cross-origin-resource-policy"] == "same-origin" && fields["access-control-allow-origin"] == nil)
    }
}

@Test func aFileThatIsKnownDoesNotTravelAgain() throws {
    let host = try Host()
    let whole = try get(host, "/assets/chart.js")
    let tag = try #require(whole.fields["etag"])
    #expect(whole.body.utf8.count > 100_000 && whole.fields["content-type"] == "text/javascript; charset=utf-8")
    for known in [tag, "W/\(tag)", "\"other\", \(tag)", "*"] {
        let reply = try get(host, "/assets/chart.js", ["If-None-Match: \(known)"])
        #expect(
            reply.status == 304 && reply.body.isEmpty && reply.fields["etag"] == tag && reply.fields["content-length"] == nil, "\(known)")
    }
    #expect(try get(host, "/assets/chart.js", ["If-None-Match: \"other\""]).status == 200)
}

@Test func whoTakesGzipGetsLess() throws {
    let host = try Host()
    let client = host.connect(.remote)
    func bytes(_ field: String) throws -> (head: String, body: [UInt8]) {
        let all = try host.exchange(client, "GET /assets/chart.js HTTP/1.1\r\nHost: localhost\r\n\(field)\r\n\r\n")
        let end = try #require(all.firstRange(of: Array("\r\n\r\n".utf8)))
        return (String(decoding: all[..<end.lowerBound], as: UTF8.self), Array(all[end.upperBound...]))
    }
    let plain = try bytes("X-Nothing: 1")
    for field in ["Accept-Encoding: gzip, deflate, br", "Accept-Encoding: br;q=1, gzip;q=0.5", "accept-encoding: GZIP"] {
        let packed = try bytes(field)
        #expect(packed.head.contains("content-encoding: gzip") && packed.body.starts(with: [0x1F, 0x8B]), "\(field)")
        #expect(packed.body.count * 2 < plain.body.count)
    }
    for field in ["Accept-Encoding: br", "Accept-Encoding: gzip;q=0", "Accept-Encoding: gzip;q=0.0", "Accept-Encoding: xgzip"] {
        let reply = try bytes(field)
        #expect(!reply.head.contains("content-encoding") && reply.body == plain.body, "\(field)")
    }
}
