// purser-sim: the simulator as a command.

import Glibc

guard let options = Options(Array(CommandLine.arguments.dropFirst())) else {
    print(Options.usage)
    exit(2)
}
var campaign = Campaign(options)
exit(campaign.run())
