// BenchRun: one measurement: the disk before, the daemon's counters before, the run itself with what the daemon used meanwhile, the
// counters and the margins after, the disk after, and the verdict.

import Bench
import Core
import Glibc
import Pricing

/// Whose daemon is measured.
struct BenchHost {
    var target: Target
    var key: APIKey?
    /// Its process; nil when it cannot be told, as over TCP.
    var process: pid_t?
    /// Where its files are, when they can be read.
    var state: String?
    /// Nobody else sends to it: its counters must be those of the run.
    var isPrivate: Bool
}

/// Everything that one measurement found.
struct BenchReport {
    var host: BenchHost
    var options: DriveOptions
    var result: DriveResult
    var before: Metrics
    var after: Metrics
    /// Of the window.
    var serverCPU: Int64?
    var serverThreads: [(name: String, nanoseconds: Int64)] = []
    var usage: ServerUsage?
    var size: StateSize?
    var disk: [DiskReading]
    var version: String
    var account: DaemonAccount
    var verdict: Verdict
    var startedAt: Timestamp
    /// Until the margins had caught up with what was acknowledged.
    var settledNanoseconds: Int64
    /// What became of the crowd in the window; nil without one. `after` was read while it was there.
    var crowd: CrowdResult?

    /// Latencies of durable 4-KiB writes of the disk itself, before and after the run together.
    struct DiskReading {
        var way: DurableWrite
        var latency: Histogram
    }

    /// Growth of a counter over the whole run, warm-up included.
    func growth(_ name: String) -> Int64 { after.growth(name, since: before) ?? 0 }
    var commits: Int64 { growth("purser_commits_total") }
    var journalBytes: Int64 { growth("purser_journal_bytes_total") }
    /// What the daemon says its memory stays below, with the connections that were there.
    var memoryBound: Int64? { after["purser_memory_bound_bytes"] }
    var acknowledged: Int { result.recorded + result.duplicates }

    /// Processor time of the server for an event of the window, nanoseconds.
    var serverNanosecondsPerEvent: Double? {
        guard let serverCPU, result.windowEvents > 0 else { return nil }
        return Double(serverCPU) / Double(result.windowEvents)
    }

    var clientNanosecondsPerEvent: Double {
        result.windowEvents > 0 ? Double(result.clientCPU) / Double(result.windowEvents) : 0
    }

    var journalBytesPerEvent: Double { result.recorded > 0 ? Double(journalBytes) / Double(result.recorded) : 0 }
    var eventsPerCommit: Double { commits > 0 ? Double(result.recorded) / Double(commits) : 0 }
}

struct BenchRun {
    let host: BenchHost
    let options: DriveOptions
    /// Whether the disk is measured, where it can be.
    var measuresDisk = true
    /// Who is there meanwhile.
    var crowd = CrowdOptions()

    /// Nanoseconds that the disk is measured before, and again after, in each way.
    private static let diskNanoseconds: Int64 = 250_000_000

    func run() throws -> BenchReport {
        var service = Service(target: host.target, key: host.key, seconds: Service.longSeconds)
        let startedAt = Instant.now
        let second = startedAt.nanoseconds / 1_000_000_000 * 1_000_000_000
        let baseTime = Timestamp(nanoseconds: second - 2_000_000_000 - Int64(options.mix.daysAgo) * 86_400_000_000_000)
        let rates = try BenchRun.rates(PricesInForce.ask(&service, at: host.target).book, at: baseTime)
        // History is one application's: the days that are filled one after the other have one name.
        let isHistory = options.mix.daysAgo > 0
        let eventName = isHistory ? "bench.history" : "bench." + String(SystemRandom.next(), radix: 36)
        let earlier = isHistory ? try margins(&service, eventName) : Sums()
        var disk = measureDisk()
        let before = try metrics(&service)
        var usages: [ServerUsage?] = []
        var looks: [CrowdResult] = []
        var result: DriveResult
        let target = BenchTarget(address: host.target, key: host.key?.text ?? "")
        let others: Crowd?
        do throws(BenchError) {
            others = crowd.count > 0 ? try Crowd(target, crowd) : nil
            try others?.start()
            try others?.gather(isInterrupted: { Interruption.hasHappened })
            var drive = try Drive(target, options, rates: rates, eventName: eventName, baseTime: baseTime)
            let process = host.process
            result = drive.run(
                edge: { _ in
                    usages.append(process.flatMap { ServerUsage(process: $0) })
                    if let others { looks.append(others.now) }
                }, isInterrupted: { Interruption.hasHappened })
        } catch {
            throw Failure(error)
        }
        let settling = Instant.monotonic
        var sums = try margins(&service, eventName)
        sums -= earlier
        let settled = Instant.monotonic - settling
        let after = try metrics(&service)
        others?.stop()
        let account = account(before, after, sums)
        for (index, reading) in measureDisk().enumerated() where index < disk.count { disk[index].latency.add(reading.latency) }
        var report = BenchReport(
            host: host, options: options, result: result, before: before, after: after,
            usage: host.process.flatMap { ServerUsage(process: $0) },
            size: host.state.flatMap { StateSize($0) }, disk: disk, version: try version(&service), account: account,
            verdict: Verdict(result, account), startedAt: startedAt, settledNanoseconds: settled)
        if usages.count == 2, let first = usages[0], let last = usages[1] {
            report.serverCPU = last.nanoseconds - first.nanoseconds
            report.serverThreads = last.since(first)
        }
        if looks.count == 2 { report.crowd = looks[1].since(looks[0]) }
        return report
    }

