// The command line of `purser`: the root command and the options every command shares.

import ArgumentParser
import Client
import Glibc

struct Purser: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "purser",
        abstract: "Send AI usage events to purserd and see what they cost and earn.",
        discussion: """
            Without --to the daemon is looked for where it listens by itself: the socket in $RUNTIME_DIRECTORY, \
            /run/purser/purser.sock, $XDG_RUNTIME_DIR/purser/purser.sock, else tcp:127.0.0.1:7787.

            Exit status: 0 fine, 1 the server refused, 2 wrong use, 3 the server cannot be reached.
            """,
        version: Build.version,
        subcommands: [
            SendCommand.self, MarginsCommand.self, EventsCommand.self, VoidCommand.self, CustomersCommand.self,
            PriceCommand.self, PricesCommand.self, RepriceCommand.self, SimulateCommand.self,
            KeysCommand.self, DashboardCommand.self, JournalCommand.self, CheckCommand.self, DemoCommand.self, BenchCommand.self,
        ]
    )

    @OptionGroup var options: SharedOptions
}

/// Options that may stand before or after the command's name.
struct SharedOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Where purserd listens: unix:PATH or tcp:HOST:PORT.", valueName: "address"))
    var to: String?

    @Option(help: ArgumentHelp("File with the API key (else $PURSER_API_KEY).", valueName: "file"))
    var keyFile: String?

    @Flag(help: "Print the server's data as one line of JSON.")
    var json = false

    /// Where to connect.
    func target() throws -> Target {
        guard let to else {
            return Target.standard(environment: { Environment[$0] }, exists: { access($0, F_OK) == 0 })
        }
        guard let target = Target(to) else {
            throw Failure.usage("--to takes unix:PATH or tcp:HOST:PORT, not \(to.printable)")
        }
        return target
    }

    func key(for target: Target) throws -> APIKey? { try APIKey.find(file: keyFile, for: target) }

    /// A connection for queries.
    func connection(seconds: Int) throws -> HTTPConnection {
        let target = try target()
        return HTTPConnection(target: target, key: try key(for: target), seconds: seconds)
    }

    /// The same options, to be typed again.
    var words: [String] {
        var words: [String] = []
        if let to { words += ["--to", to] }
        if let keyFile { words += ["--key-file", keyFile] }
        return words
    }
}
