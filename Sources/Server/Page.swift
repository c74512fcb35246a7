// Page: the files of the dashboard as they are served: type, strong entity tags, and the compressed form, which is made when a file is
// first asked for by somebody who takes it and kept for good. All of them together are a few hundred kilobytes.

internal import Core
internal import Dashboard
internal import Wire

struct Page: ~Copyable {
    struct File {
        var content: HTTPContent
        var plain: UnsafeRawBufferPointer
        /// Empty until it is made; then nil when it would not be shorter.
        var gzip: UnsafeRawBufferPointer??
        /// The quoted tag of the plain form; the compressed one's has `-gz` in it.
        var tag: [UInt8]
    }

    /// What `GET` of a path means; nil for a path that is not the page's.
    enum Path {
        case index
        case file(UnsafeRawBufferPointer)
    }

    private var files: [File?]

    init() { files = Array(repeating: nil, count: purser_page_count()) }

    deinit { for case .some(.some(.some(let gzip))) in files.map({ $0?.gzip }) { purser_page_free(gzip.baseAddress) } }

    /// Pages that are one path, and those that have further segments for one thing each.
    private static let pages: [StaticString] = [
        "overview", "customers", "features", "models", "events", "prices", "sources", "health", "sign-in",
    ]
    private static let pagesOfThings: [StaticString] = ["customers/", "features/", "models/", "events/", "prices/"]

    static func path(_ path: UnsafeRawBufferPointer) -> Path? {
        guard path.first == 0x2F else { return nil }
        let rest = UnsafeRawBufferPointer(rebasing: path[1...])
        if rest.isEmpty || pages.contains(where: { same(rest, $0) }) || pagesOfThings.contains(where: { starts(rest, $0) }) {
            return .index
        }
        if same(rest, "favicon.svg") || same(rest, "favicon.ico") { return .file(bytes("favicon.svg")) }
        if starts(rest, "assets/") { return .file(UnsafeRawBufferPointer(rebasing: rest[7...])) }
        return nil
    }

    static func bytes(_ text: StaticString) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
    }

    private static func same(_ text: UnsafeRawBufferPointer, _ other: StaticString) -> Bool { sameBytes(text, bytes(other)) }

    private static func starts(_ text: UnsafeRawBufferPointer, _ other: StaticString) -> Bool {
        text.count > other.utf8CodeUnitCount && same(UnsafeRawBufferPointer(rebasing: text[..<other.utf8CodeUnitCount]), other)
    }

    /// The number of a file; nil when there is none of this name.
    static func number(_ name: UnsafeRawBufferPointer) -> Int? {
        (0..<purser_page_count()).first { index in
            let file = purser_page_file(index)!.pointee
            var length = 0
            while file.name[length] != 0 { length += 1 }
            return sameBytes(UnsafeRawBufferPointer(start: file.name, count: length), name)
        }
    }

    mutating func file(_ number: Int, gzip: Bool) -> File {
        if files[number] == nil { files[number] = Self.read(number) }
        if gzip, case .none = files[number]!.gzip {
            let plain = files[number]!.plain
            var length = 0
            let made = purser_page_gzip(plain.baseAddress?.assumingMemoryBound(to: UInt8.self), plain.count, &length)
            files[number]!.gzip = .some(made.map { UnsafeRawBufferPointer(start: $0, count: length) })
        }
        return files[number]!
    }

    private static func read(_ number: Int) -> File {
        let file = purser_page_file(number)!.pointee
        let plain = UnsafeRawBufferPointer(start: file.bytes, count: file.length)
        var tag = ByteWriter(capacity: 64)
        tag.append(0x22)
        withUnsafeBytes(of: Digest(sha256: plain).words) { tag.append(hex: UnsafeRawBufferPointer(rebasing: $0[..<16])) }
        tag.append(0x22)
        let name = String(cString: file.name)
        let types: [(String, HTTPContent)] = [
            (".html", .html), (".css", .css), (".js", .javascript), (".svg", .svg), (".ico", .icon), (".png", .png), (".json", .json),
            (".woff2", .font),
        ]
        return File(content: types.first { name.hasSuffix($0.0) }?.1 ?? .text, plain: plain, gzip: .none, tag: tag.array)
    }

    /// Whether an `If-None-Match` holds this tag, weak or not (RFC 9110 section 13.1.2).
    static func matches(_ field: UnsafeRawBufferPointer, _ tag: [UInt8]) -> Bool {
        if same(field, "*") { return true }
        return field.split(separator: 0x2C).contains { item in
            var item = item.drop { $0 == 0x20 || $0 == 0x09 }
            while let last = item.last, last == 0x20 || last == 0x09 { item.removeLast() }
            if item.starts(with: [0x57, 0x2F]) { item.removeFirst(2) }
            return item.elementsEqual(tag)
        }
    }

    /// Whether an `Accept-Encoding` takes gzip: named, and not with a weight of nothing.
    static func takesGzip(_ field: UnsafeRawBufferPointer) -> Bool {
        field.split(separator: 0x2C).contains { item in
            let plain = item.filter { $0 != 0x20 && $0 != 0x09 }.map { $0 &- 0x41 < 26 ? $0 | 0x20 : $0 }
            guard plain.starts(with: "gzip".utf8) else { return false }
            let weight = plain.dropFirst(4)
            if weight.isEmpty { return true }
            return weight.starts(with: ";q=".utf8) && weight.dropFirst(3).contains { $0 != 0x30 && $0 != 0x2E }
        }
    }
}

extension Server {
    /// Of everything that a browser shows: what it may load, what it may be shown in, what it tells others.
    static let pageFields: StaticString = """
        content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; \
        font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'\r
        x-content-type-options: nosniff\r
        referrer-policy: no-referrer\r
        cross-origin-opener-policy: same-origin\r
        cross-origin-resource-policy: same-origin\r
        cache-control: no-cache\r
        vary: accept-encoding\r

        """

    mutating func servePage(_ context: inout RequestContext, _ name: UnsafeRawBufferPointer, _ claim: Claim) {
        guard isOwnHost(claim) else { return misdirected(&context) }
        guard let number = Page.number(name) else {
            fail(&context, 404, "not_found", "There is nothing at this path")
            return
        }
        let takesGzip = claim.acceptEncoding.map(Page.takesGzip) ?? false
        let file = page.file(number, gzip: takesGzip)
        var body = file.plain
        var tag = file.tag
        scratch.reset()
        if takesGzip, case .some(.some(let compressed)) = file.gzip {
            body = compressed
            tag = tag.dropLast() + Array("-gz\"".utf8)
            scratch.append("content-encoding: gzip\r\n")
        }
        scratch.append("etag: ")
        scratch.append(tag)
        scratch.append("\r\n")
        var response = HTTPResponse(status: 200)
        response.content = file.content
        if let known = claim.ifNoneMatch, Page.matches(known, tag) {
            response.status = 304
            response.content = .none
            body = UnsafeRawBufferPointer(start: nil, count: 0)
        }
        response.extra = Server.pageFields
        context.origin = nil
        fill(&response, context)
        response.lines = scratch.bytes
        let connection = slots + Int(context.index)
        connection.pointee.output.append(http: response, contentLength: body.count)
        if context.method != .head { connection.pointee.output.append(bytes: body) }
        connection.pointee.hold(until: 0, durable: pipelineBox.pointee.durable)
    }
}
