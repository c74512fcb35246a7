// `purser prices update`: a newer price list into the running daemon, after a look at what it would change.
//
// The list is read and laid over the catalogue that the daemon has in force, here; the daemon is then sent the whole new
// catalogue, and compares and checks it once more before it takes it.

import ArgumentParser
import Core
import Fetch
import Pricing
import Upstream

extension PricesCommand {
    struct Update: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take over the prices that others publish.",
            discussion: """
                Reads a price list, shows what it changes in the catalogue in force, and loads the new catalogue into the daemon. \
                A list is one of genai-prices (data.json) or of litellm (model_prices_and_context_window.json), or a catalogue as \
                the daemon gives it out; only rows that came from the same list are replaced.

                A list that would drop more than a tenth of the rows is refused unless forced.
                """
        )

        @Option(help: ArgumentHelp("genai-prices, litellm, builtin, an https address, a file or - .", valueName: "source"))
        var from = "genai-prices"

        @Option(help: ArgumentHelp("Catalogue to compare with: builtin or a file; the daemon's unless given.", valueName: "source"))
        var base: String?

        @Flag(help: "Show what would change, and change nothing.")
        var dryRun = false

        @Flag(help: "Load it even if it would drop more than a tenth of the rows.")
        var force = false

        @Option(help: ArgumentHelp("Write the new catalogue to this file.", valueName: "file"))
        var output: String?

        @OptionGroup(title: "Connection") var options: SharedOptions

        func validate() throws {
            guard base == nil || dryRun else { throw ValidationError("--base needs --dry-run: the daemon updates the catalogue it has") }
        }

        func run() throws {
            var service: Service?
            if base == nil || !dryRun { service = try Service(options) }
            let inForce = try base.map { try Update.catalogue($0) } ?? CatalogueService.get(&service!)
            let updated = try Update.lay(try Update.list(from), over: inForce, day: String(Instant.now.description.prefix(10)))
            if let output { try Update.write(updated.bundle, to: output) }
            var reply: Value?
            if updated.diff.isEmpty || dryRun {
                if !options.json { Terminal.print(Update.text(updated, style: Terminal.style)) }
            } else {
                if !options.json { Terminal.print(updated.diff.text().printableLines) }
                if let refusal = updated.diff.refusal, !force {
                    throw Failure.refused("not loaded: \(refusal). Look at the difference, then use --force")
                }
                reply = try CatalogueService.put(updated.bundle, force: force, &service!)
                if !options.json { Terminal.print(Update.loaded(reply ?? .null, Terminal.style)) }
            }
            if options.json { Terminal.print(Update.json(updated, reply: reply).json) }
            if dryRun, let refusal = updated.diff.refusal, !force { throw Failure.refused("this would be refused: \(refusal)") }
        }

        // MARK: - Reading

        static func list(_ source: String) throws -> [UInt8] {
            if source == "builtin" { return CatalogueBundle.builtIn() }
            return try fetch(UpstreamFormat(rawValue: source)?.address ?? source)
        }

        static func catalogue(_ source: String) throws -> [UInt8] {
            source == "builtin" ? CatalogueBundle.builtIn() : try fetch(source)
        }

        private static func fetch(_ source: String) throws -> [UInt8] {
            do throws(FetchError) {
                return try Fetch.read(source, agent: Build.agent).bytes
            } catch {
                let text = "\(error)".printable
                switch error.reason {
                case .file, .badAddress: throw Failure.usage(text)
                case .status, .tooLarge, .redirect, .untrusted: throw Failure.refused(text)
                case .noLibrary, .unreachable, .timeout, .broken: throw Failure.unreachable(text)
                }
            }
        }

        static func lay(_ list: [UInt8], over base: [UInt8], day: String) throws -> UpdatedCatalogue {
            do throws(UpstreamError) {
                return try Upstream.update(base: base, upstream: list, day: day)
            } catch {
                throw Failure.refused("the price list: " + "\(error)".printable)
            }
        }

        private static func write(_ bytes: [UInt8], to path: String) throws {
            guard writeFile(path, bytes) else { throw Failure.usage("cannot write \(path.printable): \(systemError())") }
        }

        // MARK: - Showing

        static func text(_ updated: UpdatedCatalogue, style: Style) -> String {
            var text = updated.diff.isEmpty ? "No change. \(updated.diff.summary)" : updated.diff.text()
            if !updated.leftOut.isEmpty {
                let count = updated.leftOut.count
                text +=
                    count == 1
                    ? "\n1 thing that the list says has no word here; --json names it"
                    : "\n\(count) things that the list says have no word here; --json names them"
            }
            return text.printableLines
        }

        static func loaded(_ data: Value, _ style: Style) -> String {
            style.bold("loaded \((data["version"]?.string ?? "").printable)") + ": "
                + (data["rows"]?.integer == 1 ? "1 row" : "\(data["rows"]?.shown ?? "-") rows") + ", before it "
                + (data["catalogueBefore"]?.string ?? "-").printable
        }

        static func json(_ updated: UpdatedCatalogue, reply: Value?) -> Value {
            let diff = updated.diff
            func row(_ row: CatalogueDiff.Row, _ more: (String, Value?)...) -> Value {
                .object(
                    [("provider", Value.string(row.provider)), ("model", .string(row.model))].map { Value.Member(name: $0.0, value: $0.1) }
                        + more.compactMap { name, value in value.map { Value.Member(name: name, value: $0) } })
            }
            return Value.fields(
                ("version", .string(updated.version)), ("format", .string(updated.format.rawValue)),
                ("rowsBefore", .number("\(diff.rowsBefore)")), ("rows", .number("\(diff.rowsAfter)")),
                ("added", .array(diff.added.map { row($0) })), ("removed", .array(diff.removed.map { row($0) })),
                (
                    "changed",
                    .array(
                        diff.changed.map { changed in
                            row(changed.row, ("changes", .array(changed.changes.map(change))))
                        })
                ),
                ("kept", .array(diff.kept.map { row($0.row, ("what", .string($0.what))) })),
                ("leftOut", .array(updated.leftOut.map { .string($0) })),
                ("refusal", diff.refusal.map { .string($0) }), ("loaded", reply))
        }

        private static func change(_ change: CatalogueDiff.Change) -> Value {
            .fields(
                ("condition", change.condition.isEmpty ? nil : .string(change.condition)), ("what", .string(change.what)),
                ("old", change.old.map { .string($0) }), ("new", change.new.map { .string($0) }))
        }
    }
}

/// The daemon's catalogue, asked for and replaced.
enum CatalogueService {
    private static let path = Service.base + "/prices/catalogue"

    static func get(_ service: inout Service) throws -> [UInt8] {
        var request = HTTPRequest("GET", path)
        request.accepts = "text/plain"
        return try service.text(request)
    }

    static func put(_ bundle: [UInt8], force: Bool, _ service: inout Service) throws -> Value {
        var request = HTTPRequest("PUT", path, body: bundle)
        request.bodyType = "text/plain; charset=utf-8"
        if force { request.query = [("force", "true")] }
        return try service.data(request)
    }
}
