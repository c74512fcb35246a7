// `purser dashboard`: a link that signs a browser in, once.

import ArgumentParser

struct DashboardCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dashboard",
        abstract: "Print a link that opens the dashboard, signed in. It works once, and not for long.",
        discussion: """
            Over the Unix socket no key is needed; the page then may do what the socket lets you do, else what the key may. The link alone \
            goes to standard output.
            """
    )

    @OptionGroup(title: "Connection") var options: SharedOptions

    func run() throws {
        var service = try Service(options)
        let data = try service.data(HTTPRequest("POST", "/dashboard/link"))
        if options.json { return Terminal.print(data.json) }
        guard let url = data["url"]?.string else {
            throw Failure.refused(
                "the daemon listens on no address that a browser here can reach: add --listen tcp:127.0.0.1:7787, or dashboard_origins")
        }
        Terminal.complain("once, until \(data["expiresAt"]?.shown.printable ?? "soon"):", prefix: "")
        Terminal.print(url.printable)
    }
}
