// BenchSuite: `purser bench --suite`: the daemon against its targets, row by row, on this machine, in under three minutes.
//
// One private daemon from its empty start to ten million events. Every row that sends ends with a verdict; what the tool cannot
// measure, or purserd cannot do yet, keeps its row and says so.

import Bench
import Client
import Core
import Glibc

/// What became of a row.
enum SuiteWord: String {
    case reached
    case missed
    /// The books do not agree with the answers: no figure counts.
    case mismatch
    case notThere = "not there yet"
    case notMeasured = "not measured"
}

/// One line of the table.
struct SuiteRow {
    var group: SuiteGroup
    var what: String
    var target: String
    var measured: String
    var word: SuiteWord
    /// The figures of it, for a program.
    var figures: Value = .object([])
}

/// What can be chosen.
enum SuiteGroup: String, CaseIterable {
    case start, batch, steady, pipelined, single, paced, stall, http, ndjson, check, reads, tenMillion, sealing, growth
}

struct BenchSuite {
    var daemon: BenchDaemon
    let groups: Set<SuiteGroup>
    /// Of each window.
    let seconds: Int
    private(set) var rows: [SuiteRow] = []
    let hardware: Hardware
    let startedAt = Instant.now
    private(set) var version = ""
    private(set) var isOK = true
    private let begin = Instant.monotonic
    private(set) var total = 0
    private var progress: (String) -> Void
    /// Nothing is left of the rows before but what so many events are.
    private var isRested = true
    private static let fewEvents = 1_000_000
    /// The books are written at the latest every ten seconds.
    private static let restNanoseconds: Int64 = 10_500_000_000

    /// Nanoseconds after which no further row begins.
    private static let budget: Int64 = 150_000_000_000
    static let tenMillion = 10_000_000
    /// Rows that only say why there is no figure.
    private static let unmeasured: Set<SuiteGroup> = [.stall, .check, .growth]

    init(daemon: BenchDaemon, groups: Set<SuiteGroup>, seconds: Int, progress: @escaping (String) -> Void) {
        self.daemon = daemon
        self.groups = groups
        self.seconds = seconds
        self.progress = progress
        hardware = Hardware(directory: daemon.directory)
    }

    var elapsed: Int64 { Instant.monotonic - begin }

    /// Runs every chosen row; stops between two of them when somebody pressed Ctrl-C.
    mutating func run() throws {
        try daemon.start()
        let steps: [(SuiteGroup, (inout BenchSuite) throws -> Void)] = [
            (.start, { try $0.start() }), (.batch, { try $0.batch() }), (.steady, { try $0.steady() }),
            (.pipelined, { try $0.pipelined() }), (.single, { try $0.single() }), (.paced, { try $0.paced() }),
            (.stall, { $0.add(.stall, "a disk stall of 3 s at full load", "no loss, recovers", "needs a disk that stalls", .notMeasured) }),
            (.http, { try $0.http() }), (.ndjson, { try $0.ndjson() }),
            (.check, { $0.add(.check, "entitlement check over the Unix socket", "p99 <= 50 us", "no such request", .notThere) }),
            (.reads, { try $0.reads() }), (.tenMillion, { try $0.afterTenMillion() }),
            (.sealing, { try $0.sealing() }),
            (.growth, { $0.add(.growth, "CPU per event at 100 M keys", "<= 1.5 x at 1 M", "takes longer than this suite", .notMeasured) }),
        ]
        for (group, step) in steps where groups.contains(group) {
            if Interruption.hasHappened { return }
            if elapsed > BenchSuite.budget, !BenchSuite.unmeasured.contains(group) {
                add(group, group.rawValue, "", "left out: three minutes are over", .notMeasured)
                continue
            }
            progress(group.rawValue)
            try step(&self)
        }
    }

    /// Waits until the daemon has done next to nothing for longer than it lets rows wait for the file, half a minute at most: what the rows
    /// before left it to do is not what a few events cost.
    private mutating func rest() {
        guard !isRested else { return }
        isRested = true
        let stretch: Int64 = 250_000_000
        let end = Instant.monotonic + 30_000_000_000
        var quiet: Int64 = 0
        while quiet < BenchSuite.restNanoseconds, Instant.monotonic < end, !Interruption.hasHappened {
            guard let before = ServerUsage(process: daemon.process) else { return }
            usleep(UInt32(stretch / 1000))
            guard let after = ServerUsage(process: daemon.process) else { return }
            quiet = after.nanoseconds - before.nanoseconds < stretch / 50 ? quiet + stretch : 0
        }
    }

    // MARK: - Rows

