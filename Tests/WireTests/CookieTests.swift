// Cookies and hosts: one reading of each, and none where two are possible.

import Core
import Testing
import Wire

private func value(_ field: String, _ name: String = "s") -> String? {
    Array(name.utf8).withUnsafeBytes { name in
        Array(field.utf8).withUnsafeBytes { field in HTTPCookies.value(named: name, in: field).map { String(decoding: $0, as: UTF8.self) } }
    }
}

@Test func aCookieIsFoundWhereverItStands() {
    for field in ["s=1", "a=b; s=1", "s=1; a=b", "a=b;s=1;c=d", "  s=1  ", "; s=1;", "as=2; s=1", "s2=3; s=1"] {
        #expect(value(field) == "1", "\(field)")
    }
    #expect(value("s=") == "" && value("s=a=b") == "a=b" && value("s=\"1\"") == "\"1\"" && value("s=%31") == "%31")
}

@Test func aCookieThatIsNotThereOnceIsNone() {
    for field in ["", "s", "S=1", "a=s=1", "s =1", "s=1; s=1", "s=1; s=2", "xs=1", ";", "s;=1"] {
        #expect(value(field) == nil, "\(field)")
    }
}

private func authority(_ text: String) -> (host: String, port: String, isLoopback: Bool) {
    Array(text.utf8).withUnsafeBytes { bytes in
        let found = HTTPAuthority(bytes)
        return (String(decoding: found.host, as: UTF8.self), String(decoding: found.port, as: UTF8.self), found.isLoopback)
    }
}

@Test func onlyNamesThatCanBeNobodyElsesAreLoopback() {
    for text in [
        "localhost", "LOCALHOST:80", "app.localhost:7787", "127.0.0.1", "127.0.0.1:7787", "127.255.255.255", "[::1]", "[::1]:7787",
    ] {
        #expect(authority(text).isLoopback, "\(text)")
    }
    for text in [
        "localhost.", "localhost.example", "notlocalhost", ".localhost", "127.0.0.1.example", "127.1", "127.0.0.256", "127.0.0.1.",
        "128.0.0.1",
        "127.0.0.0001", "127.0.0.a", "[::2]", "[::ffff:127.0.0.1]", "0.0.0.0", "example.com:127", "",
    ] {
        #expect(!authority(text).isLoopback, "\(text)")
    }
    #expect(authority("127.0.0.1:7787") == ("127.0.0.1", "7787", true) && authority("[::1]") == ("[::1]", "", true))
    #expect(authority("localhost:") == ("localhost", "", true))
}
