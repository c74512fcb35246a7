// PricesInForce: the price book that counts: the daemon's, made here from the texts it has in force, by the same code; or the one
// built into this binary when there is no daemon to ask. Which of the two it is, is said on standard error.

import Core
import Pricing

struct PricesInForce {
    enum Origin: Equatable {
        case daemon(Target)
        /// And why not the daemon's; empty when they were asked for.
        case builtIn(String)
    }

    var book: PriceBook
    var origin: Origin
    /// Whether the daemon's catalogue is the one built into it.
    var isBuiltIn = true
    /// Prices of one's own as the daemon lists them.
    var own: [Value] = []

    /// Seconds to wait for the daemon: prices can be had without it.
    static let patience = 10

    static func builtIn(_ reason: String = "") throws -> PricesInForce {
        PricesInForce(book: try PriceList.builtIn(), origin: .builtIn(reason))
    }

    /// The daemon's prices, else the ones built in. A daemon that was named must answer.
    static func load(_ options: SharedOptions, builtIn: Bool) throws -> PricesInForce {
        if builtIn { return try PricesInForce.builtIn() }
        do {
            var service = try Service(options, seconds: patience)
            return try ask(&service, at: try options.target())
        } catch let failure as Failure where options.to == nil && failure.status != ExitStatus.usage {
            return try PricesInForce.builtIn(failure.message)
        }
    }

    static func ask(_ service: inout Service, at target: Target) throws -> PricesInForce {
        let data = try service.data(HTTPRequest("GET", PricesCommand.path))
        let own = data["own"]?.elements ?? []
        var texts = PriceTexts()
        texts.own = own.map { price in
            PriceTexts.Text(name: price["name"]?.string ?? apiName, bytes: Array((price["text"]?.string ?? "").utf8))
        }
        // The same text need not travel.
        if data["catalogue"]?["sha256"]?.string != builtInDigest { texts.catalogue = try CatalogueService.get(&service) }
        do throws(PriceBookError) {
            let book = try PriceBook.make(texts)
            let isBuiltIn = data["catalogue"]?["builtIn"] != .bool(false)
            return PricesInForce(book: book, origin: .daemon(target), isBuiltIn: isBuiltIn, own: own)
        } catch {
            throw Failure.refused("the daemon's prices cannot be read by this version of purser: " + "\(error)".printable)
        }
    }

    /// What `OwnPriceRow.file` says of a price that was set through the API.
    static let apiName = "API"

    private static var builtInDigest: String {
        var text = ByteWriter(capacity: 64)
        PriceBook.digest(catalogue: nil).bytes.withUnsafeBytes { text.append(hex: $0) }
        return text.string
    }

    // MARK: - Saying which

    /// Says on standard error whose prices these are, unless somebody asked for just these.
    func announce() {
        if origin != .builtIn("") { Terminal.complain(text, prefix: "") }
    }

    var text: String {
        switch origin {
        case .builtIn(""): return "Built-in prices of \(book.version)."
        case .builtIn(let reason):
            let first = reason.prefix { $0 != "\n" }
            return "Built-in prices of \(book.version), without any of your own: \(first)."
        case .daemon(let target):
            let count = book.ownPriceCount
            let kind = isBuiltIn ? "built in" : "loaded"
            return "Prices of the daemon at \("\(target)".printable): catalogue \(book.version) (\(kind)), \(count) of your own."
        }
    }

    /// The same for programs.
    var json: Value {
        var from = "builtIn"
        if case .daemon = origin { from = "daemon" }
        return .fields(("from", .string(from)), ("version", .string(book.version)))
    }
}
