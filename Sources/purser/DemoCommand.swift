// `purser demo`: a private daemon, two days of a small company's AI usage, and what they cost and earned.
//
// Everything goes the way an application's events go: real sockets, both protocols, a journal on disk. Nothing outside a
// fresh temporary directory is touched, and nothing is left behind. Every wait is bounded; the whole takes seconds.

import ArgumentParser
import Client
import Core
import Glibc
import Wire

struct DemoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "See it work: a private daemon, a few hundred events, the margins.",
        discussion: "Touches nothing but a temporary directory, which it removes; --keep leaves it for you to look into."
    )

    @Flag(help: "Leave the state directory behind.")
    var keep = false

    func run() throws {
        let style = Terminal.style
        var demo = try Demo(daemon: try Daemon.find(), style: style, keeps: keep)
        Interruption.watch()
        do {
            try demo.run()
        } catch {
            demo.stop()
            throw error
        }
        demo.stop()
        Terminal.print(demo.farewell)
    }
}

/// Whether somebody pressed Ctrl-C: looked at between steps, so that the daemon is stopped and the directory removed.
enum Interruption {
    private nonisolated(unsafe) static var happened: sig_atomic_t = 0

    static func watch() {
        signal(SIGINT) { _ in Interruption.happened = 1 }
        signal(SIGTERM) { _ in Interruption.happened = 1 }
    }

    static func note() { happened = 1 }

    static var hasHappened: Bool { happened != 0 }

    static func check() throws {
        if happened != 0 { throw Failure(status: 130, message: "interrupted") }
    }
}

/// One run of the demonstration.
struct Demo {
    private let style: Style
    private let keeps: Bool
    private let directory: String
    private let daemon: String
    private let socket: Target
    private let tcp: Target
    private var child: pid_t = 0
    private let lines = DemoEvents.lines(now: Instant.now)

    private var state: String { directory + "/state" }
    private var log: String { directory + "/purserd.log" }

    /// Milliseconds that the daemon may take to be ready, and to stop.
    private static let patience = 2000

    init(daemon: String, style: Style, keeps: Bool) throws {
        self.daemon = daemon
        self.style = style
        self.keeps = keeps
        let base = Environment["TMPDIR"].flatMap { $0.isEmpty || $0.utf8.count > 60 ? nil : $0 } ?? "/tmp"
        var template = Array((base + "/purser-demo-XXXXXX").utf8CString)
        guard mkdtemp(&template) != nil else { throw Failure.usage("cannot make a directory in \(base.printable): \(systemError())") }
        directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        socket = .unix(path: directory + "/purser.sock")
        tcp = .tcp(host: "127.0.0.1", port: try Demo.freePort())
    }

    mutating func run() throws {
        try startDaemon()
        try sendEvents()
        try sendOneOverHTTP()
        try Interruption.check()
        var service = Service(target: socket, key: nil, seconds: 2)
        try awaitEvents(&service)
        try showMargins(&service, "What each customer costs and earns", by: .customer)
        try showMargins(&service, "The same by model", by: .model)
        try Interruption.check()
        try showDerivation(&service)
        try priceTheUnpriced(&service)
        try showWhatIf(&service)
        try sendAgain()
    }

    // MARK: - The steps

    private mutating func startDaemon() throws {
        let begin = Instant.monotonic
        child = try Daemon.start(
            [daemon, "--state", state, "--listen", "\(socket)", "--listen", "\(tcp)"], errors: log)
        while true {
            if (try? Socket(socket, seconds: 1)) != nil { break }
            try Interruption.check()
            if let status = Daemon.wait(child, milliseconds: 5) {
                child = 0
                throw Failure.unreachable("purserd ended with status \(status):\n\(tailOfLog)")
            }
            if Instant.monotonic - begin > Int64(Demo.patience) * 1_000_000 {
                throw Failure.unreachable("purserd was not ready in time:\n\(tailOfLog)")
            }
        }
        say("A daemon of its own", "purserd is ready on \(socket) and \(tcp), \(milliseconds(since: begin)) after it was started.")
    }

    private func sendEvents() throws {
        let begin = Instant.monotonic
        let tally = try send(lines)
        guard tally.recorded == lines.count else { throw Failure.refused("of \(lines.count) events \(tally.recorded) were recorded") }
        say(
            "\(lines.count) events over the binary protocol",
            "Recorded and on disk in \(milliseconds(since: begin)): five customers, seven providers and a GPU of their own."
        )
    }

