// PriceInput: a price of one's own as a request has it, made into the TOML that files have. One reader decides what a price is,
// whichever way it came.

internal import Core
internal import Wire

struct PriceInput: ~Copyable {
    var id: [UInt8] = []
    var toml = ByteWriter(capacity: 512)
    /// What is wrong, naming the field; nil when nothing is.
    private(set) var refusal: String?

    init(_ value: JSONValue) {
        guard value.kind == .object else {
            refusal = "a price, as in prices, is an object"
            return
        }
        toml.append("[[price]]\n")
        var variants: [JSONValue] = []
        var rates: JSONValue?
        for member in value.members where !member.value.isNull {
            switch member.key {
            case "id":
                id = member.value.kind == .string ? member.value.bytes : []
                text("id", member)
            case "provider": text("provider", member)
            case "model": text("model", member)
            case "feature": text("feature", member)
            case "from": text("from", member)
            case "until": text("until", member)
            case "discountPercent": amount("discount_percent", member)
            case "perUnit": amount("per_unit", member)
            case "rates": rates = member.value
            case "variants":
                guard member.value.kind == .array else {
                    refusal = "variants: a list"
                    return
                }
                variants = Array(member.value.elements)
            default: refusal = "unknown field '\(member.key)'"
            }
        }
        if id.isEmpty { refusal = refusal ?? "id: a text" }
        if let given = rates { table(given) }
        if variants.count > Limits.ownPriceVariants { refusal = refusal ?? "variants: at most \(Limits.ownPriceVariants)" }
        for variant in variants.prefix(Limits.ownPriceVariants) { add(variant: variant) }
        if toml.count > Limits.ownPriceBytes { refusal = refusal ?? "longer than \(Limits.ownPriceBytes) bytes" }
    }

    private mutating func add(variant: JSONValue) {
        guard variant.kind == .object else {
            refusal = "variants: each is an object"
            return
        }
        toml.append("\n[[price.variant]]\n")
        var rates: JSONValue?
        for member in variant.members where !member.value.isNull {
            switch member.key {
            case "tier": text("tier", member)
            case "above":
                guard let tokens = member.value.integer, tokens >= 0 else {
                    refusal = "above: a whole number of input tokens"
                    return
                }
                toml.append("above = ")
                toml.append(unsigned: UInt64(tokens))
                toml.append("\n")
            case "rates": rates = member.value
            default: refusal = "unknown field 'variants.\(member.key)'"
            }
        }
        guard let given = rates else {
            refusal = refusal ?? "variants: a variant without rates"
            return
        }
        table(given)
    }

    private mutating func table(_ value: JSONValue) {
        guard value.kind == .object else {
            refusal = "rates: an object of kinds of usage"
            return
        }
        toml.append("rates = { ")
        for (index, member) in value.members.enumerated() {
            guard member.value.kind == .string || member.value.kind == .number, isPlain(member.keyBytes), isPlain(member.value.bytes)
            else {
                refusal = "rates: a number or a text such as \"2.50/M\" for each kind of usage"
                return
            }
            if index > 0 { toml.append(", ") }
            toml.append(jsonString: member.keyBytes)
            toml.append(" = ")
            toml.append(jsonString: member.value.bytes)
        }
        toml.append(" }\n")
    }

    /// What a basic string of TOML can hold as JSON writes it.
    private func isPlain(_ bytes: [UInt8]) -> Bool { !bytes.contains { $0 < 0x20 || $0 == 0x7F } && bytes.count <= 1024 }

    private mutating func text(_ key: StaticString, _ member: JSONMember) {
        guard member.value.kind == .string, isPlain(member.value.bytes) else {
            refusal = "\(member.key): a text"
            return
        }
        write(key, member.value.bytes)
    }

    private mutating func amount(_ key: StaticString, _ member: JSONMember) {
        guard member.value.kind == .string || member.value.kind == .number, isPlain(member.value.bytes) else {
            refusal = "\(member.key): a number or a text"
            return
        }
        write(key, member.value.bytes)
    }

    private mutating func write(_ key: StaticString, _ bytes: [UInt8]) {
        toml.append(key)
        toml.append(" = ")
        toml.append(jsonString: bytes)
        toml.append("\n")
    }
}
