// Signing in to the page: the cookie stands for its key, on its own host, for the page itself, and for no longer.

import Core
import Foundation
import Journal
import Server
import Testing

private let secret = "sk_live_0123456789abcdef0123456789abcdef"
private let here = "127.0.0.1:7787"
private let signedOut = "{\"data\":null,\"success\":true}"

/// A request as the page's own `fetch` makes it.
private func page(_ line: String, _ body: String = "", cookie: String? = nil, host: String = here, _ fields: [String] = []) -> String {
    let own = ["Origin: http://\(host)", "Sec-Fetch-Site: same-origin"]
    return plain(line, body, cookie: cookie, host: host, own + fields)
}

/// A request that says nothing about who made it.
private func plain(_ line: String, _ body: String = "", cookie: String? = nil, host: String = here, _ fields: [String] = []) -> String {
    var text = "\(line) HTTP/1.1\r\nHost: \(host)\r\n" + fields.map { $0 + "\r\n" }.joined()
    if let cookie { text += "Cookie: theme=dark; \(cookie); other=1\r\n" }
    if !body.isEmpty || line.hasPrefix("POST") { text += "Content-Length: \(body.utf8.count)\r\n" }
    return text + "\r\n" + body
}

private func plain(_ line: String, _ fields: [String]) -> String { plain(line, "", fields) }

/// One answer on a connection of its own.
private func ask(_ host: Host, _ text: String, _ peer: PeerKind = .remote) throws -> Reply {
    let client = host.connect(peer)
    defer { host.drop(client) }
    return try #require(Reply.all(try host.exchange(client, text), heads: text.hasPrefix("HEAD") ? [0] : []).first)
}

private func cookie(of reply: Reply) throws -> String {
    let field = try #require(reply.fields["set-cookie"])
    return String(field.split(separator: ";")[0])
}

private func signIn(_ host: Host, key: String = secret, at name: String = here) throws -> String {
    let reply = try ask(host, page("POST /dashboard/session", "{\"key\":\"\(key)\"}", host: name))
    #expect(reply.status == 201)
    return try cookie(of: reply)
}

