// `purser bench`: drives a daemon and says how fast it is, what that costs, and whether its books agree with what it answered.

import ArgumentParser
import Bench
import Core
import Glibc

/// How events travel, as it is typed.
enum TypedEncoding: String, CaseIterable, ExpressibleByArgument {
    case binary, json, ndjson

    var encoding: Encoding {
        switch self {
        case .binary: .binary
        case .json: .json
        case .ndjson: .ndjson
        }
    }
}

struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure a daemon: events a second, latency, processor time, memory, disk; and check its books.",
        discussion: """
            Sends made-up events to the daemon at --to, which counts them: they stay in its books, under an event name of their \
            own. With --start a private daemon is measured, on a directory that is removed afterwards.

            Without --rate every connection keeps --in-flight messages waiting (closed loop). With --rate messages are due at even \
            intervals and latencies count from when they were due (open loop).

            Exit status 1 when the daemon's books do not agree with what it acknowledged.
            """
    )

    @Flag(help: "Measure a private daemon, started for it and stopped afterwards.")
    var start = false

    @Option(
        help: ArgumentHelp(
            "Directory on the disk under test: the private daemon's is made in it; else the state directory of the daemon at --to.",
            valueName: "dir"))
    var state: String?

    @Flag(help: "Measure a private daemon against every target, in under three minutes.")
    var suite = false

    @Option(
        help: ArgumentHelp(
            "Rows of the suite, separated by commas: \(SuiteGroup.allCases.map(\.rawValue).joined(separator: ", ")).", valueName: "rows"))
    var rows: String?

    @Flag(help: "Leave the private daemon's directory behind.")
    var keep = false

    @Flag(help: "Over loopback TCP with the private daemon; the Unix socket otherwise.")
    var tcp = false

    @Option(help: "How events are sent: binary, json or ndjson.")
    var encoding = TypedEncoding.binary

    @Option(help: ArgumentHelp("Events of a message; 1 is a single event a frame or request.", valueName: "n"))
    var batch = 1000

    @Option(help: ArgumentHelp("Connections.", valueName: "n"))
    var connections = 1

    @Option(help: ArgumentHelp("Messages that wait for an answer, on each connection.", valueName: "n"))
    var inFlight = 8

    @Option(help: ArgumentHelp("Events a second, evenly spaced (open loop).", valueName: "n"))
    var rate: Int?

    @Option(help: ArgumentHelp("Seconds to measure.", valueName: "s"))
    var seconds = 5

    @Option(help: ArgumentHelp("Milliseconds before that, counted and not measured.", valueName: "ms"))
    var warmUp = 500

    @Option(help: ArgumentHelp("Send at most so many events.", valueName: "n"))
    var events = 50_000_000

    @Option(help: ArgumentHelp("Customers, whose share of the events follows Zipf's law.", valueName: "n"))
    var customers = 100_000

    @Option(help: ArgumentHelp("Of a thousand events so many are sent a second time.", valueName: "n"))
    var duplicates = 10

    @Option(
        help: ArgumentHelp(
            "Events occurred on one day, so many days ago, and not just now, and are called bench.history: to fill books, day by day.",
            valueName: "days"))
    var ago = 0

    @Option(help: ArgumentHelp("Connections that ask for margins and events meanwhile.", valueName: "n"))
    var readers = 0

    @Option(help: ArgumentHelp("Questions of each of them a second.", valueName: "n"))
    var readRate = 10

    @Option(
        help: ArgumentHelp(
            "Connections beside the run that take or send a byte every five seconds; who is ended comes back.", valueName: "n"))
    var slowPeers = 0

    @Option(help: ArgumentHelp("Connections beside the run that say nothing.", valueName: "n"))
    var idleConnections = 0

    @Option(help: ArgumentHelp("The daemon's process, where a socket does not tell.", valueName: "pid"))
    var pid: Int32?

    @OptionGroup(title: "Connection") var options: SharedOptions

    func validate() throws {
        func check(_ value: Int, _ range: ClosedRange<Int>, _ name: String) throws {
            guard range.contains(value) else {
                throw ValidationError("\(name) takes \(range.lowerBound) to \(range.upperBound), not \(value)")
            }
        }
        try check(batch, 1...(encoding == .binary ? Limits.frameEvents : Limits.batchEvents), "--batch")
        try check(connections, 1...Drive.mostConnections, "--connections")
        try check(inFlight, 1...4096, "--in-flight")
        try check(connections * inFlight * batch, 1...16_000_000, "--connections, --in-flight and --batch together, in events that wait,")
        if let rate { try check(rate, 1...100_000_000, "--rate") }
        try check(seconds, 1...3600, "--seconds")
        try check(warmUp, 0...60_000, "--warm-up")
        try check(events, 1...10_000_000_000, "--events")
        try check(customers, 1...MixOptions.mostCustomers, "--customers")
        try check(duplicates, 0...1000, "--duplicates")
        try check(ago, 0...MixOptions.mostDaysAgo, "--ago")
        try check(readers, 0...Drive.mostReaders, "--readers")
        try check(readRate, 1...10_000, "--read-rate")
        try check(slowPeers, 0...Crowd.most, "--slow-peers")
        try check(idleConnections, 0...Crowd.most - slowPeers, "--idle-connections, with --slow-peers,")
        if start, options.to != nil { throw ValidationError("--start measures a daemon of its own: it does not go with --to") }
        if suite, start || tcp || options.to != nil || rate != nil || slowPeers + idleConnections > 0 {
            throw ValidationError(
                "--suite starts its own daemon and chooses its own loads; it goes with --state, --seconds, --rows and --keep")
        }
        if rows != nil, !suite { throw ValidationError("--rows goes with --suite") }
        _ = try groups()
        if tcp, !start { throw ValidationError("--tcp goes with --start; else --to tcp:HOST:PORT") }
    }

    func run() throws {
        Abandonment.watch()
        if suite {
            try runSuite()
        } else if start {
            var daemon = try BenchDaemon(in: state, keeps: keep)
            defer { daemon.end() }
            try daemon.start()
            let target = tcp ? daemon.tcp : daemon.socket
            let host = BenchHost(
                target: target, key: try daemon.key(for: target), process: daemon.process, state: daemon.state, isPrivate: true)
            try measure(host)
        } else {
            let target = try options.target()
            try measure(
                BenchHost(
                    target: target, key: try options.key(for: target), process: pid ?? BenchTarget.process(behind: target), state: state,
                    isPrivate: false))
        }
    }

    /// The rows that were chosen.
    private func groups() throws -> Set<SuiteGroup> {
        guard let rows else { return Set(SuiteGroup.allCases) }
        return Set(
            try rows.split(separator: ",").map { name in
                guard let group = SuiteGroup(rawValue: String(name)) else {
                    throw ValidationError("--rows: there is no row \(String(name).printable)")
                }
                return group
            })
    }

    private func runSuite() throws {
        let isShown = Terminal.errorIsTerminal
        var suite = BenchSuite(daemon: try BenchDaemon(in: state, keeps: keep), groups: try groups(), seconds: seconds) { row in
            if isShown { Terminal.status("\r\u{1B}[K\(row) …") }
        }
        defer { suite.daemon.end() }
        var trouble: (any Error)?
        do { try suite.run() } catch { trouble = error }
        if isShown { Terminal.status("\r\u{1B}[K") }
        // What was measured is shown, whatever came after.
        if !suite.rows.isEmpty { Terminal.print(options.json ? suite.json.json : suite.text(Terminal.style)) }
        if let trouble { throw trouble }
        if !suite.isOK { throw Failure.refused("") }
        if Interruption.hasHappened { throw Failure(status: 130, message: "") }
    }

    private func measure(_ host: BenchHost) throws {
        var crowd = CrowdOptions()
        crowd.slow = slowPeers
        crowd.idle = idleConnections
        let report = try BenchRun(host: host, options: drive, crowd: crowd).run()
        Terminal.print(options.json ? BenchText.json(report).json : BenchText.text(report, Terminal.style))
        if !report.verdict.isOK { throw Failure.refused("") }
        if report.result.wasInterrupted { throw Failure(status: 130, message: "") }
    }

    private var drive: DriveOptions {
        var drive = DriveOptions()
        drive.encoding = encoding.encoding
        drive.batch = batch
        drive.connections = connections
        drive.inFlight = inFlight
        drive.rate = rate.map(Double.init)
        drive.nanoseconds = Int64(seconds) * 1_000_000_000
        drive.warmUp = Int64(warmUp) * 1_000_000
        drive.eventsMost = events
        drive.readers = readers
        drive.readRate = Double(readRate)
        drive.mix.customers = customers
        drive.mix.duplicatesPerMille = duplicates
        drive.mix.daysAgo = ago
        return drive
    }
}
