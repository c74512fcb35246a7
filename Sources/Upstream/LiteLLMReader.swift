// LiteLLMReader: the fields of one of litellm's entries as cards by tier and threshold.
//
// The fields are `input_cost_per_token` and its like, with `_above_200k_tokens` for a threshold and `_priority` for a tier.
// What a tier or a band does not say is as without it, as litellm charges it. A 0 is a price only where it can be one: most
// often it stands for "unknown". Whatever else an entry says is reported with the reason.

internal import Core
internal import Wire

struct LiteLLMReader {
    let row: LiteLLMRow
    private(set) var offer: LiteLLMOffer
    /// Why something that the entry says is not in the offer.
    private(set) var reasons: Set<String> = []

    init(_ row: LiteLLMRow, provider: String, name: String) {
        self.row = row
        offer = LiteLLMOffer(row: row, provider: provider, name: name)
    }

    private static let tokenKeys: [String: String] = [
        "input_cost_per_token": "input", "output_cost_per_token": "output", "cache_read_input_token_cost": "cacheRead",
        "cache_creation_input_token_cost": "cacheWrite", "cache_creation_input_token_cost_above_1hr": "cacheWrite1h",
        "output_cost_per_reasoning_token": "reasoning", "input_cost_per_audio_token": "inputAudio",
        "input_cost_per_image_token": "inputImage", "input_cost_per_video_token": "inputVideo",
        "cache_read_input_audio_token_cost": "cacheReadAudio", "cache_read_input_image_token_cost": "cacheReadImage",
        "output_cost_per_audio_token": "outputAudio", "output_cost_per_image_token": "outputImage",
        "output_cost_per_video_token": "outputVideo",
    ]
    /// The tiers that have a name here; the standard one has none.
    private static let tiers: [String: String] = ["": "", "batches": "batch", "flex": "flex", "priority": "priority"]
    private static let foreignTiers = ["balanced", "ultrafast", "decisions"]
    /// Models that make no text: a 0 for their output is the absence of a rate.
    private static let noTextOut: Set<String> = [
        "embedding", "rerank", "audio_speech", "audio_transcription", "image_generation", "image_edit", "video_generation",
        "moderation", "search", "ocr", "",
    ]

    private mutating func report(_ reason: String) { reasons.insert(reason) }

    /// Fills the offer; without cards it says nothing.
    mutating func read() throws(UpstreamError) {
        let costs = row.costs()
        if costs.any, costs.allZero {
            if isFree {
                offer.cards = [LiteLLMOffer.Card(tier: "", above: nil, rates: ["input": 0, "output": 0])]
            } else {
                report("all rates are 0, which stands for free and for unknown")
            }
            return
        }
        var cards: [LiteLLMOffer.Card]
        if let tiers = row["tiered_pricing"], tiers.kind == .array, tiers.elements.contains(where: { _ in true }) {
            guard let found = try ranges(Array(tiers.elements)) else { return report("rates by the number of results") }
            cards = found
        } else {
            cards = try tokenCards()
        }
        if cards.isEmpty { cards = [LiteLLMOffer.Card(tier: "", above: nil, rates: [:])] }
        let plain = cards.last.flatMap { $0.tier.isEmpty ? $0 : nil } ?? cards.first { $0.tier.isEmpty && $0.above == nil }
        let known = plain?.rates ?? [:]
        var extra = known
        try units(&extra)
        for kind in known.keys { extra[kind] = nil }
        var batch = extra
        if let pages = try row.rate("ocr_cost_per_page_batches") {
            batch["pages"] = pages
            if !cards.contains(where: { $0.tier == "batch" }) { cards.append(LiteLLMOffer.Card(tier: "batch", above: nil, rates: [:])) }
        }
        for card in cards {
            let full = withoutZeros(card.rates.merging(card.tier == "batch" ? batch : extra) { _, unit in unit })
            if !full.isEmpty { offer.cards.append(LiteLLMOffer.Card(tier: card.tier, above: card.above, rates: full)) }
        }
        guard offer.cards.contains(where: { $0.tier.isEmpty && $0.above == nil }) else {
            offer.cards = []
            return
        }
        try reportCaches()
        try offPeak()
        try region()
    }