@Test func aCookieStandsForItsKey() throws {
    let host = try Host(key: secret)
    let reply = try ask(host, page("POST /dashboard/session", "{\"key\":\"\(secret)\"}"))
    #expect(reply.status == 201 && !reply.body.contains(secret))
    let field = try #require(reply.fields["set-cookie"])
    for part in ["purser_session_7787=", "; HttpOnly", "; SameSite=Strict", "; Path=/"] { #expect(field.contains(part), "\(part)") }
    #expect(!field.contains("Secure"))
    #expect(reply.body.contains("\"scopes\":[\"ingest\",\"read\",\"admin\"]") && reply.body.contains("\"name\":\"first\""))
    let cookie = try cookie(of: reply)
    #expect(try ask(host, page("GET /dashboard/session", cookie: cookie)).body != signedOut)
    #expect(try ask(host, page("GET /api/v1/client/keys", cookie: cookie)).status == 200)
    let event = "{\"eventName\":\"call\",\"costAmount\":1}"
    #expect(try ask(host, page(eventsPath, event, cookie: cookie)).status == 201)
    #expect(try ask(host, plain("GET /api/v1/client/keys")).status == 401)
    #expect(try ask(host, plain("GET /dashboard/session")).body == signedOut)
    // Out again.
    let out = try ask(host, page("DELETE /dashboard/session", cookie: cookie))
    #expect(out.status == 200 && out.fields["set-cookie"]?.contains("Max-Age=0") == true)
    #expect(try ask(host, page("GET /api/v1/client/keys", cookie: cookie)).status == 401)
}

@Test func aWrongKeySignsNobodyInAndTenMakeAPause() throws {
    let host = try Host(key: secret)
    let wrong = page("POST /dashboard/session", "{\"key\":\"sk_live_ffffffffffffffffffffffffffffffff\"}")
    for _ in 0..<Limits.signInFailures {
        let reply = try ask(host, wrong)
        #expect(reply.status == 401 && reply.fields["set-cookie"] == nil)
    }
    let right = page("POST /dashboard/session", "{\"key\":\"\(secret)\"}")
    let refused = try ask(host, right)
    #expect(refused.status == 429 && refused.fields["retry-after"] == "\(Limits.signInSeconds)")
    host.wait(Double(Limits.signInSeconds))
    #expect(try ask(host, right).status == 201)
    for body in ["", "[]", "{}", "{\"key\":1}", "{\"key\":\"a\",\"key\":\"b\"}", "not json"] {
        #expect(try ask(host, page("POST /dashboard/session", body)).status == 400, "\(body)")
    }
    // A longer body than any key needs is not waited for.
    let client = host.connect(.remote)
    host.send(client, "POST /dashboard/session HTTP/1.1\r\nHost: \(here)\r\nContent-Length: \(Limits.signInBytes + 1)\r\n\r\n")
    try host.settle()
    #expect(statuses(host.take(client)) == [400])
}

@Test func whatTheKeyMayNotTheCookieMayNot() throws {
    let host = try Host(key: secret)
    func key(_ scope: String) throws -> String {
        let reply = try ask(host, plain("POST /api/v1/client/keys", "{\"scopes\":[\"\(scope)\"]}", ["Authorization: Bearer \(secret)"]))
        let start = try #require(reply.body.range(of: "\"apiKey\":\"")).upperBound
        return String(reply.body[start...].prefix(40))
    }
    let reader = try signIn(host, key: try key("read"))
    let sender = try signIn(host, key: try key("ingest"))
    let event = "{\"eventName\":\"call\",\"costAmount\":1}"
    #expect(try ask(host, page("GET /api/v1/client/prices", cookie: reader)).status == 200)
    #expect(try ask(host, page("GET /api/v1/client/prices", cookie: sender)).status == 403)
    #expect(try ask(host, page(eventsPath, event, cookie: reader)).status == 403)
    #expect(try ask(host, page(eventsPath, event, cookie: sender)).status == 201)
    #expect(try ask(host, page("DELETE /api/v1/client/keys/1", cookie: reader)).status == 403)
    #expect(try ask(host, page("GET /dashboard/session", cookie: reader)).body.contains("\"scopes\":[\"read\"]"))
}

@Test func aRevokedKeyEndsItsSessions() throws {
    let host = try Host(key: secret)
    let cookie = try signIn(host)
    #expect(try ask(host, page("DELETE /api/v1/client/keys/1", cookie: cookie)).status == 200)
    #expect(try ask(host, page("GET /dashboard/session", cookie: cookie)).body == signedOut)
    #expect(try ask(host, page("GET /api/v1/client/prices", cookie: cookie)).status == 401)
}

@Test func aSessionEndsWhenNothingIsAskedForLong() throws {
    let host = try Host(key: secret)
    let cookie = try signIn(host)
    for _ in 0..<3 {
        host.wait(Double(Limits.sessionHours) * 3600 - 1)
        #expect(try ask(host, page("GET /dashboard/session", cookie: cookie)).body != signedOut)
    }
    host.wait(Double(Limits.sessionHours) * 3600)
    #expect(try ask(host, page("GET /dashboard/session", cookie: cookie)).body == signedOut)
}

@Test func theOneIdleLongestLeavesWhenThereAreTooMany() throws {
    let host = try Host(key: secret)
    var cookies: [String] = []
    for _ in 0...Limits.sessions {
        cookies.append(try signIn(host))
        host.wait(1)
    }
    #expect(try ask(host, page("GET /dashboard/session", cookie: cookies[0])).body == signedOut)
    #expect(try ask(host, page("GET /dashboard/session", cookie: cookies[1])).body != signedOut)
}

@Test func noOtherSiteMakesUseOfACookie() throws {
    let host = try Host(key: secret)
    let cookie = try signIn(host)
    let event = "{\"eventName\":\"call\",\"costAmount\":1}"
    let foreign = [
        ["Origin: http://evil.example"], ["Origin: null"], ["Sec-Fetch-Site: cross-site"], ["Sec-Fetch-Site: same-site"],
        ["Origin: http://127.0.0.1:3000"], ["Origin: https://\(here)"], ["Origin: http://\(here)", "Sec-Fetch-Site: cross-site"],
    ]
    for fields in foreign {
        #expect(try ask(host, plain(eventsPath, event, cookie: cookie, fields)).status == 403, "\(fields)")
        #expect(try ask(host, plain("GET /api/v1/client/prices", cookie: cookie, fields)).status == 403, "\(fields)")
        #expect(try ask(host, plain("POST /dashboard/session", "{\"key\":\"\(secret)\"}", fields)).status == 403, "\(fields)")
    }
    // Nothing said: good enough to look, not to change.
    #expect(try ask(host, plain(eventsPath, event, cookie: cookie)).status == 403)
    #expect(try ask(host, plain("DELETE /dashboard/session", cookie: cookie)).status == 403)
    #expect(try ask(host, plain("GET /api/v1/client/prices", cookie: cookie)).status == 200)
    #expect(try ask(host, plain("GET /api/v1/client/prices", cookie: cookie, ["Sec-Fetch-Site: none"])).status == 200)
    #expect(try ask(host, plain(eventsPath, event, cookie: cookie, ["Sec-Fetch-Site: none"])).status == 403)
    #expect(try ask(host, plain(eventsPath, event, cookie: cookie, ["Sec-Fetch-Site: same-origin"])).status == 201)
    // A key of one's own is nobody else's: where it comes from does not matter.
    #expect(try ask(host, plain(eventsPath, event, ["Authorization: Bearer \(secret)", "Origin: http://evil.example"])).status == 201)
    #expect(host.events == 2)
}

@Test func aCookieIsGoodOnItsOwnHostOnly() throws {
    let host = try Host(key: secret)
    let cookie = try signIn(host)
    for name in ["localhost:7787", "127.0.0.2:7787", "[::1]:7787"] {
        #expect(try ask(host, page("GET /dashboard/session", cookie: cookie, host: name)).body == signedOut, "\(name)")
        #expect(try ask(host, page("GET /api/v1/client/prices", cookie: cookie, host: name)).status == 401, "\(name)")
        #expect(try ask(host, page("GET /", host: name)).status == 200, "\(name)")
        _ = try signIn(host, at: name)
    }
    for name in [
        "evil.example:7787", "127.0.0.1.evil.example:7787", "localhost.evil.example", "10.0.0.1:7787", "127.0.0.01x", "evil-localhost",
    ] {
        #expect(try ask(host, page("GET /", host: name)).status == 421, "\(name)")
        #expect(try ask(host, page("POST /dashboard/session", "{\"key\":\"\(secret)\"}", host: name)).status == 421, "\(name)")
    }
    #expect(try ask(host, page("GET /api/v1/client/prices", cookie: cookie, host: "evil.example:7787")).status == 403)
    // Of a cookie that is there twice nobody knows which is meant.
    let double = plain("GET /dashboard/session", cookie: cookie + "; " + cookie)
    #expect(try ask(host, double).body == signedOut)
    #expect(try ask(host, plain("GET /dashboard/session", cookie: cookie, ["Cookie: a=b"])).body == signedOut)
}

@Test func behindAProxyTheListedOriginIsTheOnlyOne() throws {
    let host = try Host(key: secret)
    host.server.reconfigure(
        corsOrigins: [], dedupWindow: 86_400_000_000_000, socketRules: nil, dashboardOrigins: ["https://purser.example.com"])
    let name = "purser.example.com"
    let own = ["Origin: https://\(name)", "Sec-Fetch-Site: same-origin"]
    let body = "{\"key\":\"\(secret)\"}"
    let reply = try ask(host, plain("POST /dashboard/session", body, host: name, own))
    #expect(reply.status == 201 && reply.fields["set-cookie"]?.contains("; Secure") == true)
    let cookie = try cookie(of: reply)
    #expect(try ask(host, plain("DELETE /dashboard/session", cookie: cookie, host: name, ["Origin: http://\(name)"])).status == 403)
    #expect(try ask(host, plain("GET /api/v1/client/prices", cookie: cookie, host: name, own)).status == 200)
}

// MARK: - Links

private func link(_ host: Host, _ peer: PeerKind, _ fields: [String] = []) throws -> String {
    let reply = try ask(host, plain("POST /dashboard/link", fields), peer)
    #expect(reply.status == 201)
    let start = try #require(reply.body.range(of: "\"path\":\"")).upperBound
    return String(reply.body[start...].prefix { $0 != "\"" })
}

@Test func aLinkSignsInOnceAndNotForLong() throws {
    let host = try Host(key: secret)
    let path = try link(host, .local)
    // What only looks takes nothing.
    #expect(try ask(host, plain("HEAD \(path)")).fields["set-cookie"] == nil)
    let first = try ask(host, plain("GET \(path)", ["Sec-Fetch-Site: none"]))
    #expect(first.status == 303 && first.fields["location"] == "/" && first.fields["cache-control"] == "no-store")
    let cookie = try cookie(of: first)
    let session = try ask(host, page("GET /dashboard/session", cookie: cookie))
    #expect(session.status == 200 && session.body.contains("\"key\":null"))
    let second = try ask(host, plain("GET \(path)"))
    #expect(second.status == 303 && second.fields["location"] == "/sign-in?link=expired" && second.fields["set-cookie"] == nil)
    let late = try link(host, .remote, ["Authorization: Bearer \(secret)"])
    host.wait(Double(Limits.signInLinkMinutes) * 60)
    #expect(try ask(host, plain("GET \(late)")).fields["set-cookie"] == nil)
    for query in ["", "?token=", "?token=0", "?other=1"] {
        #expect(try ask(host, plain("GET /dashboard/link\(query)")).fields["location"] == "/sign-in?link=expired", "\(query)")
    }
}

@Test func linksAreForThoseWhoAreLetIn() throws {
    let host = try Host(key: secret)
    #expect(try ask(host, plain("POST /dashboard/link")).status == 401)
    let cookie = try signIn(host)
    #expect(try ask(host, page("POST /dashboard/link", cookie: cookie)).status == 403)
    var links: [String] = []
    for _ in 0...Limits.signInLinks {
        links.append(try link(host, .local))
        host.wait(1)
    }
    #expect(try ask(host, plain("GET \(links[0])")).fields["location"] == "/sign-in?link=expired")
    #expect(try ask(host, plain("GET \(links[1])")).fields["location"] == "/")
}

@Test func theFirstStartHasALinkForItsKeyUntilItIsKnown() throws {
    let host = try Host(key: secret)
    let nowhere = host.server.firstLink(at: host.now)
    host.server.pageAddress = "http://127.0.0.1:7787"
    let found = host.server.firstLink(at: host.now)
    let url = try #require(found)
    #expect(nowhere == nil)
    #expect(url.hasPrefix("http://127.0.0.1:7787/dashboard/link?token=") && !url.contains(secret))
    let reply = try ask(host, plain("GET " + url.dropFirst("http://127.0.0.1:7787".count)))
    #expect(try ask(host, page("GET /api/v1/client/keys", cookie: try cookie(of: reply))).status == 200)
    let later = host.server.firstLink(at: host.now)
    #expect(later == nil)
}
