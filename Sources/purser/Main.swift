// The entry of `purser`: parses the command line, runs the command, and turns what went wrong into an exit status.
//
//   0  fine
//   1  the server refused, or a check found something wrong
//   2  the command line cannot be used as it stands
//   3  the server cannot be reached, or the connection broke
//
// Results go to standard output, everything else to standard error, so that a pipe sees results only.

import ArgumentParser
import Glibc

@main
struct Main {
    static func main() {
        // A reader that goes away (`purser events | head`) is a failed write, not a signal.
        signal(SIGPIPE, SIG_IGN)
        exit(run(Array(CommandLine.arguments.dropFirst())))
    }

    /// Runs one command line; the result is the exit status.
    static func run(_ arguments: [String]) -> Int32 {
        do {
            var command = try Purser.parseAsRoot(timesApart(arguments))
            try command.run()
            return ExitStatus.success
        } catch let failure as Failure {
            if !failure.message.isEmpty { Terminal.complain(failure.message) }
            return failure.status
        } catch let code as ExitCode {
            return code.rawValue
        } catch {
            let text = Purser.fullMessage(for: error)
            // Asking for help, or for the version, is a result.
            if Purser.exitCode(for: error) == .success {
                Terminal.print(text)
                return ExitStatus.success
            }
            Terminal.complain(text, prefix: "")
            return ExitStatus.usage
        }
    }
}
