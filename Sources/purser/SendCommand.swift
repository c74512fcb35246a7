// `purser send`: one event from options, or a stream of JSON lines, over the binary protocol.

import ArgumentParser
import Client
import Core
import Frames
import Glibc
import Wire

struct SendCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "send",
        abstract: "Send one event, or a file of events.",
        discussion: """
            With --event: one event, made of the options. Else FILE, or standard input, holds one JSON object a line, with the \
            fields of POST /api/v1/client/events. A lost connection is made anew and what was not answered for is sent again; \
            the events' keys keep anything from counting twice.

            Exit status 1 when an event was rejected, or its key was used before for a different event; 3 when the server \
            could not be reached to the end. Sending a file again is safe when its lines carry eventIdempotencyKey.
            """
    )

    @Argument(help: ArgumentHelp("JSON lines; - for standard input.", valueName: "file"))
    var file: String?

    @Option(help: ArgumentHelp("What happened, as chat.completion. Makes one event of the options.", valueName: "name"))
    var event: String?

    @Option(help: ArgumentHelp("The idempotency key; without it a new one.", valueName: "key"))
    var key: String?

    @Option(help: ArgumentHelp("The customer's reference.", valueName: "reference"))
    var customer: String?

    @Option(help: ArgumentHelp("The feature's key.", valueName: "key"))
    var feature: String?

    @Option(help: ArgumentHelp("What the customer pays for it, in USD.", valueName: "amount"))
    var revenue: String?

    @Option(help: ArgumentHelp("What it cost, in USD; without it the cost is computed.", valueName: "amount"))
    var cost: String?

    @Option(help: ArgumentHelp("Units of your own.", valueName: "count"))
    var units: String?

    @Option(help: ArgumentHelp("Ties events of one request together.", valueName: "id"))
    var flow: String?

    @Option(help: ArgumentHelp("Anything else: a JSON object, or @FILE.", valueName: "json"))
    var meta: String?

    @OptionGroup(title: "Model and usage") var usage: UsageOptions

    @OptionGroup(title: "Connection") var options: SharedOptions

    func run() throws {
        let lines = try source()
        var sender = try EventSender<PurserClient>(options: options)
        if let lines {
            try stream(lines, &sender)
        } else {
            try one(&sender)
        }
    }

    /// The file to read; nil when the options make one event.
    private func source() throws -> String? {
        if event != nil {
            guard file == nil else { throw Failure.usage("send takes --event or a file, not both") }
            return nil
        }
        if let file { return file }
        guard !Terminal.inputIsTerminal else {
            throw Failure.usage("send takes --event NAME, a file of JSON lines, or - for standard input")
        }
        return "-"
    }

    // MARK: - One event

    private func one(_ sender: inout EventSender<PurserClient>) throws {
        let costInput = try usage.costInput()
        let value = Value.fields(
            ("eventName", event.map { .string($0) }),
            ("eventIdempotencyKey", key.map { .string($0) }),
            ("customerReferenceId", customer.map { .string($0) }),
            ("featureKey", feature.map { .string($0) }),
            ("occurredAt", try usage.occurredAt()),
            ("flowId", flow.map { .string($0) }),
            ("usageUnits", try number(units, "--units")),
            ("costAmount", try number(cost, "--cost")),
            ("revenueAmount", try number(revenue, "--revenue")),
            ("meta", try object(meta, "--meta")),
            ("costInput", costInput == .object([]) ? nil : costInput)
        )
        var reader = EventBatchReader()
        var rejections: [Rejection] = []
        let batch = try Array(value.json.utf8).withUnsafeBytes {
            try reader.read($0, shape: .single, numbers: [1], rejections: &rejections)
        }
        sender.reject(rejections)
        sender.wantsDetail = true
        try sender.send(batch)
        try sender.drain()
        let tally = sender.tally
        if options.json {
            Terminal.print(SendReport.json(tally, seconds: nil).json)
        } else if let rejection = tally.first.first {
            let text = rejection.field == .none ? "\(rejection.outcome.name)" : "\(rejection.outcome.name): \(rejection.field.name)"
            Terminal.complain("not recorded: \(text)")
        } else {
            Terminal.print(SendReport.one(tally))
        }
        if tally.rejected + tally.conflicts > 0 { throw Failure.refused("") }
    }

    // MARK: - A stream

    private func stream(_ path: String, _ sender: inout EventSender<PurserClient>) throws {
        var lines = try EventLines(path)
        var reader = EventBatchReader()
        var progress = SendProgress(size: lines.size, isShown: Terminal.errorIsTerminal && !options.json)
        let begin = Instant.monotonic
        var hasWarned = false
        do {
            loop: while true {
                switch lines.next() {
                case .lines(let bytes):
                    if sender.tally == SendTally() { try SendCommand.refuseArray(bytes) }
                    var rejections: [Rejection] = []
                    let batch = try reader.read(bytes, shape: .ndjson, numbers: lines.numbers, rejections: &rejections)
                    sender.reject(rejections)
                    if reader.withoutKey > 0, !hasWarned {
                        hasWarned = true
                        progress.clear()
                        Terminal.complain("lines without eventIdempotencyKey get one made here: sending them again would count them again")
                    }
                    try sender.send(batch)
                    progress.show(sender.tally, bytes: lines.bytesTaken)
                case .pause:
                    try sender.drain()
                    progress.show(sender.tally, bytes: lines.bytesTaken)
                case .end: break loop
                case .tooLong(let number):
                    try sender.drain()
                    throw Failure.usage("line \(number) is longer than \(EventLines.longest) bytes; nothing after it was sent")
                case .failed(let number):
                    try sender.drain()
                    throw Failure.usage("cannot read \(path.printable): \(systemError(number))")
                }
            }
            try sender.drain()
        } catch let failure as Failure {
            progress.clear()
            if sender.tally.sent > 0 { SendReport.print(sender.tally, reconnections: sender.reconnections, seconds: nil, options: options) }
            throw failure
        }
        progress.clear()
        let seconds = Double(Instant.monotonic - begin) / 1e9
        SendReport.print(sender.tally, reconnections: sender.reconnections, seconds: seconds, options: options)
        if sender.tally.rejected + sender.tally.conflicts > 0 { throw Failure.refused("") }
    }

    /// A whole array on many lines would be one complaint a line.
    private static func refuseArray(_ bytes: UnsafeRawBufferPointer) throws {
        let first = bytes.first { $0 != 0x20 && $0 != 0x09 && $0 != 0x0A && $0 != 0x0D }
        if first == 0x5B { throw Failure.usage("this is a JSON array; send takes one object a line (jq -c '.[]' FILE | purser send -)") }
    }
}

