// The dump's lines for corrections, runs and prices.

public import Core

extension JournalDump {
    func append(_ correction: Correction, to writer: inout ByteWriter) {
        writer.member("kind", literal: correction.kind.name)
        if correction.run != 0 { writer.member("run", unsigned: UInt64(correction.run)) }
        writer.member("at", time: correction.at)
        writer.member("sequence", unsigned: correction.sequence)
        writer.member("event", position: correction.event)
        if correction.previous != .start { writer.member("previous", position: correction.previous) }
        writer.member("occurredAt", time: correction.occurredAt)
        name("eventName", correction.eventName, to: &writer)
        name("customerReferenceId", correction.customer, to: &writer)
        name("featureKey", correction.feature, to: &writer)
        name("model", correction.model, to: &writer)
        name("modelProvider", correction.provider, to: &writer)
        writer.member("before")
        append(correction.before, to: &writer)
        guard correction.kind == .void else {
            writer.member("after")
            append(correction.after, to: &writer)
            return
        }
        writer.member("usageUnits")
        writer.append(decimal: correction.counts.usageUnits)
        writer.member("inputTokens")
        writer.append(decimal: correction.counts.inputTokens)
        writer.member("outputTokens")
        writer.append(decimal: correction.counts.outputTokens)
        writer.member("revenueAmount")
        writer.append(money: correction.counts.revenue)
        correction.reason.withUnsafeBytes { writer.member("reason", text: $0) }
    }

    private func append(_ state: CostState, to writer: inout ByteWriter) {
        writer.append("{\"priced\":")
        if let cost = state.cost {
            writer.append("true")
            writer.member("costAmount")
            writer.append(money: cost)
        } else {
            writer.append("false")
            writer.member("unpricedReason", literal: state.unpriced.name)
        }
        name("priceDerivation", state.price, to: &writer)
        if state.match != .none { writer.member("match", literal: state.match.name) }
        writer.append(0x7D)
    }

    func append(_ run: RunFact, to writer: inout ByteWriter) {
        writer.member("operation", literal: run.operation == .begun ? "begun" : "ended")
        writer.member("id", unsigned: UInt64(run.id))
        writer.member("at", time: run.at)
        switch run.operation {
        case .begun:
            writer.member("kind", literal: run.kind.name)
            if run.reverses != 0 { writer.member("reverses", unsigned: UInt64(run.reverses)) }
            run.filter.withUnsafeBytes { writer.member("filter", text: $0) }
            run.prices.withUnsafeBytes { writer.member("prices", text: $0) }
        case .ended:
            writer.member("events", unsigned: run.events)
            writer.member("newlyPriced", unsigned: run.newlyPriced)
            writer.member("costBefore")
            writer.append(money: run.before)
            writer.member("costAfter")
            writer.append(money: run.after)
        }
    }

    func append(_ price: OwnPriceFact, to writer: inout ByteWriter) {
        writer.member("operation", literal: price.operation == .set ? "set" : "removed")
        writer.member("at", time: price.at)
        price.id.withUnsafeBytes { writer.member("id", text: $0) }
        if price.operation == .set { price.text.withUnsafeBytes { writer.member("text", text: $0) } }
    }

    func append(_ book: PriceBookFact, to writer: inout ByteWriter) {
        writer.member("at", time: book.at)
        book.version.withUnsafeBytes { writer.member("version", text: $0) }
        writer.member("loadedBytes", unsigned: book.loadedBytes)
        writer.member("catalogueSha256", hex: book.catalogue.bytes)
        writer.member("ownSha256", hex: book.own.bytes)
    }
}

extension CorrectionKind {
    /// The word for it in dumps and replies.
    public var name: StaticString {
        switch self {
        case .reprice: "reprice"
        case .reverse: "reverse"
        case .void: "void"
        }
    }
}

extension ByteWriter {
    mutating func member(_ name: StaticString, position: JournalPosition) {
        member(name)
        append(0x22)
        append(unsigned: UInt64(position.segment))
        append(0x3A)
        append(unsigned: UInt64(position.offset))
        append(0x22)
    }

    fileprivate mutating func member(_ name: StaticString, hex bytes: [UInt8]) {
        member(name)
        append(0x22)
        for byte in bytes {
            append(hexDigit(byte >> 4))
            append(hexDigit(byte & 15))
        }
        append(0x22)
    }
}