    /// Entries whose rates are all 0 and whose makers document that the use is free.
    private var isFree: Bool {
        row.key.hasPrefix("omni-moderation-") || ["zai/glm-4.5-flash", "zai/glm-4.7-flash"].contains(row.key)
            || row.key.hasPrefix("opencode_go/") && row.key.hasSuffix("-free")
    }

    // Tokens

    /// A field's name apart: what it is, the threshold, and litellm's word for the tier.
    static func apart(_ field: String) -> (base: String, above: Int64?, tier: String) {
        var rest = Substring(field)
        var tier = ""
        for word in Array(tiers.keys.filter { !$0.isEmpty }) + foreignTiers where rest.hasSuffix("_" + word) {
            tier = word
            rest = rest.dropLast(word.count + 1)
            break
        }
        let mark = "_above_"
        guard rest.hasSuffix("_tokens") else { return (String(rest), nil, tier) }
        let head = rest.dropLast("_tokens".count)
        guard let last = head.lastIndex(of: "_"), head[..<head.index(after: last)].hasSuffix(mark) else { return (String(rest), nil, tier) }
        var digits = head[head.index(after: last)...]
        let isThousands = digits.last == "k"
        if isThousands { digits = digits.dropLast() }
        guard !digits.isEmpty, digits.count <= 9, digits.utf8.allSatisfy({ $0 &- 0x30 < 10 }), let number = Int64(digits) else {
            return (String(rest), nil, tier)
        }
        return (String(head[..<head.index(last, offsetBy: 1 - mark.count)]), isThousands ? number * 1000 : number, tier)
    }

    private struct Place: Hashable {
        var tier: String
        var above: Int64?
    }

    private mutating func tokenCards() throws(UpstreamError) -> [LiteLLMOffer.Card] {
        var table: [Place: [String: Int64]] = [:]
        for field in row.names where field.contains("cost") && row.isNumber(field) {
            let (base, above, word) = LiteLLMReader.apart(field)
            guard let kind = LiteLLMReader.tokenKeys[base] else { continue }
            guard let tier = LiteLLMReader.tiers[word] else {
                report("rates of the tier \(word)")
                continue
            }
            table[Place(tier: tier, above: above), default: [:]][kind] = try row.rate(field)
        }
        let standard = Place(tier: "", above: nil)
        if let hit = try row.rate("input_cost_per_token_cache_hit"), let base = table[standard], base["cacheRead"] == nil {
            table[standard]?["cacheRead"] = hit
        }
        guard let base = table[standard] else {
            if !table.isEmpty { report("rates of a tier or a band without standard ones") }
            return []
        }
        let starts = Set(table.keys.compactMap(\.above)).sorted(by: >)
        /// What a tier's bands at or below this threshold say, the higher one last.
        func band(_ tier: String, _ start: Int64?) -> [String: Int64] {
            guard let start else { return [:] }
            let below = table.keys.filter { $0.tier == tier && ($0.above ?? Int64.max) <= start }.sorted {
                ($0.above ?? 0) < ($1.above ?? 0)
            }
            return below.reduce(into: [:]) { rates, place in rates.merge(table[place] ?? [:]) { $1 } }
        }
        var cards: [LiteLLMOffer.Card] = []
        for tier in ["", "batch", "flex", "priority"] where table.keys.contains(where: { $0.tier == tier }) {
            let own = table[Place(tier: tier, above: nil)] ?? [:]
            for start in starts.map(Optional.init) + [nil] {
                // A batch has only its own rates: a part without one is charged with its total. The other tiers have the
                // standard ones where they have none, but for reasoning, which follows the output's.
                let totals = base.filter { $0.key == "input" || $0.key == "output" }
                let below = tier == "batch" ? [totals, own] : [base, own, band("", start)]
                var rates = (below + [band(tier, start)]).reduce(into: [:]) { $0.merge($1) { $1 } }
                if !tier.isEmpty, own["output"] != nil, own["reasoning"] == nil { rates["reasoning"] = nil }
                cards.append(LiteLLMOffer.Card(tier: tier, above: start, rates: rates))
            }
        }
        // Said twice: a band that raises the output raises it too.
        if cards.allSatisfy({ $0.above != nil || $0.rates["reasoning"] == nil || $0.rates["reasoning"] == $0.rates["output"] }) {
            for index in cards.indices { cards[index].rates["reasoning"] = nil }
        }
        return cards
    }