extension EventSender where Channel == PurserClient {
    /// A sender to the daemon that the options name.
    init(options: SharedOptions) throws {
        let target = try options.target()
        var settings = PurserClient.Options()
        settings.key = try options.key(for: target)?.text ?? ""
        settings.name = Build.version
        let fixed = settings
        try self.init(
            connect: { () throws(ClientError) in try PurserClient(target, options: fixed) },
            pause: { usleep(UInt32($0) * 1000) }
        )
    }
}

/// The progress line on a terminal: how many, how fast, how far.
struct SendProgress {
    private let size: Int?
    private let isShown: Bool
    private let begin = Instant.monotonic
    private var last: Int64 = 0
    private var isDrawn = false

    init(size: Int?, isShown: Bool) {
        self.size = size
        self.isShown = isShown
    }

    /// Draws at most five times a second.
    mutating func show(_ tally: SendTally, bytes: Int) {
        guard isShown else { return }
        let now = Instant.monotonic
        guard now - last > 200_000_000 else { return }
        last = now
        isDrawn = true
        let events = tally.sent
        let rate = Double(events) / max(0.001, Double(now - begin) / 1e9)
        var text = "\r\u{1B}[K\(grouped(String(events))) events  \(grouped(String(Int(rate))))/s"
        if let size, size > 0 { text += "  \(min(100, bytes * 100 / size)) %" }
        Terminal.status(text)
    }

    mutating func clear() {
        if isDrawn { Terminal.status("\r\u{1B}[K") }
        isDrawn = false
    }
}

/// What is said at the end of a `send`.
enum SendReport {
    static func print(_ tally: SendTally, reconnections: Int, seconds: Double?, options: SharedOptions) {
        if options.json { return Terminal.print(json(tally, seconds: seconds).json) }
        for rejection in tally.first { Terminal.complain(rejection.text, prefix: "  ") }
        let hidden = tally.rejected + tally.conflicts - tally.first.count
        if hidden > 0 { Terminal.complain("… and \(hidden) more", prefix: "  ") }
        if reconnections > 0 { Terminal.complain("the connection was made anew \(reconnections == 1 ? "once" : "\(reconnections) times")") }
        Terminal.print(summary(tally, seconds: seconds))
    }

    /// One line: `sent 1,000  recorded 990  duplicates 8  rejected 2  0.5 s, 2,000/s`.
    static func summary(_ tally: SendTally, seconds: Double?) -> String {
        var text = "sent \(count(tally.sent))  recorded \(count(tally.recorded))  duplicates \(count(tally.duplicates))"
        if tally.conflicts > 0 { text += " (\(count(tally.conflicts)) with another payload)" }
        text += "  rejected \(count(tally.rejected))"
        guard let seconds else { return text }
        let tenths = Int((seconds * 10).rounded())
        text += "  \(tenths / 10).\(tenths % 10) s"
        if seconds > 0.1 { text += ", \(count(Int(Double(tally.sent) / seconds)))/s" }
        return text
    }

    static func json(_ tally: SendTally, seconds: Double?) -> Value {
        .fields(
            ("sent", .number(String(tally.sent))),
            ("recorded", .number(String(tally.recorded))),
            ("duplicates", .number(String(tally.duplicates))),
            ("conflicts", .number(String(tally.conflicts))),
            ("rejected", .number(String(tally.rejected))),
            ("sequence", tally.detail?.sequence.map { .number(String($0)) }),
            ("costAmount", tally.detail?.cost.map { .number("\($0)") }),
            ("revenueAmount", tally.detail?.revenue.map { .number("\($0)") }),
            ("seconds", seconds.map { .number(DecimalText.text(Int128(($0 * 1000).rounded()), places: 3)) }),
            (
                "results",
                .array(
                    tally.first.map { rejection in
                        .fields(
                            ("line", .number(String(rejection.line))),
                            ("status", .string("\(rejection.outcome.name)")),
                            ("field", rejection.field == .none ? nil : .string("\(rejection.field.name)"))
                        )
                    })
            )
        )
    }

    /// What became of a single event.
    static func one(_ tally: SendTally) -> String {
        guard let detail = tally.detail else { return summary(tally, seconds: nil) }
        var text = tally.duplicates > 0 ? "duplicate: recorded before" : "recorded"
        if let sequence = detail.sequence { text += "  sequence \(sequence)" }
        if let time = detail.occurredAt, tally.duplicates > 0 { text += "  of \(time)" }
        if let cost = detail.cost { text += "  cost \(cost)" } else if tally.duplicates == 0 { text += "  unpriced" }
        if let revenue = detail.revenue {
            text += "  revenue \(revenue)"
            if let cost = detail.cost { text += "  margin \(MoneyTotal(revenue) - MoneyTotal(cost))" }
        }
        return text
    }

    private static func count(_ number: Int) -> String { grouped(String(number)) }
}