    private func sendOneOverHTTP() throws {
        guard let key = readFile(state + "/api-key", limit: 4096).flatMap({ APIKey(String(decoding: $0, as: UTF8.self)) }) else {
            throw Failure.refused("the daemon left no API key in its state directory")
        }
        var service = Service(target: tcp, key: key, seconds: 2)
        let body = """
            {"eventName":"chat.reply","eventIdempotencyKey":"demo-http","customerReferenceId":"acme-robotics",\
            "featureKey":"support-chat","revenueAmount":0.02,"costInput":{"modelProvider":"openai","model":"gpt-5-mini",\
            "usage":{"prompt_tokens":1200,"completion_tokens":300,"prompt_tokens_details":{"cached_tokens":1024}}}}
            """
        let data = try service.data(HTTPRequest("POST", Service.base + "/events", body: Array(body.utf8)))
        let cost = data["costAmount"]?.shown ?? "-"
        say("One more over HTTP", "POST \(Service.base)/events on TCP, with the key the daemon made: cost \(cost) USD.")
    }

    /// The rollups follow within a second of the answer.
    private func awaitEvents(_ service: inout Service) throws {
        let end = Instant.monotonic + 1_500_000_000
        var request = HTTPRequest("GET", Service.base + "/margins")
        request.query = [("groupBy", "customer")]
        while true {
            let data = try service.data(request)
            if data["totals"]?["events"]?.integer == lines.count + 1 { return }
            guard Instant.monotonic < end else {
                throw Failure.refused("the margins show \(data["totals"]?["events"]?.shown ?? "no") events, not \(lines.count + 1)")
            }
            usleep(20_000)
        }
    }

    private func showMargins(_ service: inout Service, _ title: String, by group: MarginsCommand.Grouping) throws {
        var request = HTTPRequest("GET", Service.base + "/margins")
        request.query = [("groupBy", group.parameter)]
        say(title, MarginsTable.render(try service.data(request), by: [group], style: style))
    }

    private func showDerivation(_ service: inout Service) throws {
        guard let index = lines.firstIndex(where: { $0.contains("claude-opus") }) else { return }
        let item = try service.data(HTTPRequest("GET", Service.base + "/events/" + DemoEvents.key(index)))
        guard let sent = Value(json: lines[index]), let costInput = sent["costInput"] else { return }
        let quote = try PriceQuote(costInput, at: sent["occurredAt"])
        guard let cost = quote.cost, item["costAmount"]?.amount == Amount("\(cost)") else {
            throw Failure.refused(
                "event \(DemoEvents.key(index)): booked \(item["costAmount"]?.shown ?? "nothing"), worked out \(quote.json.json)")
        }
        let usage = costInput["usage"]?.json ?? costInput.json
        say(
            "Why one event of quill-legal cost \(cost) USD",
            style.dim("the provider said  \(usage)") + "\n" + quote.text(style)
                + "\nRevenue \(item["revenueAmount"]?.shown ?? "-"), margin \(item["marginAmount"]?.shown ?? "-")."
        )
    }

    /// A price for the model that has none; the daemon prices by itself what waited for it.
    private func priceTheUnpriced(_ service: inout Service) throws {
        let price = #"{"id":"house","model":"house-mix-22b","rates":{"input":"0.20/M","output":"0.60/M"}}"#
        _ = try service.data(HTTPRequest("POST", PricesCommand.path, body: Array(price.utf8)))
        let end = Instant.monotonic + 1_500_000_000
        while true {
            let runs = try service.data(HTTPRequest("GET", RepriceCommand.path))["items"]?.elements ?? []
            if let run = runs.first, run["status"]?.string == "applied" {
                say(
                    "A price for the model that had none",
                    style.dim("purser prices set house --model house-mix-22b --rate input=0.20/M --rate output=0.60/M") + "\n"
                        + RepriceCommand.text(of: run, again: []))
                return
            }
            guard Instant.monotonic < end else { throw Failure.refused("the events without a price were not priced in time") }
            usleep(20_000)
        }
    }

    private func showWhatIf(_ service: inout Service) throws {
        let body = """
            {"customerReferenceId":"quill-legal","groupBy":["model"],\
            "substitutions":[{"model":"claude-opus-4-6","asModel":"claude-sonnet-4-5"}]}
            """
        let data = try service.data(HTTPRequest("POST", Service.base + "/simulations", body: Array(body.utf8)))
        say(
            "What if quill-legal had used claude-sonnet-4-5",
            style.dim("purser simulate --as-if claude-opus-4-6=claude-sonnet-4-5 --customer quill-legal --by model") + "\n"
                + SimulationTable.text(data, by: [.model], style: style))
    }