    /// The cards of `tiered_pricing`: a band from above the lower end of its range; nil when it is by something else.
    private func ranges(_ tiers: [JSONValue]) throws(UpstreamError) -> [LiteLLMOffer.Card]? {
        var cards: [(start: Int64, card: LiteLLMOffer.Card)] = []
        for tier in tiers {
            guard let range = tier["range"], range.kind == .array, tier["input_cost_per_token"] != nil else { return nil }
            var ends = range.elements
            guard let start = ends.next()?.decimal(places: 0), (0...1_000_000_000).contains(start) else { return nil }
            var rates: [String: Int64] = [:]
            for member in tier.members where member.value.kind == .number {
                guard let kind = LiteLLMReader.tokenKeys[member.key] else { continue }
                rates[kind] = try LiteLLMRow.rate(member.value, at: "\(row.key) tiered_pricing \(member.key)")
            }
            if rates["output"] == nil { rates["output"] = try row.rate("output_cost_per_token") }
            cards.append((start, LiteLLMOffer.Card(tier: "", above: start == 0 ? nil : start, rates: rates)))
        }
        return cards.sorted { $0.start > $1.start }.map(\.card)
    }

    /// Drops a 0 that is no price: text of a model that makes none, cache writes that cost less than not caching, and what
    /// stands beside the unit that is really metered.
    private mutating func withoutZeros(_ rates: [String: Int64]) -> [String: Int64] {
        func has(_ kind: String) -> Bool { (rates[kind] ?? 0) != 0 }
        var kept: [String: Int64] = [:]
        for (kind, rate) in rates {
            if rate != 0 || kind == "cacheRead" {
                kept[kind] = rate
            } else if kind == "output", !LiteLLMReader.noTextOut.contains(row.mode), has("input") || has("requests") {
                kept[kind] = rate
            } else if kind == "input", has("requests") {
                kept[kind] = rate
            } else if kind == "cacheWrite" || kind == "cacheWrite1h" {
                report("a cache write at 0, less than the same tokens not cached")
            }
        }
        return kept
    }

    // Other units

    private mutating func put(_ kind: String, _ field: String, _ rates: inout [String: Int64], unless why: String? = nil)
        throws(UpstreamError)
    {
        guard let found = try row.price(field) else { return }
        if let why {
            report(why)
        } else if let other = rates[kind] {
            if other != found { report("two rates for \(kind)") }
        } else {
            rates[kind] = found
        }
    }