    private mutating func start() throws {
        let ready = daemon.readyNanoseconds
        add(
            .start, "start to READY, empty", "<= 20 ms", BenchText.duration(Double(ready)), ready <= 20_000_000,
            .fields(("nanoseconds", .number(String(ready)))))
        // What only the start needed is given back within two seconds.
        usleep(2_500_000)
        guard let usage = ServerUsage(process: daemon.process) else {
            return add(.start, "resident memory, idle", "<= 12 MB", "unknown", .notMeasured)
        }
        add(
            .start, "resident memory, idle", "<= 12 MB", BenchText.megabytes(usage.resident), usage.resident <= 12_000_000,
            .fields(("bytes", .number(String(usage.resident)))))
    }

    private mutating func batch() throws {
        let report = try measure { $0.inFlight = 16 }
        let rate = report.result.eventsPerSecond
        let cpu = report.serverNanosecondsPerEvent ?? .infinity
        add(.batch, "binary, batches of 1,000: events/s", ">= 3,000,000", BenchText.count(rate), rate >= 3_000_000, report)
        add(.batch, "the same: server CPU per event", "<= 300 ns", BenchText.duration(cpu), cpu <= 300, report)
        let bytes = report.journalBytesPerEvent
        add(.batch, "the same: disk per event", "<= 110 B", "\(BenchText.oneDigit(bytes)) B", bytes <= 110, report)
    }

    private mutating func steady() throws {
        let wanted = 1_000_000.0
        let report = try measure {
            $0.batch = 100
            $0.inFlight = 64
            $0.rate = wanted
        }
        let p50 = report.result.latency.percentile(500)
        let isHeld = report.result.eventsPerSecond >= wanted * 0.98
        add(
            .steady, "batches of 100 at a steady 1 M/s: answer p50", "holds, <= 1 ms",
            "\(isHeld ? "holds" : "\(BenchText.count(report.result.eventsPerSecond))/s"), \(BenchText.duration(Double(p50)))",
            isHeld && p50 <= 1_000_000, report)
    }

    private mutating func pipelined() throws {
        let report = try measure {
            $0.batch = 1
            $0.inFlight = 256
        }
        let rate = report.result.eventsPerSecond
        add(.pipelined, "single events, 256 in flight: events/s", ">= 400,000", BenchText.count(rate), rate >= 400_000, report)
    }

    private mutating func single() throws {
        rest()
        let directory = daemon.state
        let report = try measure {
            $0.batch = 1
            $0.inFlight = 1
            $0.probes = directory
        }
        let p50 = report.result.latency.percentile(500)
        guard report.result.disk.count > 0 else {
            return add(
                .single, "single event, closed loop: answer p50", "1.5 x disk + 60 us", BenchText.duration(Double(p50)), .notMeasured)
        }
        let disk = report.result.disk.percentile(500)
        let target = disk * 3 / 2 + 60_000
        add(
            .single, "single event, closed loop: answer p50", "<= \(BenchText.duration(Double(target)))",
            "\(BenchText.duration(Double(p50))) (disk \(BenchText.duration(Double(disk))))", p50 <= target, report)
    }

    private mutating func paced() throws {
        rest()
        let report = try measure {
            $0.batch = 1
            $0.inFlight = 256
            $0.rate = 10_000
        }
        let p50 = report.result.latency.percentile(500)
        let cpu = report.serverNanosecondsPerEvent ?? .infinity
        add(.paced, "singles at a steady 10 k/s: server CPU per event", "<= 15 us", BenchText.duration(cpu), cpu <= 15_000, report)
        add(.paced, "the same: answer p50", "<= 0.8 ms", BenchText.duration(Double(p50)), p50 <= 800_000, report)
    }

    private mutating func http() throws {
        rest()
        let report = try measure(overTCP: true) {
            $0.encoding = .json
            $0.batch = 1
            $0.connections = 64
            $0.inFlight = 1
        }
        let rate = report.result.messagesPerSecond
        let cpu = report.serverNanosecondsPerEvent ?? .infinity
        add(.http, "HTTP, one event, 64 connections: requests/s", ">= 60,000", BenchText.count(rate), rate >= 60_000, report)
        add(.http, "the same: server CPU per request", "<= 10 us", BenchText.duration(cpu), cpu <= 10_000, report)
    }

    private mutating func ndjson() throws {
        let report = try measure(overTCP: true) {
            $0.encoding = .ndjson
            $0.batch = 100
            $0.connections = 4
            $0.inFlight = 4
        }
        let rate = report.result.eventsPerSecond
        let cpu = report.serverNanosecondsPerEvent ?? .infinity
        add(.ndjson, "HTTP, NDJSON, 100 a request: events/s", ">= 700,000", BenchText.count(rate), rate >= 700_000, report)
        add(.ndjson, "the same: server CPU per event", "<= 1 us", BenchText.duration(cpu), cpu <= 1000, report)
    }

