// `purser prices set` and `purser prices remove`: prices of one's own in the daemon, in force from the answer on and over
// restarts. Prices in files of `prices.d/` come before them and are changed there.

import ArgumentParser
import Core

extension PricesCommand {
    struct Set: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Set a price of your own.",
            discussion: """
                Rates of a model, or a discount on the catalogue, or one amount for every unit; for a model, a provider, a feature or \
                any combination. The same id again replaces the price.

                  purser prices set acme --model gpt-5.5 \\
                      --rate input=4.00/M --rate output=20.00/M \\
                      --tier batch:input=2.00/M,output=10.00/M \\
                      --tier standard:above=272000,input=8.00/M,output=30.00/M
                  purser prices set everything --discount 12.5
                  purser prices set lookups --feature lookup --per-unit 0.002
                """
        )

        @Argument(help: "The price's name: letters, digits, - _ and . ; it is stored with every event it prices.")
        var id: String

        @Option(help: ArgumentHelp("Only this model, or a pattern with *.", valueName: "name"))
        var model: String?

        @Option(help: ArgumentHelp("Only this provider.", valueName: "name"))
        var provider: String?

        @Option(help: ArgumentHelp("Only this feature.", valueName: "key"))
        var feature: String?

        @Option(help: ArgumentHelp("The first instant it holds: an instant, a date or a month.", valueName: "time"))
        var from: String?

        @Option(help: ArgumentHelp("The first instant it does not hold any more.", valueName: "time"))
        var until: String?

        @Option(help: ArgumentHelp("A rate, as input=2.50/M; may be given several times.", valueName: "kind=rate"))
        var rate: [String] = []

        @Option(help: ArgumentHelp("Percent off every rate of the catalogue.", valueName: "percent"))
        var discount: String?

        @Option(help: ArgumentHelp("USD for every unit.", valueName: "amount"))
        var perUnit: String?

        @Option(
            help: ArgumentHelp(
                "Other rates for a tier, above a length of input, or both: batch:input=1.25/M or standard:above=200000,input=5/M.",
                valueName: "tier:kind=rate,…"))
        var tier: [String] = []

        @OptionGroup(title: "Connection") var options: SharedOptions

        func validate() throws {
            guard [!rate.isEmpty, discount != nil, perUnit != nil].filter(\.self).count == 1 else {
                throw ValidationError("a price has --rate, --discount or --per-unit, and only one of them")
            }
            guard tier.isEmpty || discount == nil else { throw ValidationError("a discount has no tiers: it is off every rate there is") }
        }

        func run() throws {
            let body = try body(now: Instant.now)
            var service = try Service(options)
            let data = try service.data(HTTPRequest("POST", PricesCommand.path, body: Array(body.json.utf8)))
            if options.json { return Terminal.print(data.json) }
            Terminal.print(text(data))
        }

        /// The request's body.
        func body(now: Timestamp) throws -> Value {
            .fields(
                ("id", .string(id)), ("provider", provider.map { .string($0) }), ("model", model.map { .string($0) }),
                ("feature", feature.map { .string($0) }),
                ("from", try Instant.query(from, option: "--from", now: now).map { .string($0) }),
                ("until", try Instant.query(until, option: "--until", now: now).map { .string($0) }),
                ("rates", rate.isEmpty ? nil : try Set.rates(rate, option: "--rate")),
                ("discountPercent", discount.map { .string($0) }), ("perUnit", perUnit.map { .string($0) }),
                ("variants", tier.isEmpty ? nil : .array(try tier.map(Set.variant)))
            )
        }

        /// `kind=rate` each; rates go as text, so that the daemon reads what was typed.
        private static func rates(_ pairs: [String], option: String) throws -> Value {
            var members: [Value.Member] = []
            for pair in pairs {
                let sides = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                guard sides.count == 2, !sides[0].isEmpty, !sides[1].isEmpty else {
                    throw Failure.usage("\(option) takes a kind of usage and its rate, as input=2.50/M, not \(pair.printable)")
                }
                guard !members.contains(where: { $0.name == sides[0] }) else {
                    throw Failure.usage("\(option) gives \(String(sides[0]).printable) twice")
                }
                members.append(Value.Member(name: String(sides[0]), value: .string(String(sides[1]))))
            }
            return .object(members)
        }

        /// `TIER:[above=TOKENS,]kind=rate,…`.
        private static func variant(_ text: String) throws -> Value {
            let sides = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            guard sides.count == 2, !sides[0].isEmpty else {
                throw Failure.usage("--tier takes a tier and its rates, as batch:input=1.25/M,output=5/M, not \(text.printable)")
            }
            var pairs = sides[1].split(separator: ",", omittingEmptySubsequences: false).map(String.init)
            var above: Value?
            if let index = pairs.firstIndex(where: { $0.hasPrefix("above=") }) {
                let tokens = pairs.remove(at: index).dropFirst(6)
                guard let count = Int(tokens), count >= 0 else {
                    throw Failure.usage("above= takes a number of input tokens, not \(String(tokens).printable)")
                }
                above = .number("\(count)")
            }
            return .fields(("tier", .string(String(sides[0]))), ("above", above), ("rates", try rates(pairs, option: "--tier")))
        }

        func text(_ data: Value) -> String {
            var words = options.words + ["reprice"]
            // The price's model need not be the name that events carry; a pattern never is.
            if let feature { words += ["--feature", feature] }
            if let from { words += ["--from", from] }
            return """
                \((data["id"]?.string ?? id).printable) is set, and counts for what happens from now on.
                What has no cost and fits it is priced by itself. What has one keeps it; to see what would change:
                  \(TypedLine.purser(words))
                """
        }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Remove a price of your own that was set with `prices set`.",
            discussion: "Costs that it made stay; `purser reprice` prices them again."
        )

        @Argument(help: "The price's name, as `prices list --own` shows it.")
        var id: String

        @OptionGroup(title: "Connection") var options: SharedOptions

        func run() throws {
            var service = try Service(options)
            let data = try service.data(HTTPRequest("DELETE", PricesCommand.path + "/" + percentEncoded(id)))
            Terminal.print(options.json ? data.json : "\(id.printable) is removed. What it has priced keeps its cost.")
        }
    }
}
