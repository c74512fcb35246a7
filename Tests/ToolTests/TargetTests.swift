import Client
import Core
import Testing

@testable import purser

@Suite struct TargetTests {
    @Test func addressesAreReadAndWrittenTheSameWay() {
        for text in ["unix:/run/purser/purser.sock", "tcp:127.0.0.1:7787", "tcp:[::1]:80", "tcp:db.example:65535"] {
            #expect(Target(text)?.description == text)
        }
        let long = "unix:/" + String(repeating: "a", count: 107)
        for text in [
            "", "unix:", "tcp:", "tcp:host", "tcp::80", "tcp:host:0", "tcp:host:65536", "tcp:::1:80", "tcp:[::1:80", "http://x", long,
        ] {
            #expect(Target(text) == nil, "\(text)")
        }
    }

    @Test func theFirstSocketThatExistsIsTheStandardTarget() {
        let variables = ["RUNTIME_DIRECTORY": "/run/a:/run/b", "XDG_RUNTIME_DIR": "/run/user/1000"]
        func target(_ existing: String...) -> Target {
            Target.standard(environment: { variables[$0] }, exists: { existing.contains($0) })
        }
        #expect(target("/run/a/purser.sock", "/run/purser/purser.sock") == .unix(path: "/run/a/purser.sock"))
        #expect(target("/run/purser/purser.sock") == .unix(path: "/run/purser/purser.sock"))
        #expect(target("/run/user/1000/purser/purser.sock") == .unix(path: "/run/user/1000/purser/purser.sock"))
        #expect(target() == .tcp(host: "127.0.0.1", port: 7787))
    }

    @Test func theStateDirectoryFollowsTheDaemons() {
        func state(_ variables: [String: String], isRoot: Bool) -> String {
            StateDirectory.standard(environment: { variables[$0] }, isRoot: isRoot)
        }
        #expect(state(["STATE_DIRECTORY": "/srv/one:/srv/two"], isRoot: true) == "/srv/one")
        #expect(state([:], isRoot: true) == "/var/lib/purser")
        #expect(state(["XDG_STATE_HOME": "/s", "HOME": "/h"], isRoot: false) == "/s/purser")
        #expect(state(["HOME": "/h"], isRoot: false) == "/h/.local/state/purser")
    }

    @Test func aKeyIsOneLineOfVisibleASCII() {
        #expect(APIKey(" sk_live_0123\n")?.text == "sk_live_0123")
        for text in ["", "\n", "two words", "line\nline", "caf\u{E9}", "a\u{0}", String(repeating: "k", count: 257)] {
            #expect(APIKey(text) == nil)
        }
    }
}

@Suite struct InstantTests {
    let now = Timestamp(rfc3339: "2026-08-06T12:00:00Z")!

    @Test func peopleMayTypeDatesMonthsAndAges() {
        func read(_ text: String) -> String? { Instant.read(text, now: now)?.description }
        #expect(read("2026-08-06T02:00:00+02:00") == "2026-08-06T00:00:00Z")
        #expect(read("2026-08-01") == "2026-08-01T00:00:00Z")
        #expect(read("2026-08") == "2026-08-01T00:00:00Z")
        #expect(read("90m") == "2026-08-06T10:30:00Z")
        #expect(read("7d") == "2026-07-30T12:00:00Z")
        #expect(read("1w") == read("7d"))
        for text in ["", "d", "7", "-7d", "7.5d", "yesterday", "2026-13-01", "99999999999999999999d", "9223372036854775807w", "100000d"] {
            #expect(read(text) == nil, "\(text)")
        }
    }
}
