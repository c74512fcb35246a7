// BenchText: what a measurement found, for a person, and as JSON for a program.

import Bench
import Core

enum BenchText {
    // MARK: - For a person

    static func text(_ report: BenchReport, _ style: Style) -> String {
        var lines: [String] = [style.bold(heading(report)), ""]
        func add(_ label: String, _ text: String) {
            lines.append("  " + label + String(repeating: " ", count: max(1, 12 - label.cells)) + text)
        }
        let result = report.result
        let messages = "\(count(result.messagesPerSecond)) messages/s of \(count(result.bytesPerMessage)) bytes"
        let window = "\(count(result.windowEvents)) in \(seconds(result.windowNanoseconds))"
        add("events/s", "\(count(result.eventsPerSecond))  (\(window), \(messages))")
        add("answer", latency(Latency(result.latency)) + (report.options.rate == nil ? "" : "  from when it was due"))
        if report.options.rate != nil { add("sent late", latency(Latency(result.lateness))) }
        if let server = report.serverNanosecondsPerEvent {
            let threads = report.serverThreads.prefix(4).map { "\($0.name) \(cpu($0.nanoseconds, result.windowEvents))" }
            add("server CPU", "\(duration(server)) an event  (\(threads.joined(separator: ", ")))")
        } else {
            add("server CPU", "unknown: its process cannot be told from here (--pid)")
        }
        add("client CPU", "\(duration(report.clientNanosecondsPerEvent)) an event")
        if let usage = report.usage { add("memory", "\(megabytes(usage.resident)) resident, \(megabytes(usage.peakResident)) at most") }
        let commits = "\(count(Int(report.commits))) commits, \(count(report.eventsPerCommit)) events each"
        add("journal", "\(oneDigit(report.journalBytesPerEvent)) bytes an event, \(commits)")
        if let size = report.size {
            add("on disk", "journal \(megabytes(size.journal)), keys \(megabytes(size.keys)), books \(megabytes(size.books)) allocated")
        }
        for (label, histogram) in [("margins", result.margins), ("events", result.events)] where histogram.count > 0 {
            add(label, latency(Latency(histogram)) + "  read beside, \(count(Int(histogram.count))) times")
        }
        if let crowd = report.crowd { add("beside it", BenchText.crowd(crowd, report)) }
        for reading in report.disk {
            let way = reading.way == .sync ? "write, fdatasync" : "O_DIRECT, RWF_DSYNC"
            add("bare disk", latency(Latency(reading.latency)) + "  4 KiB by \(way)")
        }
        if result.retries > 0 { add("retries", "\(count(result.retries)) messages were refused for lack of room and sent again") }
        if result.readFailures > 0 { add("reads", style.red("\(count(result.readFailures)) questions were refused")) }
        if result.wasInterrupted { add("", style.yellow("interrupted: this is what was measured until then")) }
        lines.append("")
        lines.append(verdict(report, style))
        return lines.joined(separator: "\n")
    }

    private static func heading(_ report: BenchReport) -> String {
        let options = report.options
        let how = options.rate.map { "open loop at \(count($0)) events/s" } ?? "closed loop"
        let what = options.batch == 1 ? "single events" : "batches of \(count(options.batch))"
        let lanes = options.connections == 1 ? "1 connection" : "\(count(options.connections)) connections"
        return "purserd \(report.version) on \("\(report.host.target)".printable): \(options.encoding.rawValue), \(what), \(lanes) with "
            + "\(count(options.inFlight)) in flight, \(how)"
    }

    static func verdict(_ report: BenchReport, _ style: Style) -> String {
        guard report.verdict.isOK else {
            return style.red("verdict: MISMATCH") + "\n" + report.verdict.mismatches.map { "  " + $0.printable }.joined(separator: "\n")
        }
        let result = report.result
        let sums = report.account.sums
        let how = report.host.isPrivate ? "its counters and its margins" : "its margins (others may send: its counters are not compared)"
        let answered = "\(count(result.recorded)) events acknowledged as recorded and \(count(result.duplicates)) as duplicates"
        let cost = DecimalText.text(sums.cost, places: 12)
        let revenue = DecimalText.text(sums.revenue, places: 12)
        return style.green("verdict: ok")
            + "  \(answered); \(how) agree: cost \(cost) USD, revenue \(revenue) USD, \(count(Int(sums.unpriced))) unpriced"
    }

    static func latency(_ latency: Latency) -> String {
        "p50 \(duration(Double(latency.p50)))  p99 \(duration(Double(latency.p99)))  p99.9 \(duration(Double(latency.p999)))  "
            + "most \(duration(Double(latency.largest)))"
    }

    /// Who was there, what the daemon did with them in the window, and what making them took.
    private static func crowd(_ crowd: CrowdResult, _ report: BenchReport) -> String {
        let bound = report.memoryBound.map { ", memory bound \(megabytes($0))" } ?? ""
        let failed = crowd.failed > 0 ? ", \(count(crowd.failed)) could not connect" : ""
        return "\(count(crowd.open)) connections; \(count(crowd.ended)) ended, \(count(crowd.timedOut)) of them as too slow, "
            + "\(count(crowd.refused)) for lack of room\(failed); making them: \(oneDigit(crowd.share * 100)) % of a processor\(bound)"
    }

    // MARK: - Numbers

    static func count(_ number: Int) -> String { grouped(String(number)) }
    static func count(_ number: Double) -> String { grouped(String(Int(number.rounded()))) }

    /// Three digits or so: `412 ns`, `23.4 µs`, `1.25 ms`, `3.10 s`.
    static func duration(_ nanoseconds: Double) -> String {
        switch nanoseconds {
        case ..<1000: "\(Int(nanoseconds.rounded())) ns"
        case ..<1_000_000: "\(digits(nanoseconds / 1000)) us"
        case ..<1_000_000_000: "\(digits(nanoseconds / 1_000_000)) ms"
        default: "\(digits(nanoseconds / 1_000_000_000)) s"
        }
    }