    private mutating func reads() throws {
        let wanted = 500_000.0
        let report = try measure {
            $0.batch = 100
            $0.inFlight = 64
            $0.rate = wanted
            $0.readers = 2
            $0.readRate = 20
        }
        let p99 = report.result.margins.percentile(990)
        let isHeld = report.result.eventsPerSecond >= wanted * 0.9
        add(
            .reads, "margins read beside 500 k events/s: p99", "<= 50 ms, > 90 %",
            "\(BenchText.duration(Double(p99))), \(BenchText.count(report.result.eventsPerSecond))/s",
            isHeld && p99 <= 50_000_000 && report.result.margins.count > 0, report)
    }

    /// Memory, keys, the events page and a start, with ten million events in the journal.
    private mutating func afterTenMillion() throws {
        let left = BenchSuite.tenMillion - total
        if left > 0 {
            progress("up to ten million events")
            let limit = max(5, Int((BenchSuite.budget - elapsed) / 1_000_000_000) - 15)
            _ = try measure {
                $0.inFlight = 16
                $0.eventsMost = left + left / 64
                $0.nanoseconds = Int64(limit) * 1_000_000_000
            }
        }
        let events = total >= BenchSuite.tenMillion ? "10 M events" : "\(BenchText.count(total)) events"
        let isFull = total >= BenchSuite.tenMillion
        func judge(_ isReached: Bool) -> SuiteWord { isFull ? (isReached ? .reached : .missed) : .notMeasured }
        let busy = ServerUsage(process: daemon.process)
        // What a burst needed is given back when it is over.
        usleep(6_000_000)
        if let busy, let usage = ServerUsage(process: daemon.process) {
            add(
                .tenMillion, "resident memory after \(events)", "<= 120 MB",
                "\(BenchText.megabytes(usage.resident)) (\(BenchText.megabytes(busy.resident)) while they came)",
                judge(usage.resident <= 120_000_000),
                .fields(("bytes", .number(String(usage.resident))), ("bytesBefore", .number(String(busy.resident)))))
        }
        var service = Service(target: daemon.socket, key: nil, seconds: 60)
        try keys(&service, judge)
        try page(&service, events, judge)
        daemon.stop()
        try daemon.start()
        let ready = daemon.readyNanoseconds
        add(
            .tenMillion, "start to READY, \(events)", "<= 2 s", BenchText.duration(Double(ready)), judge(ready <= 2_000_000_000),
            .fields(("nanoseconds", .number(String(ready)))))
    }

    /// What the keys that are on disk take of the memory: filters and where their blocks begin.
    private mutating func keys(_ service: inout Service, _ judge: (Bool) -> SuiteWord) throws {
        func read() throws -> Metrics { Metrics(String(decoding: try service.text(HTTPRequest("GET", "/metrics")), as: UTF8.self)) }
        var metrics = try read()
        // Tables that wait to be written are memory of the newest keys.
        let end = Instant.monotonic + 10_000_000_000
        while (metrics["purser_dedup_memory_keys"] ?? 0) > Int64(Limits.dedupHotKeys), Instant.monotonic < end {
            usleep(100_000)
            metrics = try read()
        }
        guard let bytes = metrics["purser_dedup_bytes"], let tables = metrics["purser_dedup_table_bytes"],
            let keys = metrics["purser_dedup_keys"],
            let hot = metrics["purser_dedup_memory_keys"], keys > hot
        else { return add(.tenMillion, "RAM per remembered key beyond the hot ones", "<= 2 B", "no key is on disk", .notMeasured) }
        let perKey = Double(max(0, bytes - tables)) / Double(keys - hot)
        add(
            .tenMillion, "RAM per remembered key beyond the hot ones", "<= 2 B", "\(BenchText.decimal(perKey, 2)) B", judge(perKey <= 2),
            .fields(("bytes", .number(String(bytes - tables))), ("keys", .number(String(keys))), ("memoryKeys", .number(String(hot)))))
    }

    /// The slowest first page of the last 24 hours, over filters that many, few and no events fit.
    mutating func page(_ service: inout Service, _ events: String, _ judge: (Bool) -> SuiteWord) throws {
        let filters: [(String, String)?] = [
            nil, ("customerReferenceId", "cust-00000000"), ("customerReferenceId", "cust-00099999"), ("customerReferenceId", "nobody"),
            ("model", "bench-unpriced-22b"), ("unpriced", "true"), ("featureKey", "code-review"),
        ]
        let from = Timestamp(nanoseconds: Instant.now.nanoseconds - 86_400 * 1_000_000_000)
        var slowest: Int64 = 0
        var which = ""
        for filter in filters {
            var request = HTTPRequest("GET", Service.base + "/events")
            request.query = [("limit", "50"), ("from", "\(from)")]
            if let filter { request.query.append((filter.0, filter.1)) }
            let begin = Instant.monotonic
            _ = try service.data(request)
            let took = Instant.monotonic - begin
            if took > slowest { (slowest, which) = (took, filter.map { "\($0.0)=\($0.1)" } ?? "no filter") }
        }
        add(
            .tenMillion, "events page, last 24 h of \(events)", "<= 300 ms", "\(BenchText.duration(Double(slowest))) (\(which))",
            judge(slowest <= 300_000_000), .fields(("nanoseconds", .number(String(slowest)))))
    }