    private func sendAgain() throws {
        let tally = try send(lines)
        guard tally.duplicates == lines.count, tally.conflicts == 0, tally.recorded == 0 else {
            throw Failure.refused("sent again, \(tally.recorded) events were recorded a second time")
        }
        say("All \(lines.count) sent again", "\(tally.duplicates) duplicates, 0 recorded: a retry is safe, every event counts once.")
    }

    private func send(_ lines: [String]) throws -> SendTally {
        let target = socket
        var settings = PurserClient.Options()
        settings.name = Build.version
        settings.timeoutMilliseconds = 2000
        let fixed = settings
        var sender = try EventSender<PurserClient>(
            connect: { () throws(ClientError) in try PurserClient(target, options: fixed) }, pause: { usleep(UInt32(min($0, 200)) * 1000) })
        var reader = EventBatchReader()
        var rejections: [Rejection] = []
        let batch = try Array(lines.joined(separator: "\n").utf8).withUnsafeBytes {
            try reader.read($0, shape: .ndjson, numbers: Array(1...lines.count), rejections: &rejections)
        }
        sender.reject(rejections)
        try sender.send(batch)
        try sender.drain()
        if let first = sender.tally.first.first(where: { $0.outcome != .conflict }) {
            throw Failure.refused("an event was rejected: \(first.text)")
        }
        return sender.tally
    }

    // MARK: - The end

    /// Stops the daemon and removes the directory; whatever happened before.
    mutating func stop() {
        if child > 0 {
            kill(child, SIGTERM)
            let status = Daemon.wait(child, milliseconds: Demo.patience)
            if status == nil {
                kill(child, SIGKILL)
                _ = Daemon.wait(child)
            }
            if status != 0 { Terminal.complain("purserd did not stop as it should (status \(status ?? -1)):\n\(tailOfLog)") }
            child = 0
        }
        if !keeps { removeTree(directory) }
    }

    var farewell: String {
        let next = [
            ("purserd", "start the real one; no configuration is needed"),
            (
                "purser send --event chat.reply --customer acme --model gpt-5-mini --input 1200 --output 300 --revenue 0.02",
                ""
            ),
            ("purser margins --by customer,model --from 7d", ""),
            ("purser price --model claude-opus-4-6 --input 20000 --output 3000", "no daemon needed"),
            ("purser reprice --from 7d", "what past events would cost by what is known of the prices now"),
            ("purser --help", ""),
        ]
        var text = style.bold("Next") + "\n"
        for (command, note) in next { text += "  \(command)" + (note.isEmpty ? "" : style.dim("   # \(note)")) + "\n" }
        if keeps { text += "\nLeft behind: \(state)\n  purser journal stats --state \(state)\n" }
        return text + "\n" + style.dim("The daemon was stopped" + (keeps ? "." : " and its directory removed."))
    }

    // MARK: -

    private func say(_ title: String, _ text: String) {
        Terminal.print(
            style.bold(title) + "\n"
                + text.split(separator: "\n", omittingEmptySubsequences: false).map { $0.isEmpty ? "" : "  " + $0 }
                .joined(separator: "\n") + "\n")
    }

    private func milliseconds(since begin: Int64) -> String { "\((Instant.monotonic - begin) / 1_000_000) ms" }

    /// The last lines of what the daemon said.
    private var tailOfLog: String {
        guard let bytes = readFile(log, limit: 1024 * 1024) else { return "(it said nothing)" }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").suffix(5).map { "  " + String($0).printable }.joined(
            separator: "\n")
    }

    /// A loopback port that was free a moment ago.
    static func freePort() throws -> UInt16 {
        let descriptor = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw Failure.usage("cannot open a socket: \(systemError())") }
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutableBytes(of: &address) { bytes in
            let pointer = bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self)
            return bind(descriptor, pointer, size) == 0 && getsockname(descriptor, pointer, &size) == 0
        }
        guard isBound else { throw Failure.usage("no free port: \(systemError())") }
        return UInt16(bigEndian: address.sin_port)
    }
}

/// Removes a directory and everything in it; symbolic links are removed, not followed.
func removeTree(_ path: String) {
    if let directory = opendir(path) {
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if name == "." || name == ".." { continue }
            var status = stat()
            let inner = path + "/" + name
            if lstat(inner, &status) == 0, status.st_mode & S_IFMT == S_IFDIR { removeTree(inner) } else { unlink(inner) }
        }
        closedir(directory)
    }
    rmdir(path)
}