    /// Rates by anything but the token, for the standard card.
    private mutating func units(_ rates: inout [String: Int64]) throws(UpstreamError) {
        let mode = row.mode
        let makesImages = mode == "image_generation" || mode == "image_edit"
        let tokens = (rates["input"] ?? 0) != 0 || (rates["output"] ?? 0) != 0
        let alternate = "a unit that stands for tokens which have a rate"
        let heard = tokens && mode != "embedding"

        if row["cost_per_second"] != nil {
            report("capacity by the hour")
        } else {
            try put("seconds", "input_cost_per_second", &rates, unless: heard ? alternate : nil)
        }
        try put("characters", "input_cost_per_character", &rates, unless: tokens ? alternate : nil)
        if try row.price("output_cost_per_character") != nil {
            report(tokens ? alternate : "characters made")
            if !tokens { rates["characters"] = nil }
        }
        try video(&rates, heard: heard, alternate: alternate)
        try images(&rates, tokens: tokens, makesImages: makesImages, alternate: alternate)
        var seconds: Set<Int64> = []
        for field in ["input_cost_per_audio_per_second", "input_cost_per_video_per_second"] {
            if let rate = try row.price(field) { seconds.insert(rate) }
        }
        let hasSteps = row.names.contains { $0.contains("interval") }
        if seconds.count == 1, !hasSteps, (rates["seconds"] ?? 0) == 0, !(tokens && mode == "realtime") {
            rates["seconds"] = seconds.first
        } else if !seconds.isEmpty {
            report("seconds of audio and of video at two rates")
        }
        try put("searchUnits", "input_cost_per_query", &rates, unless: mode == "embedding" ? "requests for an embedding of text" : nil)
        try put("requests", "input_cost_per_request", &rates)
        try put("pages", "ocr_cost_per_page", &rates)
        try put("toolCalls", "google_maps_grounding_cost_per_query", &rates)
        try put("toolCalls", "code_interpreter_cost_per_session", &rates)
        for (field, reason) in [
            ("annotation_cost_per_page", "annotated pages"), ("ocr_cost_per_credit", "credits"),
            ("input_cost_per_text_message", "messages"), ("citation_cost_per_token", "citation tokens"),
        ] where try row.price(field) != nil { report(reason) }
        if let context = row["search_context_cost_per_query"], context.kind == .object {
            var prices: Set<Int64> = []
            for member in context.members where member.value.kind == .number {
                prices.insert(try LiteLLMRow.rate(member.value, at: "\(row.key) search_context_cost_per_query"))
            }
            if prices.count == 1, prices != [0] {
                rates["webSearches"] = prices.first
            } else if prices != [0] {
                report("web searches by the size of their context")
            }
        }
    }

    private mutating func video(_ rates: inout [String: Int64], heard: Bool, alternate: String) throws(UpstreamError) {
        let spoken = try row.price("output_cost_per_second")
        if row.mode == "video_generation" {
            let perVideo = try row.price("output_cost_per_video_per_second")
            let one = spoken ?? perVideo
            for field in row.names where field.hasPrefix("output_cost_per_second_") && row.isNumber(field) {
                if try row.rate(field) != one { return report("seconds of video by resolution") }
            }
            try put("outputSeconds", "output_cost_per_second", &rates)
            try put("outputSeconds", "output_cost_per_video_per_second", &rates)
        } else if spoken != nil {
            let isSame = try spoken == row.price("input_cost_per_second")
            try put("outputSeconds", "output_cost_per_second", &rates, unless: heard || isSame ? alternate : nil)
        }
    }

    private mutating func images(_ rates: inout [String: Int64], tokens: Bool, makesImages: Bool, alternate: String) throws(UpstreamError) {
        let byTokens = (rates["outputImage"] ?? 0) != 0
        let bySize = row.names.contains { LiteLLMReader.isImageSize($0) }
        let made = try row.price("output_cost_per_image")
        let speaks = row["supported_output_modalities"].map { $0.elements.contains { $0.string == "audio" } } ?? false
        if bySize {
            report("images by size")
        } else if row.mode == "audio_speech" || speaks {
            if made != nil { report("songs by the piece") }
        } else {
            try put("images", "output_cost_per_image", &rates, unless: tokens && !makesImages || byTokens ? alternate : nil)
        }
        if makesImages, made == nil, !bySize, !byTokens {
            try put("images", "input_cost_per_image", &rates, unless: tokens ? alternate : nil)
        } else {
            let counts = row.mode == "embedding" || row.mode == "video_generation"
            try put("inputImages", "input_cost_per_image", &rates, unless: tokens && !counts ? alternate : nil)
        }
        if rates["images"] == nil, rates["outputImage"] == nil {
            let pixels = (try row.price("input_cost_per_pixel"), try row.price("output_cost_per_pixel"))
            if pixels.0 != nil || pixels.1 != nil { report("images by the pixel") }
        }
    }

    /// `output_cost_per_image_1K` and its like.
    private static func isImageSize(_ field: String) -> Bool {
        let head = "output_cost_per_image_"
        guard field.hasPrefix(head) else { return false }
        var size = field.dropFirst(head.count)
        if size.last == "K" { size = size.dropLast() }
        return !size.isEmpty && size.utf8.allSatisfy { $0 &- 0x30 < 10 || $0 == 0x2E }
    }

