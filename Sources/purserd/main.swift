// purserd: reads its command line and configuration, brings the books up from the journal, and serves.

import CLinux
import Core
import Glibc
import Runtime
import Settings

switch CommandLineOptions.parse(Array(CommandLine.arguments.dropFirst())) {
case .failure(let message):
    Log.error("usage", "purserd: \(message.text)")
    Log.error("usage", "usage: " + CommandLineOptions.usage)
    ExitStatus.usage.tell(ServiceNotifier())
    exit(ExitStatus.usage.rawValue)
case .success(let options):
    if options.help {
        print("usage: " + CommandLineOptions.usage)
        print(CommandLineOptions.help)
        exit(0)
    }
    if options.version {
        print("purserd \(Version.text)")
        exit(0)
    }
    purser_share_heaps()
    let notifier = ServiceNotifier()
    let status = Daemon.run(options, notifier)
    status.tell(notifier)
    // Threads that are left are not waited for, as the destructors of libraries would.
    purser_end(status.rawValue)
}
