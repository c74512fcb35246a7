// `purser prices disagreements`: the models whose rates the two price lists do not agree on.

import ArgumentParser
import Pricing

extension PricesCommand {
    struct DisagreementList: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "disagreements",
            abstract: "Where the two price lists behind the built-in one say different rates.",
            discussion: "The rate under `rate` is the one that counts here. Rates are in USD with their unit: /M is a million."
        )

        @Option(help: ArgumentHelp("Only this provider.", valueName: "name"))
        var provider: String?

        @Option(help: ArgumentHelp("Only models whose name holds this text.", valueName: "text"))
        var model: String?

        @OptionGroup(title: "Connection") var options: SharedOptions

        func run() throws {
            let book = try PriceList.builtIn()
            let wanted = try provider.map { try PriceList(book, at: Instant.now).canonical($0, in: book) }
            let found = DisagreementList.matching(Disagreements.all(), provider: wanted, model: model)
            if options.json {
                Terminal.print(DisagreementList.json(found).json)
            } else {
                Terminal.print(found.isEmpty ? "None." : DisagreementList.render(found, style: Terminal.style))
            }
        }

        static func matching(_ all: [Disagreement], provider: String?, model: String?) -> [Disagreement] {
            let needle = model?.lowercased()
            return all.filter { one in
                (provider.map { one.provider == $0 } ?? true) && (needle.map { one.model.lowercased().contains($0) } ?? true)
            }
        }

        static func json(_ found: [Disagreement]) -> Value {
            .fields(
                (
                    "items",
                    .array(
                        found.map { one in
                            .fields(
                                ("provider", .string(one.provider)), ("model", .string(one.model)), ("kind", .string(one.kind)),
                                ("chosenSource", .string(one.chosenSource)), ("chosenRate", .string(one.chosenRate)),
                                ("otherSource", .string(one.otherSource)), ("otherRate", .string(one.otherRate)))
                        })
                ))
        }

        static func render(_ found: [Disagreement], style: Style) -> String {
            var table = Table(
                ["provider", "model", "kind", "rate", "from", "other rate", "from"].map { Table.Column(title: $0, alignment: .left) })
            table.rows = found.map { one in
                [one.provider, one.model, one.kind, one.chosenRate, one.chosenSource, one.otherRate, one.otherSource].map { Table.Cell($0) }
            }
            return table.render(style) + "\n" + style.dim(found.count == 1 ? "1 rate" : "\(found.count) rates")
        }
    }
}
