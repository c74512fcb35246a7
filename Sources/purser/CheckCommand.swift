// `purser check`: asks purserd itself whether it would start with a configuration.

import ArgumentParser

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Check a configuration file without starting anything.",
        discussion: "Runs `purserd --check --config FILE`; the exit status is purserd's: 0 fine, 2 not."
    )

    @Argument(help: ArgumentHelp("The configuration.", valueName: "file"))
    var file: String

    func run() throws {
        let child = try Daemon.start([try Daemon.find(), "--check", "--config", file])
        let status = Daemon.wait(child) ?? 1
        if status != 0 { throw ExitCode(status) }
    }
}
