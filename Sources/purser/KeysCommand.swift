// `purser keys`: API keys. A new key's text is shown once, by `create`, and nowhere again.

import ArgumentParser

struct KeysCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys",
        abstract: "Create, list and revoke API keys.",
        subcommands: [Create.self, List.self, Revoke.self]
    )

    @OptionGroup var options: SharedOptions

    static let path = Service.base + "/keys"

    enum Scope: String, CaseIterable, ExpressibleByArgument {
        case ingest, read, admin
    }

    struct Create: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a key and print it, once.",
            discussion: "The key alone goes to standard output, so that it can be written to a file: purser keys create > key"
        )

        @Option(help: "What the key is for.")
        var name: String?

        @Option(
            help: ArgumentHelp("What it may do: ingest, read, admin; may be given several times. Without it: ingest.", valueName: "scope"))
        var scope: [Scope] = []

        @OptionGroup(title: "Connection") var options: SharedOptions

        func run() throws {
            var service = try Service(options)
            let scopes = scope.isEmpty ? [Scope.ingest] : scope
            let body = Value.fields(
                ("name", name.map { .string($0) }),
                ("scopes", .array(scopes.map { .string($0.rawValue) }))
            )
            let data = try service.data(HTTPRequest("POST", KeysCommand.path, body: Array(body.json.utf8)))
            if options.json { return Terminal.print(data.json) }
            guard let key = data["apiKey"]?.string else { throw Failure.refused("the answer holds no key") }
            let allowed = scopes.map(\.rawValue).joined(separator: ", ")
            Terminal.complain("key \(data["id"]?.shown.printable ?? "") for \(allowed). It is not shown again:", prefix: "")
            Terminal.print(key.printable)
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "The keys there are, without their text.")

        @OptionGroup(title: "Connection") var options: SharedOptions

        func run() throws {
            var service = try Service(options)
            let data = try service.data(HTTPRequest("GET", KeysCommand.path))
            if options.json { return Terminal.print(data.json) }
            Terminal.print(List.render(data, style: Terminal.style))
        }

        static func render(_ data: Value, style: Style) -> String {
            let items = data["items"]?.elements ?? data.elements
            if items.isEmpty { return "No keys." }
            var table = Table(["id", "key", "name", "scopes", "created"].map { Table.Column(title: $0, alignment: .left) })
            table.rows = items.map { item in
                let scopes = (item["scopes"]?.elements ?? []).map(\.shown).joined(separator: ",")
                return [
                    Table.Cell(item["id"]?.shown ?? "-"), Table.Cell(item["keyHint"]?.shown ?? "-"),
                    Table.Cell(item["name"]?.shown ?? "-"), Table.Cell(scopes.isEmpty ? "-" : scopes),
                    Table.Cell(item["createdAt"]?.shown ?? "-"),
                ]
            }
            return table.render(style)
        }
    }

    struct Revoke: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "End a key. Nothing brings it back.")

        @Argument(help: "The key's id, as `keys list` shows it.")
        var id: String

        @OptionGroup(title: "Connection") var options: SharedOptions

        func run() throws {
            var service = try Service(options)
            let data = try service.data(HTTPRequest("DELETE", KeysCommand.path + "/" + percentEncoded(id)))
            Terminal.print(options.json ? data.json : "revoked \(id.printable)")
        }
    }
}