    // MARK: -

    private mutating func measure(
        overTCP: Bool = false, _ set: (inout DriveOptions) -> Void
    ) throws -> BenchReport {
        var options = DriveOptions()
        options.nanoseconds = Int64(seconds) * 1_000_000_000
        set(&options)
        let target = overTCP ? daemon.tcp : daemon.socket
        let host = BenchHost(
            target: target, key: try daemon.key(for: target), process: daemon.process, state: daemon.state, isPrivate: true)
        let report = try BenchRun(host: host, options: options, measuresDisk: false).run()
        total += report.result.recorded
        if report.result.recorded > BenchSuite.fewEvents { isRested = false }
        version = report.version
        if !report.verdict.isOK { isOK = false }
        return report
    }

    mutating func add(
        _ group: SuiteGroup, _ what: String, _ target: String, _ measured: String, _ isReached: Bool, _ report: BenchReport
    ) {
        let word: SuiteWord = report.verdict.isOK ? (isReached ? .reached : .missed) : .mismatch
        add(group, what, target, measured, word, BenchText.json(report))
    }

    mutating func add(
        _ group: SuiteGroup, _ what: String, _ target: String, _ measured: String, _ isReached: Bool, _ figures: Value
    ) {
        add(group, what, target, measured, isReached ? .reached : .missed, figures)
    }

    mutating func add(
        _ group: SuiteGroup, _ what: String, _ target: String, _ measured: String, _ word: SuiteWord, _ figures: Value = .object([])
    ) {
        rows.append(SuiteRow(group: group, what: what, target: target, measured: measured, word: word, figures: figures))
    }

    // MARK: - Showing

    func text(_ style: Style) -> String {
        var wide = style
        // The table is the result: it is not cut to the terminal.
        wide.width = nil
        var table = Table([
            .init(title: "what", alignment: .left), .init(title: "target", alignment: .left), .init(title: "measured", alignment: .left),
            .init(title: "", alignment: .left),
        ])
        table.rows = rows.map { row in
            let isBad = row.word == .missed || row.word == .mismatch
            let isFaint = row.word == .notThere || row.word == .notMeasured
            return [
                .init(row.what), .init(row.target), .init(row.measured, isFaint: isFaint),
                .init(row.word.rawValue, isLoss: isBad, isFaint: isFaint),
            ]
        }
        var text = "purserd \(version), \("\(startedAt)".prefix(10)), \(machine)\n"
        text += "Client and server on the same processors; every answer after the journal was synced.\n\n"
        text += table.render(wide) + "\n\n"
        text +=
            isOK
            ? style.green("verdict: ok") + "  \(BenchText.count(total)) events, every book as acknowledged" : style.red("verdict: MISMATCH")
        text += ", \(BenchText.seconds(elapsed))"
        if Interruption.hasHappened { text += style.yellow("\ninterrupted: this is what was measured until then") }
        return text
    }

    private var machine: String {
        "\(hardware.processor.printable), \(hardware.processors) processors, \(BenchText.oneDigit(Double(hardware.memory) / 1e9)) GB, "
            + "\(hardware.kernel.printable), \(hardware.fileSystem), load \(hardware.load.printable)"
    }

    var json: Value {
        .fields(
            ("version", .string(version)), ("startedAt", .string("\(startedAt)")), ("processor", .string(hardware.processor)),
            ("processors", .number(String(hardware.processors))), ("memoryBytes", .number(String(hardware.memory))),
            ("kernel", .string(hardware.kernel)), ("fileSystem", .string(hardware.fileSystem)), ("load", .string(hardware.load)),
            ("ok", .bool(isOK)), ("events", .number(String(total))), ("seconds", BenchText.number(Double(elapsed) / 1e9, 1)),
            (
                "rows",
                .array(
                    rows.map {
                        .fields(
                            ("row", .string($0.group.rawValue)), ("what", .string($0.what)), ("target", .string($0.target)),
                            ("measured", .string($0.measured)), ("word", .string($0.word.rawValue)), ("figures", $0.figures))
                    })
            )
        )
    }
}
