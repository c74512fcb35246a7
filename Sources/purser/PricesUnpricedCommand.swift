// `purser prices unpriced`: models whose events have no cost, how many there are, why, and what to do about it.

import ArgumentParser
import Core
import Pricing

extension PricesCommand {
    struct Unpriced: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Models without a price: how many events, why, and what to do.",
            discussion: "The most events first. An event without a cost is counted in every total, its cost is not."
        )

        @Option(help: ArgumentHelp("Events at or after this: an instant, a date, a month, or an age such as 7d.", valueName: "time"))
        var from: String?

        @OptionGroup(title: "Connection") var options: SharedOptions

        func run() throws {
            var service = try Service(options)
            var request = HTTPRequest("GET", Service.base + "/margins")
            request.query = [("groupBy", "provider,model"), ("unpriced", "true")]
            if let from = try Instant.query(from, option: "--from", now: Instant.now) { request.query.append(("from", from)) }
            let data = try service.data(request)
            if options.json { return Terminal.print(data.json) }
            let items = (data["items"]?.elements ?? []).enumerated().sorted { a, b in
                let (x, y) = (a.element["events"]?.amount ?? .zero, b.element["events"]?.amount ?? .zero)
                return x == y ? a.offset < b.offset : x > y
            }.map(\.element)
            guard !items.isEmpty else { return Terminal.print("Every event has a cost.") }
            let book = try PricesInForce.ask(&service, at: try options.target()).book
            var rows: [UnpricedModel] = []
            for (index, item) in items.enumerated() {
                var model = UnpricedModel(item, book: book)
                // What the prices do not explain the newest such event may.
                if model.reason == nil, index < Unpriced.asked { model.reason = try newest(model, &service) }
                rows.append(model)
            }
            Terminal.print(UnpricedModel.render(rows, again: options.words, style: Terminal.style))
        }

        /// Events that are fetched for their reason.
        private static let asked = 50

        private func newest(_ model: UnpricedModel, _ service: inout Service) throws -> String? {
            var request = HTTPRequest("GET", Service.base + "/events")
            request.query = [("unpriced", "true"), ("limit", "1"), ("model", model.model ?? "")]
            if let provider = model.provider { request.query.append(("modelProvider", provider)) }
            return try service.data(request)["items"]?.elements.first?["unpricedReason"]?.string
        }
    }
}

/// A model whose events have no cost.
struct UnpricedModel {
    var provider: String?
    var model: String?
    var events: Amount
    /// As events have it: `unknown_model`, …; nil when the prices in force name the model.
    var reason: String?
    /// Whether the prices in force name it.
    var hasPrice = false

    init(_ item: Value, book: PriceBook) {
        provider = item["modelProvider"]?.string
        model = item["model"]?.string
        events = item["events"]?.amount ?? .zero
        let found = PriceRequest(provider: provider ?? "", model: model ?? "", at: Instant.now).resolve(in: book)
        hasPrice = found.entry >= 0
        if !hasPrice { reason = "\(found.unpriced.name)" }
    }

    /// What a person can do, in a few words.
    func advice(_ again: [String]) -> String {
        let name = model ?? ""
        let set = TypedLine.purser(again + ["prices", "set", "ID", "--model", name, "--rate", "input=RATE/M", "--rate", "output=RATE/M"])
        let isOfUsage = ["no_usage", "no_rate", "out_of_range"].contains(reason)
        if hasPrice, !isOfUsage { return "has a price now: " + TypedLine.purser(again + ["reprice", "--unpriced", "--model", name]) }
        switch reason {
        case "unknown_model": return set
        case "unknown_provider": return "send another modelProvider, or " + set
        case "ambiguous_model": return "send modelProvider: several providers have it"
        case "no_model": return "send costInput.model, or costAmount"
        case "no_usage": return "send the usage: costInput.usage, or token counts"
        case "no_rate": return "a rate is missing for what was used: " + TypedLine.purser(again + ["prices", "show", name])
        case "out_of_range": return "the usage is beyond what a cost can hold"
        default: return "-"
        }
    }

    static func render(_ models: [UnpricedModel], again: [String], style: Style) -> String {
        var table = Table([
            Table.Column(title: "provider", alignment: .left), Table.Column(title: "model", alignment: .left),
            Table.Column(title: "events", alignment: .point), Table.Column(title: "reason", alignment: .left),
        ])
        table.rows = models.map { model in
            [
                Table.Cell(model.provider ?? "-"), Table.Cell(model.model ?? "-"), Table.Cell(model.events.fixed(0)),
                Table.Cell(model.reason ?? "-"),
            ]
        }
        // What to type is never cut.
        let advised = models.prefix(hintLimit).map { (name: ($0.model ?? "-").printable, advice: $0.advice(again)) }
        let width = advised.map(\.name.cells).max() ?? 0
        let hints = advised.map { "  \($0.name)" + String(repeating: " ", count: width - $0.name.cells + 2) + $0.advice }
        var text = table.render(style) + "\n\nWhat to do:\n" + hints.joined(separator: "\n")
        if models.contains(where: { $0.reason == "unknown_model" }) {
            text += "\n\nNewer price lists may know them:  " + TypedLine.purser(again + ["prices", "update", "--dry-run"])
        }
        return text
    }

    /// Models that are given advice.
    private static let hintLimit = 20
}
