// `purser prices`: which prices there are, and prices of one's own. Each sub-command has a file of its own.

import ArgumentParser

struct PricesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prices",
        abstract: "Look into the prices, set your own, take over newer ones.",
        subcommands: [
            List.self, Show.self, Unpriced.self, Set.self, Remove.self, Update.self, DisagreementList.self,
        ]
    )

    @OptionGroup var options: SharedOptions

    static let path = Service.base + "/prices"
}