    // What stands beside the rates

    private mutating func reportCaches() throws(UpstreamError) {
        for (head, reason) in [
            ("cache_creation_input_audio_token_cost", "cache writes of audio"),
            ("cache_creation_input_token_cost_above_12hr", "cache writes of twelve hours"),
            ("explicit_cache_read_input_token_cost", "reads of an explicit cache"),
        ] {
            for field in row.names where field.hasPrefix(head) { if try row.price(field) != nil { report(reason) } }
        }
    }

    /// Hours with rates of their own.
    private mutating func offPeak() throws(UpstreamError) {
        guard let block = row["off_peak_pricing"] else { return }
        guard block["hours_utc"] == nil, !offer.cards.contains(where: { !$0.tier.isEmpty || $0.above != nil }),
            let windows = block["windows"], windows.kind == .array
        else { return report("off-peak hours") }
        var rates = offer.base
        for member in block.members where member.value.kind == .number {
            guard let kind = LiteLLMReader.tokenKeys[member.key] else { continue }
            rates[kind] = try LiteLLMRow.rate(member.value, at: "\(row.key) off_peak_pricing \(member.key)")
        }
        let zones: [String: Int] = ["": 0, "Asia/Shanghai": 8]
        guard let zone = zones[block["weekday_timezone"]?.string ?? ""] else { return report("off-peak hours") }
        var found: [LiteLLMOffer.Window] = []
        for rule in windows.elements {
            guard let hours = rule["hours_utc"], let days = rule["weekdays"], days.kind == .array else { return report("off-peak hours") }
            let texts = hours.kind == .array ? hours.elements.map { $0.string ?? "" } : [hours.string ?? ""]
            let spans = texts.compactMap { LiteLLMReader.shifted($0, by: zone) }
            let numbers = days.elements.compactMap { $0.decimal(places: 0) }
            guard spans.count == texts.count, !spans.isEmpty, !numbers.isEmpty, numbers.allSatisfy({ (1...7).contains($0) }) else {
                return report("off-peak hours")
            }
            found.append(
                LiteLLMOffer.Window(
                    hours: spans.sorted().joined(separator: ","), days: numbers.map { "\($0)" }.joined(separator: ","), zone: zone,
                    rates: rates))
        }
        offer.windows = found
    }

    /// `01:00-09:00` so many hours later; nil when it is not two times of day.
    private static func shifted(_ span: String, by zone: Int) -> String? {
        var ends: [String] = []
        for end in span.split(separator: "-", omittingEmptySubsequences: false) {
            let bytes = Array(end.utf8)
            guard bytes.count == 5, bytes[2] == 0x3A, let hour = Int(end.prefix(2)), let minute = Int(end.suffix(2)), hour >= 0, hour <= 24,
                minute >= 0, minute < 60
            else { return nil }
            let later = (hour + zone) % 24
            ends.append("\(later < 10 ? "0" : "")\(later)\(end.suffix(3))")
        }
        return ends.count == 2 ? ends.joined(separator: "-") : nil
    }

    /// Multipliers by region, as the words of a `region` line.
    private mutating func region() throws(UpstreamError) {
        func multiplier(_ value: JSONValue?) -> String? {
            guard let value, value.kind == .number, let scaled = value.decimal(places: 6), scaled > 0, scaled <= 100_000_000 else {
                return nil
            }
            return DecimalText.text(Int128(scaled), places: 6)
        }
        for name in ["eu", "us"] {
            if let value = multiplier(row["regional_processing_uplift_multiplier_\(name)"]) { offer.regions.append("\(name)=\(value)") }
        }
        if row.key.hasPrefix("vertex_ai/"), let value = multiplier(row["regional_endpoint_uplift_multiplier"]) {
            offer.regions += ["global=1", "*=\(value)"]
        }
        if let value = multiplier(row["provider_specific_entry"]?["us"]) { offer.regions.append("us=\(value)") }
    }
}
