// The request grammar as two tables: what is accepted, with what it means, and what is refused, with which status.

import Core
import Testing
import Wire

/// What an accepted head must hold; anything not named is not looked at, `nil` means absent.
struct AcceptedHead: CustomTestStringConvertible {
    let name: String
    let request: String
    let fields: [String: String?]

    init(_ name: String, _ request: String, _ fields: [String: String?]) {
        self.name = name
        self.request = request
        self.fields = fields
    }
    var testDescription: String { name }
}

struct RefusedHead: CustomTestStringConvertible {
    let name: String
    let request: [UInt8]
    let status: UInt16

    init(_ name: String, _ request: String, _ status: UInt16 = 400) {
        self.init(name, bytes(request), status)
    }
    init(_ name: String, _ request: [UInt8], _ status: UInt16 = 400) {
        self.name = name
        self.request = request
        self.status = status
    }
    var testDescription: String { name }
}

private let line = "GET / HTTP/1.1\r\n"
private let host = "Host: h\r\n"

/// A request with one header besides Host.
private func with(_ header: String, method: String = "POST") -> String { "\(method) /p HTTP/1.1\r\nHost: h\r\n\(header)\r\n\r\n" }

let acceptedHeads: [AcceptedHead] = [
    .init(
        "the least", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", ["method": "get", "path": "/", "query": nil, "keepAlive": "true", "length": nil]),
    .init("one empty line first", "\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", ["method": "get", "path": "/"]),
    .init("HEAD", "HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n", ["method": "head"]),
    .init("POST", "POST /x HTTP/1.1\r\nHost: h\r\n\r\n", ["method": "post"]),
    .init("PUT", "PUT /x HTTP/1.1\r\nHost: h\r\n\r\n", ["method": "put"]),
    .init("PATCH", "PATCH /x HTTP/1.1\r\nHost: h\r\n\r\n", ["method": "patch"]),
    .init("DELETE", "DELETE /x HTTP/1.1\r\nHost: h\r\n\r\n", ["method": "delete"]),
    .init("OPTIONS", "OPTIONS /x HTTP/1.1\r\nHost: h\r\n\r\n", ["method": "options"]),
    .init("OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", ["method": "options", "path": "*"]),
    .init("a method nobody knows", "BREW /pot HTTP/1.1\r\nHost: h\r\n\r\n", ["method": "other", "name": "BREW"]),
    .init("methods are case-sensitive", "get / HTTP/1.1\r\nHost: h\r\n\r\n", ["method": "other", "name": "get"]),
    .init("odd token characters in a method", "A!#$%&'*+-.^_`|~9 / HTTP/1.1\r\nHost: h\r\n\r\n", ["method": "other"]),
    .init("a query", "GET /a?b=c HTTP/1.1\r\nHost: h\r\n\r\n", ["path": "/a", "query": "b=c"]),
    .init("an empty query", "GET /a? HTTP/1.1\r\nHost: h\r\n\r\n", ["path": "/a", "query": ""]),
    .init("a query with question marks", "GET /a?b?c?d HTTP/1.1\r\nHost: h\r\n\r\n", ["path": "/a", "query": "b?c?d"]),
    .init("a percent sign is not decoded here", "GET /%2e%2e/%00 HTTP/1.1\r\nHost: h\r\n\r\n", ["path": "/%2e%2e/%00"]),
    .init("dot segments are not removed here", "GET /a/../b HTTP/1.1\r\nHost: h\r\n\r\n", ["path": "/a/../b"]),
    .init("two slashes", "GET //x HTTP/1.1\r\nHost: h\r\n\r\n", ["path": "//x"]),
    .init("visible ASCII in a target", "GET /\"<>[]^`{|}\\ HTTP/1.1\r\nHost: h\r\n\r\n", ["path": "/\"<>[]^`{|}\\"]),
    .init("absolute form", "GET http://h:1/a?b HTTP/1.1\r\nHost: h:1\r\n\r\n", ["path": "/a", "query": "b", "host": "h:1"]),
    .init("absolute form, other case", "GET HTTP://Example.ORG/ HTTP/1.1\r\nHost: example.org\r\n\r\n", ["path": "/"]),
    .init("absolute form without a path", "GET http://h HTTP/1.1\r\nHost: h\r\n\r\n", ["path": "/", "query": nil]),
    .init("absolute form with a query only", "GET http://h?a HTTP/1.1\r\nHost: h\r\n\r\n", ["path": "/", "query": "a"]),
    .init("absolute form, HTTP/1.0 without Host", "GET http://h/a HTTP/1.0\r\n\r\n", ["path": "/a", "minor": "0"]),
    .init("HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n", ["minor": "0", "keepAlive": "false", "host": nil]),
    .init("HTTP/1.0 kept alive", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", ["keepAlive": "true"]),
    .init("HTTP/1.0, keep-alive and close", "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", ["keepAlive": "false"]),
    .init("HTTP/1.0 with a length", "POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\n", ["length": "3"]),
    .init("HTTP/1.0 expects nothing", "POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n", ["expect": "false"]),
    .init("close", with("Connection: close"), ["keepAlive": "false"]),
    .init("close among others", with("Connection: Upgrade , CLOSE"), ["keepAlive": "false"]),
    .init("close in a second line", with("Connection: foo\r\nConnection: close"), ["keepAlive": "false"]),
    .init("a word with close inside", with("Connection: not-close, closed"), ["keepAlive": "true"]),
    .init("an empty connection list", with("Connection: ,, ,"), ["keepAlive": "true"]),
    .init("length 0", with("Content-Length: 0"), ["length": "0"]),
    .init("length without a space", with("Content-Length:5"), ["length": "5"]),
    .init("length between spaces and tabs", with("Content-Length: \t 5 \t "), ["length": "5"]),
    .init("length in odd case", with("cOnTeNt-LeNgTh: 17"), ["length": "17"]),
    .init("chunked", with("Transfer-Encoding: chunked"), ["chunked": "true", "length": nil]),
    .init("chunked in odd case", with("transfer-encoding:\tChUnKeD"), ["chunked": "true"]),
    .init("expect", with("Expect: 100-Continue"), ["expect": "true"]),
    .init("an empty header", with("X-Empty:"), ["method": "post"]),
    .init("a header of white space", with("X-Empty: \t \t"), ["method": "post"]),
    .init("a value with colons", with("X-A: b:c: d"), ["method": "post"]),
    .init("a value with a tab inside", with("X-A: b\tc"), ["method": "post"]),
    .init("a name of one letter", with("x: y"), ["method": "post"]),
    .init("a name of odd token characters", with("!#$%&'*+-.^_`|~: y"), ["method": "post"]),
    .init("an underscore in a name", with("X_Y: 5"), ["length": nil]),
    .init("a coding of a body that is none", with("Content-Encoding: gzip"), ["length": nil]),
    .init("a longer name is another name", with("Content-Length-X: 5"), ["length": nil]),
    .init("repeated unknown headers", with("X-A: 1\r\nX-A: 2"), ["method": "post"]),
    .init("repeated Accept keeps the first", with("Accept: a/b\r\nAccept: c/d"), ["accept": "a/b"]),
    .init("bearer", with("Authorization: Bearer k"), ["authorization": "Bearer k"]),
    .init("api key", with("X-API-Key: k"), ["x-api-key": "k"]),
    .init("content type", with("Content-Type: application/json; charset=utf-8"), ["content-type": "application/json; charset=utf-8"]),
    .init("request id", with("X-Request-ID: r-1"), ["x-request-id": "r-1"]),
    .init("idempotency key", with("Idempotency-Key: a b"), ["idempotency-key": "a b"]),
    .init("event key", with("X-Idempotency-Key: k"), ["x-idempotency-key": "k"]),
    .init("an empty event key is present", with("X-Idempotency-Key:"), ["x-idempotency-key": ""]),
    .init("origin", with("Origin: http://localhost:3000"), ["origin": "http://localhost:3000"]),
    .init("preflight", with("Access-Control-Request-Method: POST", method: "OPTIONS"), ["acrm": "POST"]),
    .init("UTF-8 in a value", with("X-A: h\u{E9}"), ["method": "post"]),
    .init("host with a port", "GET / HTTP/1.1\r\nHost: a.b-c_d~e:65536\r\n\r\n", ["host": "a.b-c_d~e:65536"]),
    .init("host with an empty port", "GET / HTTP/1.1\r\nHost: h:\r\n\r\n", ["host": "h:"]),
    .init("host with percent", "GET / HTTP/1.1\r\nHost: %2Frun%2Fpurser.sock\r\n\r\n", ["host": "%2Frun%2Fpurser.sock"]),
    .init("IPv6 host", "GET / HTTP/1.1\r\nHost: [::1]:7787\r\n\r\n", ["host": "[::1]:7787"]),
    .init("IPv4 in IPv6 host", "GET / HTTP/1.1\r\nHost: [::ffff:127.0.0.1]\r\n\r\n", ["host": "[::ffff:127.0.0.1]"]),
    .init("the body is not looked at", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n\u{0}\n", ["length": "2"]),
]

let refusedHeads: [RefusedHead] = [
    // The request line.
    .init("a space first", " GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
    .init("a tab first", "\tGET / HTTP/1.1\r\nHost: h\r\n\r\n"),
    .init("two empty lines first", "\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"),
    .init("a line feed first", "\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"),
    .init("a carriage return first", "\rGET / HTTP/1.1\r\nHost: h\r\n\r\n"),
    .init("two spaces before the target", "GET  / HTTP/1.1\r\nHost: h\r\n\r\n"),
    .init("a tab before the target", "GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n"),
    .init("two spaces before the version", "GET /  HTTP/1.1\r\nHost: h\r\n\r\n"),
    .init("a tab before the version", "GET /\tHTTP/1.1\r\nHost: h\r\n\r\n"),
    .init("a space after the version", "GET / HTTP/1.1 \r\nHost: h\r\n\r\n"),
    .init("a tab after the version", "GET / HTTP/1.1\t\r\nHost: h\r\n\r\n"),
    .init("a fourth word", "GET / HTTP/1.1 x\r\nHost: h\r\n\r\n"),
    .init("a space in the target", "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n"),
    .init("HTTP/0.9", "GET /\r\n\r\n"),
    .init("HTTP/0.9 with a space", "GET / \r\n\r\n"),
    .init("no target", "GET HTTP/1.1\r\nHost: h\r\n\r\n"),
    .init("an empty target", "GET  HTTP/1.1\r\nHost: h\r\n\r\n"),
    .init("no method", "/ HTTP/1.1\r\nHost: h\r\n\r\n"),
    .init("a bracket in the method", "G[T / HTTP/1.1\r\nHost: h\r\n\r\n"),
    .init("a colon in the method", "GET: / HTTP/1.1\r\nHost: h\r\n\r\n"),
    .init("a NUL in the method", bytes("G") + [0] + bytes("ET / HTTP/1.1\r\nHost: h\r\n\r\n")),
    .init("a byte above ASCII in the method", [0xC3, 0x89] + bytes(" / HTTP/1.1\r\nHost: h\r\n\r\n")),
    .init("a TLS hello", [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00]),
    .init("a path without a slash", "GET index.html HTTP/1.1\r\nHost: h\r\n\r\n"),
    .init("* with GET", "GET * HTTP/1.1\r\nHost: h\r\n\r\n"),
    .init("*x with OPTIONS", "OPTIONS *x HTTP/1.1\r\nHost: h\r\n\r\n"),
    .init("a query alone", "GET ?a HTTP/1.1\r\nHost: h\r\n\r\n"),
    .init("authority form", "CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n"),
    .init("a fragment", "GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n"),
    .init("a NUL in the target", bytes("GET /a") + [0] + bytes(" HTTP/1.1\r\nHost: h\r\n\r\n")),
    .init("DEL in the target", "GET /a\u{7F} HTTP/1.1\r\nHost: h\r\n\r\n"),
    .init("a control character in the target", "GET /a\u{1}b HTTP/1.1\r\nHost: h\r\n\r\n"),
    .init("UTF-8 in the target", "GET /\u{E9} HTTP/1.1\r\nHost: h\r\n\r\n"),
    .init("a carriage return in the target", "GET /a\r/b HTTP/1.1\r\nHost: h\r\n\r\n"),
    .init("https absolute form", "GET https://h/ HTTP/1.1\r\nHost: h\r\n\r\n"),
    .init("another scheme", "GET ftp://h/ HTTP/1.1\r\nHost: h\r\n\r\n"),
    .init("absolute form without a host", "GET http:/// HTTP/1.1\r\nHost: h\r\n\r\n"),
    .init("absolute form with user information", "GET http://u@h/ HTTP/1.1\r\nHost: h\r\n\r\n"),
    .init("absolute form and another Host", "GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n"),
    .init("absolute form and a longer Host", "GET http://a/ HTTP/1.1\r\nHost: a:80\r\n\r\n"),
    .init("HTTP/2.0", "GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505),
    .init("HTTP/1.2", "GET / HTTP/1.2\r\nHost: h\r\n\r\n", 505),
    .init("HTTP/0.9 said", "GET / HTTP/0.9\r\nHost: h\r\n\r\n", 505),
    .init("HTTP/9.1", "GET / HTTP/9.1\r\nHost: h\r\n\r\n", 505),
    .init("the HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    .init("HTTP/1.10", "GET / HTTP/1.10\r\nHost: h\r\n\r\n"),
    .init("HTTP/01.1", "GET / HTTP/01.1\r\nHost: h\r\n\r\n"),
    .init("HTTP/1", "GET / HTTP/1\r\nHost: h\r\n\r\n"),
    .init("HTTP/1.", "GET / HTTP/1.\r\nHost: h\r\n\r\n"),
    .init("HTTP/1,1", "GET / HTTP/1,1\r\nHost: h\r\n\r\n"),
    .init("HTTP/x.1", "GET / HTTP/x.1\r\nHost: h\r\n\r\n"),
    .init("http/1.1", "GET / http/1.1\r\nHost: h\r\n\r\n"),
    .init("HTTPS/1.1", "GET / HTTPS/1.1\r\nHost: h\r\n\r\n"),
    .init("HTTP 1.1", "GET / HTTP 1.1\r\nHost: h\r\n\r\n"),
    .init("HTTP/ 1.1", "GET / HTTP/ 1.1\r\nHost: h\r\n\r\n"),
    .init("another protocol", "GET / ICY/1.1\r\nHost: h\r\n\r\n"),
    // Line ends.
    .init("line feed after the request line", "GET / HTTP/1.1\nHost: h\r\n\r\n"),
    .init("line feed after a header", "GET / HTTP/1.1\r\nHost: h\n\r\n"),
    .init("line feeds only", "GET / HTTP/1.1\nHost: h\n\n"),
    .init("an empty line of line feed", "GET / HTTP/1.1\r\nHost: h\r\n\n"),
    .init("carriage return after the request line", "GET / HTTP/1.1\rHost: h\r\n\r\n"),
    .init("carriage return inside a value", "GET / HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n"),
    .init("two carriage returns", "GET / HTTP/1.1\r\nHost: h\r\r\n\r\n"),
    .init("carriage return, then no line feed, at the end", "GET / HTTP/1.1\r\nHost: h\r\n\rX"),
    .init("carriage return and smuggled header", "GET / HTTP/1.1\r\nHost: h\r\nX: a\rContent-Length: 5\r\n\r\n"),
    // Header names.
    .init("a folded line", "GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n"),
    .init("a folded line with a tab", "GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n\tb\r\n\r\n"),
    .init("a fold before the first header", "GET / HTTP/1.1\r\n Host: h\r\n\r\n"),
    .init("a space before the colon", with("Content-Length : 5")),
    .init("a tab before the colon", with("Content-Length\t: 5")),
    .init("a space before Transfer-Encoding's colon", with("Transfer-Encoding : chunked")),
    .init("a name of nothing", with(": x")),
    .init("a space in a name", with("Content Length: 5")),
    .init("no colon", with("Host")),
    .init("no colon, with a value", with("X-Header value")),
    .init("a slash in a name", with("a/b: c")),
    .init("parentheses in a name", with("a(b): c")),
    .init("a quote in a name", with("\"a\": c")),
    .init("a comma in a name", with("a,b: c")),
    .init("a semicolon in a name", with("a;b: c")),
    .init("brackets in a name", with("[a]: c")),
    .init("braces in a name", with("{a}: c")),
    .init("an at in a name", with("a@b: c")),
    .init("a backslash in a name", with("a\\b: c")),
    .init("a NUL in a name", bytes("GET / HTTP/1.1\r\nHo") + [0] + bytes("st: h\r\n\r\n")),
    .init("DEL in a name", with("a\u{7F}b: c")),
    .init("UTF-8 in a name", with("\u{E9}: c")),
    .init("a control character in a name", with("a\u{B}b: c")),
    // Header values.
    .init("a NUL in a value", bytes("GET / HTTP/1.1\r\nHost: h\r\nX: a") + [0] + bytes("b\r\n\r\n")),
    .init("DEL in a value", with("X: a\u{7F}")),
    .init("a control character in a value", with("X: a\u{1}b")),
    .init("an escape in a value", with("X: \u{1B}[31m")),
    .init("a vertical tab as white space", with("Content-Length:\u{B}5")),
    .init("a form feed as white space", with("Transfer-Encoding:\u{C}chunked")),
    // Host.
    .init("no Host", "GET / HTTP/1.1\r\n\r\n"),
    .init("no Host, other headers", "GET / HTTP/1.1\r\nX: y\r\n\r\n"),
    .init("two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    .init("the same Host twice", "GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n"),
    .init("two Hosts in HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"),
    .init("an empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    .init("a Host of white space", "GET / HTTP/1.1\r\nHost: \t\r\n\r\n"),
    .init("a Host with a path", "GET / HTTP/1.1\r\nHost: h/x\r\n\r\n"),
    .init("a Host with user information", "GET / HTTP/1.1\r\nHost: u@h\r\n\r\n"),
    .init("a Host list", "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n"),
    .init("a Host with a space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
    .init("a Host with two ports", "GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n"),
    .init("a Host with a named port", "GET / HTTP/1.1\r\nHost: a:http\r\n\r\n"),
    .init("a Host of a port", "GET / HTTP/1.1\r\nHost: :80\r\n\r\n"),
    .init("a Host with an open bracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"),
    .init("a Host with empty brackets", "GET / HTTP/1.1\r\nHost: []\r\n\r\n"),
    .init("a Host with something after brackets", "GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n"),
    .init("UTF-8 in a Host", "GET / HTTP/1.1\r\nHost: h\u{E9}\r\n\r\n"),
    // Content-Length.
    .init("an empty length", with("Content-Length:")),
    .init("a length with a sign", with("Content-Length: +5")),
    .init("a negative length", with("Content-Length: -1")),
    .init("a hexadecimal length", with("Content-Length: 0x5")),
    .init("a hexadecimal digit", with("Content-Length: 5a")),
    .init("an octal length", with("Content-Length: 010")),
    .init("a length with leading zeros", with("Content-Length: 0005")),
    .init("a length of zeros", with("Content-Length: 00")),
    .init("a length with a comma", with("Content-Length: 5,5")),
    .init("a length list", with("Content-Length: 5, 6")),
    .init("a spaced length", with("Content-Length: 1 0")),
    .init("a fractional length", with("Content-Length: 5.0")),
    .init("an exponent length", with("Content-Length: 1e1")),
    .init("a quoted length", with("Content-Length: \"5\"")),
    .init("a length with an underscore", with("Content-Length: 1_0")),
    .init("an underscore for the hyphen of a length", with("Content_Length: 5")),
    .init("an underscore for the hyphen of a coding", with("TRANSFER_ENCODING: chunked")),
    .init("a body with a coding", with("Content-Encoding: gzip\r\nContent-Length: 5"), 415),
    .init("a length in other digits", with("Content-Length: \u{0665}")),
    .init("a length with a semicolon", with("Content-Length: 5;")),
    .init("the same length twice", with("Content-Length: 5\r\nContent-Length: 5")),
    .init("two lengths", with("Content-Length: 5\r\nContent-Length: 6")),
    .init("two lengths in other case", with("Content-Length: 5\r\ncontent-length: 5")),
    .init("a length of 18 digits", with("Content-Length: 999999999999999999"), 413),
    .init("a length of 19 digits", with("Content-Length: 1000000000000000000")),
    .init("a length of 20 digits", with("Content-Length: 18446744073709551617")),
    .init("a length of 100 digits", with("Content-Length: 1" + String(repeating: "0", count: 100))),
    .init("a length of 100 digits and a letter", with("Content-Length: 1" + String(repeating: "0", count: 100) + "x")),
    // Transfer-Encoding.
    .init("length then chunked", with("Content-Length: 5\r\nTransfer-Encoding: chunked")),
    .init("chunked then length", with("Transfer-Encoding: chunked\r\nContent-Length: 5")),
    .init("chunked and length 0", with("Content-Length: 0\r\nTransfer-Encoding: chunked")),
    .init("chunked twice", with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked")),
    .init("chunked, chunked", with("Transfer-Encoding: chunked, chunked")),
    .init("identity", with("Transfer-Encoding: identity")),
    .init("gzip, chunked", with("Transfer-Encoding: gzip, chunked")),
    .init("chunked, identity", with("Transfer-Encoding: chunked, identity")),
    .init("xchunked", with("Transfer-Encoding: xchunked")),
    .init("chunkedx", with("Transfer-Encoding: chunkedx")),
    .init("quoted chunked", with("Transfer-Encoding: \"chunked\"")),
    .init("chunked with a parameter", with("Transfer-Encoding: chunked;q=1")),
    .init("chunked with a comma", with("Transfer-Encoding: ,chunked")),
    .init("chunked with a comma behind", with("Transfer-Encoding: chunked,")),
    .init("chunk", with("Transfer-Encoding: chunk")),
    .init("an empty coding", with("Transfer-Encoding:")),
    .init("chunked behind a fold", with("Transfer-Encoding:\r\n chunked")),
    .init("chunked behind a NUL", bytes("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: ") + [0] + bytes("chunked\r\n\r\n")),
    .init("chunked in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    .init("chunked and length in HTTP/1.0", "POST / HTTP/1.0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
    // Headers that may come once.
    .init("two bearers", with("Authorization: Bearer a\r\nAuthorization: Bearer b")),
    .init("two api keys", with("X-API-Key: a\r\nX-API-Key: a")),
    .init("two content types", with("Content-Type: a/b\r\nContent-Type: a/b")),
    .init("two request ids", with("X-Request-ID: a\r\nX-Request-ID: b")),
    .init("two idempotency keys", with("Idempotency-Key: a\r\nIdempotency-Key: a")),
    .init("two event keys", with("X-Idempotency-Key: a\r\nX-Idempotency-Key: b")),
    .init("an event key, then an empty one", with("X-Idempotency-Key: a\r\nX-Idempotency-Key:")),
    .init("an empty event key, then one", with("X-Idempotency-Key:\r\nX-Idempotency-Key: a")),
    .init("two origins", with("Origin: a\r\nOrigin: b")),
    .init("expecting something else", with("Expect: 200-ok"), 417),
    .init("expecting two things", with("Expect: 100-continue, x"), 417),
]

@Test(arguments: acceptedHeads)
func aValidHeadIsReadAsItIs(_ row: AcceptedHead) {
    guard case .head(let fields, let consumed) = parse(row.request) else {
        Issue.record("\(row.name): \(parse(row.request))")
        return
    }
    for (name, value) in row.fields { #expect(fields[name] == value, "\(row.name): \(name)") }
    let body = row.fields["length"] == "2" ? 2 : 0
    #expect(consumed == row.request.utf8.count - body)
}

@Test(arguments: refusedHeads)
func anInvalidHeadIsRefused(_ row: RefusedHead) {
    #expect(parse(row.request) == .refused(row.status), "\(row.name)")
}

@Test func bothTablesAreLongEnough() {
    #expect(acceptedHeads.count + refusedHeads.count >= 200)
}

@Test func aHeadIsTheSameHoweverItArrives() {
    let requests = acceptedHeads.map { bytes($0.request) } + refusedHeads.map(\.request)
    for request in requests {
        let whole = parse(request)
        for cut in 0...request.count { #expect(parse(request, cuts: [cut]) == whole, "\(text(request)) cut at \(cut)") }
        #expect(parse(request, cuts: Array(0..<request.count)) == whole, "\(text(request)) byte by byte")
    }
}

@Test func everyProperPrefixOfAValidHeadWantsMore() {
    for row in acceptedHeads where row.fields["length"] != "2" {
        let request = bytes(row.request)
        for length in 0..<request.count { #expect(parse(Array(request[0..<length])) == .needMore, "\(row.name) \(length)") }
    }
}

@Test func whatFollowsTheHeadDoesNotMatter() {
    for row in acceptedHeads where row.fields["length"] != "2" {
        let request = bytes(row.request)
        for tail in ["\r\n\r\n", "GET / HTTP/1.1\r\n", "\u{0}\u{1}\n", ": \r\r"] {
            #expect(parse(request + bytes(tail)) == parse(request), "\(row.name)")
        }
    }
}

@Test(arguments: -2...2)
func aHeadMayBeAsLongAsItsLimit(_ difference: Int) {
    let frame = "POST / HTTP/1.1\r\nHost: h\r\nX: \r\n\r\n".utf8.count
    let filler = String(repeating: "a", count: Limits.httpHeadBytes - frame + difference)
    let request = bytes("POST / HTTP/1.1\r\nHost: h\r\nX: \(filler)\r\n\r\n")
    let expected = difference <= 0
    #expect((parse(request).fields != nil) == expected)
    if !expected { #expect(parse(request) == .refused(431)) }
    for cut in [1, 20, request.count - 4, request.count - 3, request.count - 2, request.count - 1] {
        #expect(parse(request, cuts: [cut]) == parse(request))
    }
}

@Test(arguments: -2...2)
func aTargetMayBeAsLongAsItsLimit(_ difference: Int) {
    let target = "/" + String(repeating: "t", count: Limits.httpTargetBytes - 1 + difference)
    let head = parse("GET \(target) HTTP/1.1\r\nHost: h\r\n\r\n")
    if difference <= 0 {
        #expect(head.fields?["path"] == target)
    } else {
        #expect(head == .refused(414))
    }
}

@Test(arguments: -1...1)
func headersMayBeAsManyAsTheirLimit(_ difference: Int) {
    let more = (1..<Limits.httpHeaders + difference).map { "a\($0): \r\n" }.joined()
    let head = parse("GET / HTTP/1.1\r\nHost: h\r\n\(more)\r\n")
    if difference <= 0 { #expect(head.fields != nil) } else { #expect(head == .refused(431)) }
}

@Test(arguments: -1...1)
func aLengthMayBeAsLargeAsTheBodyLimit(_ difference: Int) {
    let head = parse(with("Content-Length: \(Limits.httpBodyBytes + difference)"))
    if difference <= 0 { #expect(head.fields?["length"] == "\(Limits.httpBodyBytes + difference)") } else { #expect(head == .refused(413)) }
}

@Test func anEndlessRequestLineIsRefusedAtTheLimit() {
    #expect(parse([UInt8](repeating: 0x41, count: Limits.httpHeadBytes - 1)) == .needMore)
    #expect(parse([UInt8](repeating: 0x41, count: Limits.httpHeadBytes)) == .refused(400))
    #expect(parse(bytes("GET /") + [UInt8](repeating: 0x41, count: Limits.httpHeadBytes)) == .refused(414))
    #expect(parse(bytes(line + host) + [UInt8](repeating: 0x41, count: Limits.httpHeadBytes)) == .refused(431))
}

@Test func byteByByteArrivalLooksAtEachByteABoundedNumberOfTimes() {
    let request = bytes("POST / HTTP/1.1\r\nHost: h\r\nX: " + String(repeating: "a", count: 16_000) + "\r\n\r\n")
    request.withUnsafeBytes { input in
        var scanned = 0
        for length in 1..<input.count {
            guard case .needMore = HTTPRequestHead.parse(UnsafeRawBufferPointer(rebasing: input[0..<length]), scanned: &scanned) else {
                Issue.record("an answer after \(length) bytes")
                return
            }
            #expect(scanned >= length - 1)
        }
    }
}

private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self).debugDescription }
