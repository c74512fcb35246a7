// Payload: what one event says, and what it must cost. The rates stand here a second time, by hand: the auditor does not ask
// the price book.

internal import Core
internal import Frames

enum ModelChoice: Int, CaseIterable { case none, plain, unknown }

struct Payload: Equatable {
    /// 0: none.
    var customer = 0
    var name = 0
    var model = ModelChoice.none
    var input = 0
    var output = 0
    /// Picodollars.
    var cost: Int64?
    var revenue: Int64?
    /// What an event without a key of its own is known by; 0: it has a key.
    var tag = 0
    /// Bytes of `meta`, which is kept and does not tell payloads apart.
    var padding = 0

    /// The prices of every run: 3 and 7 dollars a million tokens.
    static let prices = """
        [[price]]
        id = "plain"
        model = "plain"
        rates = { input = "3/M", output = "7/M" }
        """

    /// Picodollars; nil when there is no price.
    var expectedCost: Int64? {
        if let cost { return cost }
        return model == .plain ? 3_000_000 * Int64(input) + 7_000_000 * Int64(output) : nil
    }

    /// Whether both say the same in all that decides money and attribution.
    func counts(like other: Payload) -> Bool {
        var same = other
        same.padding = padding
        return self == same
    }

    var customerText: String { "customer-\(customer)" }
    var nameText: String { "event.\(name)" }
    var modelText: String? { model == .none ? nil : model == .plain ? "plain" : "nobody-knows-\(name)" }
    var tagText: String { "tag-\(tag)" }
    private var meta: String { "{\"note\":\"" + String(repeating: "x", count: padding) + "\"}" }

    /// For a frame.
    func event(key: String?) -> UsageEvent {
        var event = UsageEvent(key: key.map { .text($0) } ?? .none, name: nameText)
        if customer != 0 { event.customer = customerText }
        event.model = modelText
        if model != .none {
            if let lines = Quantity(whole: Int64(input)) { event.usage.append(UsageLine(kind: .inputTokens, quantity: lines)) }
            if let lines = Quantity(whole: Int64(output)) { event.usage.append(UsageLine(kind: .outputTokens, quantity: lines)) }
        }
        event.cost = cost.map { Money(picodollars: $0) }
        event.revenue = revenue.map { Money(picodollars: $0) }
        if tag != 0 { event.extras[.flowId] = tagText }
        if padding > 0 { event.extras[.meta] = meta }
        return event
    }

    /// For a body.
    func json(key: String?) -> String {
        var text = "{\"eventName\":\"\(nameText)\""
        if let key { text += ",\"eventIdempotencyKey\":\"\(key)\"" }
        if customer != 0 { text += ",\"customerReferenceId\":\"\(customerText)\"" }
        if let modelText { text += ",\"costInput\":{\"model\":\"\(modelText)\",\"inputTokens\":\(input),\"outputTokens\":\(output)}" }
        if let cost { text += ",\"costAmount\":\(Payload.dollars(cost))" }
        if let revenue { text += ",\"revenueAmount\":\(Payload.dollars(revenue))" }
        if tag != 0 { text += ",\"flowId\":\"\(tagText)\"" }
        if padding > 0 { text += ",\"meta\":\(meta)" }
        return text + "}"
    }

    private static func dollars(_ picodollars: Int64) -> String {
        let fraction = String(picodollars % 1_000_000_000_000)
        return "\(picodollars / 1_000_000_000_000)." + String(repeating: "0", count: 12 - fraction.count) + fraction
    }
}