    private static func digits(_ value: Double) -> String {
        value >= 100 ? "\(Int(value.rounded()))" : value >= 10 ? oneDigit(value) : decimal(value, 2)
    }

    static func oneDigit(_ value: Double) -> String { decimal(value, 1) }

    static func decimal(_ value: Double, _ places: Int) -> String {
        var unit = 1.0
        for _ in 0..<places { unit *= 10 }
        let scaled = Int((value * unit).rounded())
        let fraction = String(scaled % Int(unit))
        return grouped(String(scaled / Int(unit))) + "." + String(repeating: "0", count: places - fraction.count) + fraction
    }

    static func seconds(_ nanoseconds: Int64) -> String { "\(oneDigit(Double(nanoseconds) / 1e9)) s" }
    static func megabytes(_ bytes: Int64) -> String { "\(oneDigit(Double(bytes) / 1e6)) MB" }

    private static func cpu(_ nanoseconds: Int64, _ events: Int) -> String {
        events > 0 ? duration(Double(nanoseconds) / Double(events)) : "-"
    }

    // MARK: - For a program

    static func json(_ report: BenchReport) -> Value {
        let (options, result) = (report.options, report.result)
        return .fields(
            ("version", .string(report.version)),
            ("startedAt", .string("\(report.startedAt)")),
            ("address", .string("\(report.host.target)")),
            ("encoding", .string(options.encoding.rawValue)),
            ("batch", number(options.batch)),
            ("connections", number(options.connections)),
            ("inFlight", number(options.inFlight)),
            ("loop", .string(options.rate == nil ? "closed" : "open")),
            ("rate", options.rate.map { number($0, 1) }),
            ("customers", number(options.mix.customers)),
            ("duplicatesPerMille", number(options.mix.duplicatesPerMille)),
            ("daysAgo", number(options.mix.daysAgo)),
            ("bytesPerMessage", number(result.bytesPerMessage)),
            ("seconds", number(Double(result.windowNanoseconds) / 1e9, 3)),
            ("events", number(result.windowEvents)),
            ("eventsPerSecond", number(result.eventsPerSecond, 1)),
            ("messagesPerSecond", number(result.messagesPerSecond, 1)),
            ("answer", json(result.latency)),
            ("sentLate", options.rate == nil ? nil : json(result.lateness)),
            ("marginsQueries", result.margins.count > 0 ? json(result.margins) : nil),
            ("eventsQueries", result.events.count > 0 ? json(result.events) : nil),
            ("serverNanosecondsPerEvent", report.serverNanosecondsPerEvent.map { number($0, 1) }),
            (
                "serverThreads",
                .array(
                    report.serverThreads.map { .fields(("name", .string($0.name)), ("nanoseconds", .number(String($0.nanoseconds)))) })
            ),
            ("clientNanosecondsPerEvent", number(report.clientNanosecondsPerEvent, 1)),
            ("residentBytes", report.usage.map { .number(String($0.resident)) }),
            ("peakResidentBytes", report.usage.map { .number(String($0.peakResident)) }),
            ("memoryBoundBytes", report.memoryBound.map { .number(String($0)) }),
            ("crowd", report.crowd.map(json)),
            ("journalBytesPerEvent", number(report.journalBytesPerEvent, 1)),
            ("commits", .number(String(report.commits))),
            ("eventsPerCommit", number(report.eventsPerCommit, 1)),
            (
                "allocatedBytes",
                report.size.map {
                    .fields(
                        ("journal", .number(String($0.journal))), ("keys", .number(String($0.keys))), ("books", .number(String($0.books))))
                }
            ),
            ("bareDisk", .object(report.disk.map { Value.Member(name: $0.way.rawValue, value: json($0.latency)) })),
            ("bareDiskBetween", result.disk.count > 0 ? json(result.disk) : nil),
            ("settledSeconds", number(Double(report.settledNanoseconds) / 1e9, 3)),
            ("retries", number(result.retries)),
            ("interrupted", .bool(result.wasInterrupted)),
            (
                "verdict",
                .fields(
                    ("ok", .bool(report.verdict.isOK)), ("recorded", number(result.recorded)), ("duplicates", number(result.duplicates)),
                    ("costAmount", .number(DecimalText.text(report.account.sums.cost, places: 12))),
                    ("revenueAmount", .number(DecimalText.text(report.account.sums.revenue, places: 12))),
                    ("mismatches", .array(report.verdict.mismatches.map { .string($0) })))
            )
        )
    }

    private static func json(_ crowd: CrowdResult) -> Value {
        .fields(
            ("open", number(crowd.open)), ("opened", number(crowd.opened)), ("ended", number(crowd.ended)),
            ("timedOut", number(crowd.timedOut)), ("refused", number(crowd.refused)), ("failed", number(crowd.failed)),
            ("processorShare", number(crowd.share, 4)))
    }

    /// Nanoseconds.
    static func json(_ histogram: Histogram) -> Value {
        let latency = Latency(histogram)
        func number(_ value: UInt64) -> Value { .number(String(value)) }
        return .fields(
            ("count", number(latency.count)), ("p50", number(latency.p50)), ("p90", number(latency.p90)), ("p99", number(latency.p99)),
            ("p999", number(latency.p999)), ("most", number(latency.largest)))
    }

    private static func number(_ value: Int) -> Value { .number(String(value)) }
    static func number(_ value: Double, _ places: Int) -> Value {
        .number(String(decimal(value, places).filter { $0 != "," }))
    }
}
