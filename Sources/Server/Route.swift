// Route: what the daemon answers to, and which methods and scopes each path takes.

internal import Core
internal import Journal
internal import Wire

enum Route {
    case health
    case ready
    case metrics
    case events
    case eventsBatch
    /// The key as it came, percent-encoded.
    case event(UnsafeRawBufferPointer)
    case customers
    case customer(UnsafeRawBufferPointer)
    case margins
    case keys
    case key(UnsafeRawBufferPointer)
    /// The event's key as it came.
    case void(UnsafeRawBufferPointer)
    case prices
    case price(UnsafeRawBufferPointer)
    case catalogue
    case reprices
    case reprice(UnsafeRawBufferPointer)
    case reverse(UnsafeRawBufferPointer)
    case simulations
    case stream
    case status
    case models
    case model(UnsafeRawBufferPointer)
    case unpriced
    case disagreements
    /// The dashboard's file of this name.
    case page(UnsafeRawBufferPointer)
    case session
    case link
    case unknown

    private static let base: StaticString = "/api/v1/client/"

    init(_ path: UnsafeRawBufferPointer) {
        self = .unknown
        if Route.same(path, "/healthz") {
            self = .health
        } else if Route.same(path, "/readyz") {
            self = .ready
        } else if Route.same(path, "/metrics") {
            self = .metrics
        }
        guard Route.starts(path, Route.base) else {
            if case .unknown = self { self = Route(ofPage: path) }
            return
        }
        let rest = UnsafeRawBufferPointer(rebasing: path[Route.base.utf8CodeUnitCount...])
        if Route.same(rest, "events") {
            self = .events
        } else if Route.same(rest, "events/batch") {
            self = .eventsBatch
        } else if Route.same(rest, "customers") {
            self = .customers
        } else if Route.same(rest, "margins") {
            self = .margins
        } else if Route.same(rest, "keys") {
            self = .keys
        } else if Route.same(rest, "prices") {
            self = .prices
        } else if Route.same(rest, "prices/catalogue") {
            self = .catalogue
        } else if Route.same(rest, "reprices") {
            self = .reprices
        } else if Route.same(rest, "simulations") {
            self = .simulations
        } else if Route.same(rest, "events/stream") {
            self = .stream
        } else if Route.same(rest, "status") {
            self = .status
        } else if Route.same(rest, "models") {
            self = .models
        } else if Route.same(rest, "unpriced") {
            self = .unpriced
        } else if Route.same(rest, "disagreements") {
            self = .disagreements
        } else if let name = Route.segment(rest, after: "models/") {
            self = .model(name)
        } else if let name = Route.segment(rest, after: "prices/") {
            self = .price(name)
        } else if let name = Route.segment(rest, after: "reprices/", before: "/reverse") {
            self = .reverse(name)
        } else if let name = Route.segment(rest, after: "reprices/") {
            self = .reprice(name)
        } else if let name = Route.segment(rest, after: "events/", before: "/void") {
            self = .void(name)
        } else if let name = Route.segment(rest, after: "events/") {
            self = .event(name)
        } else if let name = Route.segment(rest, after: "customers/") {
            self = .customer(name)
        } else if let name = Route.segment(rest, after: "keys/") {
            self = .key(name)
        }
    }

    private init(ofPage path: UnsafeRawBufferPointer) {
        if Route.same(path, "/dashboard/session") {
            self = .session
        } else if Route.same(path, "/dashboard/link") {
            self = .link
        } else {
            switch Page.path(path) {
            case .index: self = .page(Page.bytes("index.html"))
            case .file(let name): self = .page(name)
            case nil: self = .unknown
            }
        }
    }

