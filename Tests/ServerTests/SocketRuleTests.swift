// Who may use a Unix socket: by user and group, with the scopes of the rules that name them, and nobody else.

import Core
import Frames
import Journal
import Ledger
import Server
import Testing

private let app = PeerCredentials(user: 1000, groups: [1000, 50])
private let operators = PeerCredentials(user: 1001, groups: [1001, 60])
private let stranger = PeerCredentials(user: 1002, groups: [1002])

private func reload(_ host: Host, _ rules: [SocketRules.Rule]?) {
    host.server.reconfigure(
        corsOrigins: [], dedupWindow: Int64(Limits.dedupWindowDays) * 86_400_000_000_000, socketRules: rules.map { SocketRules($0) })
}

private let rules = [
    SocketRules.Rule(.user(1000), scopes: KeyScope.ingest),
    SocketRules.Rule(.group(60), scopes: KeyScope.read),
    SocketRules.Rule(.group(1001), scopes: KeyScope.admin),
]

@Test func withoutRulesEveryPeerOfTheSocketMayDoEverything() throws {
    let host = try Host()
    let client = host.connect(from: stranger)
    #expect(statuses(try host.exchange(client, post("a") + request("GET /api/v1/client/keys"))) == [201, 200])
}

@Test func aPeerMayDoWhatItsRulesSayTogether() throws {
    let host = try Host()
    reload(host, rules)
    let sender = host.connect(from: app)
    let reading = request("GET /api/v1/client/margins?groupBy=day")
    let listing = request("GET /api/v1/client/keys")
    #expect(statuses(try host.exchange(sender, post("a") + reading + listing)) == [201, 403, 403])
    let person = host.connect(from: operators)
    #expect(statuses(try host.exchange(person, post("b") + reading + listing)) == [403, 200, 200])
    let binary = host.connect(from: app)
    #expect(Answer.all(try host.exchange(binary, Frame.hello())) == [.hello(scopes: KeyScope.ingest)])
}

@Test func aPeerThatNoRuleNamesIsToldSoAndServedNothing() throws {
    let host = try Host(key: "sk_live_0123456789abcdef0123456789abcdef")
    reload(host, rules)
    for credentials in [stranger, nil] {
        for text in [request("GET /healthz"), post("a", ["Authorization: Bearer sk_live_0123456789abcdef0123456789abcdef"]), "?"] {
            let client = host.connect(from: credentials)
            let replies = Reply.all(try host.exchange(client, text))
            #expect(replies.map(\.status) == [403] && replies[0].body.contains("unix_allow"))
            #expect(host.clients[client].closed)
        }
        let binary = host.connect(from: credentials)
        #expect(Answer.all(try host.exchange(binary, Frame.hello())) == [.error(.forbidden, 0)])
        #expect(host.clients[binary].closed)
    }
    #expect(host.server.metrics.peersRefused == 8 && host.events == 0)
    // TCP is another matter.
    let remote = host.connect(.remote)
    #expect(statuses(try host.exchange(remote, request("GET /healthz"))) == [200])
}

@Test func nobodyIsLetInByAnEmptyList() throws {
    let host = try Host()
    reload(host, [])
    let client = host.connect(from: PeerCredentials(user: 0, groups: [0]))
    #expect(statuses(try host.exchange(client, request("GET /healthz"))) == [403])
}

@Test func aReloadHoldsForOpenConnections() throws {
    let host = try Host()
    let http = host.connect(from: app)
    let binary = host.connect(from: app)
    #expect(statuses(try host.exchange(http, post("a"))) == [201])
    _ = try host.exchange(binary, Frame.hello() + Frame.events(["b"], requestID: 2))
    #expect(host.events == 2)
    reload(host, [SocketRules.Rule(.user(1000), scopes: KeyScope.read)])
    #expect(statuses(try host.exchange(http, post("c"))) == [403])
    #expect(Answer.all(try host.exchange(binary, Frame.events(["d"], requestID: 3))) == [.error(.forbidden, 3)])
    reload(host, [SocketRules.Rule(.group(50), scopes: KeyScope.ingest)])
    #expect(statuses(try host.exchange(http, post("e"))) == [201])
    _ = try host.exchange(binary, Frame.events(["f"], requestID: 4))
    #expect(host.events == 4)
    reload(host, rules.filter { $0.subject != .user(1000) })
    #expect(statuses(try host.exchange(http, post("g"))) == [403])
    #expect(Answer.all(try host.exchange(binary, Frame.events(["h"], requestID: 5))) == [.error(.forbidden, 0)])
    #expect(host.clients[http].closed && host.clients[binary].closed && host.events == 4)
    reload(host, nil)
    let again = host.connect(from: stranger)
    #expect(statuses(try host.exchange(again, post("i"))) == [201])
}
