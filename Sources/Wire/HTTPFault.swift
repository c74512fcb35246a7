// HTTPFault: every reason for which a request is refused before it reaches a route, with its answer.
//
// `protocol/http.md` lists the same reasons. A code instead of a message travels through the parser, because it fits a
// register.

enum HTTPFault: UInt8 {
    /// Nothing is wrong.
    case none
    /// Nothing is wrong yet: the bytes end before the part does.
    case short

    case bareCarriageReturn, bareLineFeed
    case requestLineStart, targetByte, targetFragment, targetEmpty, targetForm, targetStar, targetHost, otherHost
    case versionMissing, versionForm, requestLineEnd
    case nameEmpty, nameSpace, nameFolded, nameByte, nameUnderscore, valueByte
    case hostTwice, hostForm, hostMissing
    case repeated
    case lengthForm, lengthTwice, lengthZero, lengthAndCoding
    case codingTwice, codingOld, codingUnknown
    case targetLong, headLong, fieldsMany, bodyLarge, version, expectation, contentCoding

    var refusal: HTTPRefusal {
        switch self {
        case .targetLong: HTTPRefusal(status: 414, code: "uri_too_long", message: message)
        case .headLong, .fieldsMany: HTTPRefusal(status: 431, code: "headers_too_large", message: message)
        case .bodyLarge: HTTPRefusal(status: 413, code: "payload_too_large", message: message)
        case .version: HTTPRefusal(status: 505, code: "http_version_not_supported", message: message)
        case .contentCoding: HTTPRefusal(status: 415, code: "unsupported_media_type", message: message)
        case .expectation: HTTPRefusal(status: 417, code: "validation_failed", message: message)
        default: .bad(message)
        }
    }

    private var message: StaticString {
        switch self {
        case .none, .short: "The request is not complete"
        case .bareCarriageReturn: "A carriage return without a line feed"
        case .bareLineFeed: "A line feed without a carriage return"
        case .requestLineStart: "The request line does not start with a method and a space"
        case .targetByte: "The request target holds a byte that is not visible ASCII"
        case .targetFragment: "The request target holds a fragment"
        case .targetEmpty: "The request target is empty"
        case .targetForm: "The request target is neither a path nor an http URL"
        case .targetStar: "The target * is for OPTIONS"
        case .targetHost: "The request target names no valid host"
        case .otherHost: "The request target names another host than the Host header"
        case .versionMissing: "The request line does not end with a version"
        case .versionForm: "The version is not two digits with a dot"
        case .requestLineEnd: "The request line does not end after the version"
        case .nameEmpty: "A header without a name"
        case .nameSpace: "White space before the colon of a header"
        case .nameFolded: "A folded header line"
        case .nameByte: "A header name holds a character that is not allowed"
        case .nameUnderscore: "A header that would frame the request if its underscore were a hyphen"
        case .valueByte: "A header value holds a control character"
        case .hostTwice: "More than one Host header"
        case .hostForm: "The Host header is not a host and port"
        case .hostMissing: "The Host header is missing"
        case .repeated: "A header that may come once came twice"
        case .lengthForm: "Content-Length is not a decimal number of at most 18 digits"
        case .lengthTwice: "More than one Content-Length header"
        case .lengthZero: "Content-Length has a leading zero"
        case .lengthAndCoding: "Content-Length together with Transfer-Encoding"
        case .codingTwice: "More than one Transfer-Encoding header"
        case .codingOld: "Transfer-Encoding in HTTP/1.0"
        case .codingUnknown: "The only transfer coding is chunked"
        case .targetLong: "The request target is too long"
        case .headLong: "The request head is too large"
        case .fieldsMany: "Too many header fields"
        case .bodyLarge: "The request body is too large"
        case .version: "HTTP/1.1 and HTTP/1.0 are spoken here"
        case .contentCoding: "The body is encoded; only identity is read"
        case .expectation: "Only 100-continue can be expected"
        }
    }
}