    private static func same(_ path: UnsafeRawBufferPointer, _ text: StaticString) -> Bool {
        sameBytes(path, UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    private static func starts(_ path: UnsafeRawBufferPointer, _ text: StaticString) -> Bool {
        guard path.count >= text.utf8CodeUnitCount else { return false }
        return same(UnsafeRawBufferPointer(rebasing: path[..<text.utf8CodeUnitCount]), text)
    }

    private static func segment(
        _ path: UnsafeRawBufferPointer, after prefix: StaticString, before suffix: StaticString = ""
    ) -> UnsafeRawBufferPointer? {
        guard starts(path, prefix), path.count > prefix.utf8CodeUnitCount + suffix.utf8CodeUnitCount else { return nil }
        let end = path.count - suffix.utf8CodeUnitCount
        guard same(UnsafeRawBufferPointer(rebasing: path[end...]), suffix) else { return nil }
        let rest = UnsafeRawBufferPointer(rebasing: path[prefix.utf8CodeUnitCount..<end])
        for byte in rest where byte == 0x2F { return nil }
        return rest
    }

    /// The methods as `Allow` names them; nil for an unknown path.
    var methods: StaticString? {
        switch self {
        case .health, .ready, .metrics, .event, .margins, .reprice, .page, .stream, .status, .models, .model, .unpriced,
            .disagreements:
            "GET, HEAD, OPTIONS"
        case .session: "GET, HEAD, POST, DELETE, OPTIONS"
        case .link: "GET, HEAD, POST, OPTIONS"
        case .events, .customers, .keys, .prices, .reprices: "GET, HEAD, POST, OPTIONS"
        case .eventsBatch, .void, .reverse, .simulations: "POST, OPTIONS"
        case .catalogue: "GET, HEAD, PUT, OPTIONS"
        case .customer: "GET, HEAD, PATCH, OPTIONS"
        case .key, .price: "DELETE, OPTIONS"
        case .unknown: nil
        }
    }

    func allows(_ method: HTTPMethod) -> Bool {
        switch (self, method) {
        case (.health, .get), (.ready, .get), (.metrics, .get), (.event, .get), (.margins, .get): true
        case (.health, .head), (.ready, .head), (.metrics, .head), (.event, .head), (.margins, .head): true
        case (.events, .get), (.customers, .get), (.keys, .get), (.customer, .get): true
        case (.events, .head), (.customers, .head), (.keys, .head), (.customer, .head): true
        case (.events, .post), (.customers, .post), (.keys, .post), (.eventsBatch, .post): true
        case (.customer, .patch), (.key, .delete), (.price, .delete): true
        case (.prices, .get), (.prices, .head), (.prices, .post), (.reprices, .get), (.reprices, .head), (.reprices, .post): true
        case (.reprice, .get), (.reprice, .head), (.reverse, .post), (.void, .post), (.simulations, .post): true
        case (.catalogue, .get), (.catalogue, .head), (.catalogue, .put): true
        case (.page, .get), (.page, .head), (.session, .get), (.session, .head), (.session, .post), (.session, .delete): true
        case (.link, .get), (.link, .head), (.link, .post): true
        case (.stream, .get), (.status, .get), (.models, .get), (.model, .get), (.unpriced, .get), (.disagreements, .get): true
        case (.stream, .head), (.status, .head), (.models, .head), (.model, .head), (.unpriced, .head), (.disagreements, .head): true
        default: false
        }
    }

    func needsKey(_ method: HTTPMethod) -> Bool {
        switch self {
        case .health, .ready, .metrics, .page, .session, .unknown: false
        case .link: method == .post
        default: true
        }
    }

    /// Whether the answer may be longer than what every connection has room for. Single events, health and the like are short.
    func mayAnswerAtLength(_ method: HTTPMethod) -> Bool {
        switch (self, method) {
        case (.eventsBatch, _), (.simulations, _), (.margins, _), (.page, _), (.stream, _), (.status, _): true
        case (.models, _), (.model, _), (.unpriced, _), (.disagreements, _): true
        case (.events, .get), (.customers, .get), (.keys, .get), (.prices, .get), (.catalogue, .get), (.reprices, _), (.event, _): true
        default: false
        }
    }

    func scope(_ method: HTTPMethod) -> UInt8 {
        switch self {
        case .keys, .key, .void, .reverse, .price: KeyScope.admin
        case .prices, .reprices, .catalogue: method == .get || method == .head ? KeyScope.read : KeyScope.admin
        case .simulations: KeyScope.read
        // Who may anything at all may look at the page, which shows what they may see.
        case .link: KeyScope.all
        default: method == .get || method == .head ? KeyScope.read : KeyScope.ingest
        }
    }

    /// Whether a body of this type is read. A body without a type is taken for JSON.
    func takes(_ type: UnsafeRawBufferPointer) -> Bool {
        if Route.isType(type, "application/json") { return true }
        switch self {
        case .eventsBatch: return Route.isType(type, "application/x-ndjson")
        case .catalogue: return Route.isType(type, "text/plain")
        default: return false
        }
    }

    /// Whether a content type is `wanted`, whatever its parameters and its case.
    static func isType(_ type: UnsafeRawBufferPointer, _ wanted: StaticString) -> Bool {
        guard type.count >= wanted.utf8CodeUnitCount else { return false }
        for i in 0..<wanted.utf8CodeUnitCount {
            let byte = type[i]
            guard (byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte) == wanted.utf8Start[i] else { return false }
        }
        guard type.count > wanted.utf8CodeUnitCount else { return true }
        let next = type[wanted.utf8CodeUnitCount]
        return next == 0x3B || next == 0x20 || next == 0x09
    }
}

extension Server {
    mutating func dispatch(
        _ context: inout RequestContext, _ route: Route, _ query: UnsafeRawBufferPointer, _ body: UnsafeRawBufferPointer, _ claim: Claim,
        contentType: UnsafeRawBufferPointer?, eventKey: UnsafeRawBufferPointer?
    ) {
        switch (route, context.method) {
        case (.health, _): health(&context)
        case (.ready, _): readiness(&context)
        case (.metrics, _): metricsPage(&context)
        case (.events, .post): postEvent(&context, body, eventKey)
        case (.eventsBatch, _):
            let isLines = contentType.map { Route.isType($0, "application/x-ndjson") } ?? false
            postBatch(&context, query, body, isLines ? .ndjson : .array)
        case (.events, _): listEvents(&context, query, claim)
        case (.event(let name), _): getEvent(&context, name)
        case (.customers, .post): postCustomer(&context, body)
        case (.customers, _): listCustomers(&context, query, claim)
        case (.customer(let name), .patch): patchCustomer(&context, name, body)
        case (.customer(let name), _): getCustomer(&context, name)
        case (.margins, _): margins(&context, query, claim)
        case (.keys, .post): postKey(&context, body)
        case (.keys, _): listKeys(&context)
        case (.key(let name), _): deleteKey(&context, name)
        case (.void(let name), _): voidEvent(&context, name, body)
        case (.prices, .post): postPrice(&context, body)
        case (.prices, _): if !exportPrices(&context, query, claim) { listPrices(&context) }
        case (.price(let name), _): deletePrice(&context, name)
        case (.catalogue, .put): putCatalogue(&context, query, body)
        case (.catalogue, _): getCatalogue(&context)
        case (.reprices, .post): postReprice(&context, body)
        case (.reprices, _): listReprices(&context)
        case (.reprice(let name), _): getReprice(&context, name)
        case (.reverse(let name), _): reverseReprice(&context, name)
        case (.simulations, _): postSimulation(&context, body)
        case (.stream, _): openStream(&context, query, claim)
        case (.status, _): status(&context)
        case (.models, _): listModels(&context, query, claim)
        case (.model(let name), _): getModel(&context, name, query)
        case (.unpriced, _): listUnpriced(&context, query, claim)
        case (.disagreements, _): listDisagreements(&context, query, claim)
        case (.page(let name), _): servePage(&context, name, claim)
        case (.session, .post): postSession(&context, claim, body)
        case (.session, .delete): deleteSession(&context, claim)
        case (.session, _): getSession(&context, claim)
        case (.link, .post): postLink(&context, claim)
        case (.link, _): followLink(&context, claim, query)
        case (.unknown, _): fail(&context, 404, "not_found", "There is nothing at this path")
        }
    }
}