    // MARK: - What the daemon says

    private func metrics(_ service: inout Service) throws -> Metrics {
        Metrics(String(decoding: try service.text(HTTPRequest("GET", "/metrics")), as: UTF8.self))
    }

    private func version(_ service: inout Service) throws -> String {
        let page = String(decoding: try service.text(HTTPRequest("GET", "/metrics")), as: UTF8.self)
        let line = page.split(separator: "\n").first { $0.hasPrefix("purser_build_info{version=\"") } ?? ""
        return line.split(separator: "\"").dropFirst().first.map { String($0).printable } ?? "unknown"
    }

    /// The sums of the run's events, by their name.
    private func margins(_ service: inout Service, _ eventName: String) throws -> Sums {
        var request = HTTPRequest("GET", Service.base + "/margins")
        request.query = [("groupBy", "provider"), ("eventName", eventName)]
        let totals = try service.data(request)["totals"] ?? .null
        func whole(_ name: String) throws -> Int128 {
            // Amounts are read in units of 1e-12.
            guard let amount = totals[name]?.amount, amount.scaled % 1_000_000_000_000 == 0 else {
                throw Failure.refused("the margins say no whole \(name): \(totals.json)")
            }
            return amount.scaled / 1_000_000_000_000
        }
        var sums = Sums()
        sums.events = try whole("events")
        sums.units = try whole("usageUnits")
        sums.inputTokens = try whole("inputTokens")
        sums.outputTokens = try whole("outputTokens")
        sums.unpriced = try whole("unpricedEvents")
        sums.cost = totals["costAmount"]?.amount?.scaled ?? -1
        sums.revenue = totals["revenueAmount"]?.amount?.scaled ?? -1
        return sums
    }

    private func account(_ before: Metrics, _ after: Metrics, _ sums: Sums) -> DaemonAccount {
        guard host.isPrivate else { return DaemonAccount(recorded: nil, duplicates: nil, refused: nil, sums: sums) }
        func growth(_ outcome: String) -> Int64? {
            after.events(outcome).flatMap { now in before.events(outcome).map { now - $0 } }
        }
        // A counter that is not there is a mismatch, not a thing to pass over.
        let refused = Outcome.allCases.filter { $0 != .recorded && $0 != .duplicate }.compactMap { growth("\($0.name)") }.reduce(0, +)
        return DaemonAccount(recorded: growth("recorded") ?? -1, duplicates: growth("duplicate") ?? -1, refused: refused, sums: sums)
    }

    // MARK: - Prices

    /// What a thousand tokens cost by the prices in force, of each business. The run multiplies and adds by itself.
    static func rates(_ book: PriceBook, at time: Timestamp) throws -> [ModelRates?] {
        try Business.all.map { business in
            func quote(_ usage: String) throws -> Int64? {
                let text = "{\"modelProvider\":\"\(business.provider)\",\"model\":\"\(business.model)\",\(usage)}"
                guard let input = Value(json: text) else { return nil }
                return PriceQuote(try PriceRequest(input, feature: business.feature, at: .string("\(time)")), book).cost?.picodollars
            }
            guard let input = try quote("\"inputTokens\":1000") else { return nil }
            let cached = try quote("\"inputTokens\":1000,\"cacheReadTokens\":1000") ?? input
            let output = business.hasOutput ? try quote("\"inputTokens\":0,\"outputTokens\":1000") : 0
            guard let output else { return nil }
            return ModelRates(input: input, cacheRead: cached, output: output)
        }
    }

    // MARK: - The disk

    private func measureDisk() -> [BenchReport.DiskReading] {
        guard measuresDisk, let state = host.state else { return [] }
        return DurableWrite.allCases.compactMap { way in
            DiskProbe.measure(state, by: way, nanoseconds: BenchRun.diskNanoseconds).map { BenchReport.DiskReading(way: way, latency: $0) }
        }
    }
}

extension Failure {
    init(_ error: BenchError) {
        switch error.kind {
        case .unreachable: self = .unreachable(error.message.printable)
        case .refused: self = .refused(error.message.printable)
        case .usage: self = .usage(error.message.printable)
        }
    }
}
