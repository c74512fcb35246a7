// The lists in usage objects: Gemini's tokens by modality and Converse's cache writes by lifetime. An element is an object with
// a text that says what it counts and a number; the two come in either order.
//
//     promptTokensDetails.0.modality = "AUDIO"     promptTokensDetails.0.tokenCount = 120
//     cacheDetails.0.ttl = "1h"                    cacheDetails.0.inputTokens = 2000

internal import Core

struct UsageLists {
    enum List: Int, CaseIterable { case prompt, cache, candidates, tool, converse }
    enum Modality: Int { case audio, image, video }

    /// Sums by list and modality: five lists of three.
    private var sums = InlineArray<15, Int64>(repeating: 0)
    /// The element that is being put together, one per list.
    private var element = InlineArray<5, Int>(repeating: -1)
    private var what = InlineArray<5, Int8>(repeating: UsageLists.unknown)
    private var number = InlineArray<5, Int64>(repeating: -1)
    private(set) var isSound = true
    /// Cache writes of one hour.
    private(set) var converseHour: Int64 = 0

    private static let unknown: Int8 = -2
    /// An element of no interest, such as text.
    private static let other: Int8 = -1
    private static let oneHour: Int8 = 3

    private static let names: [(name: StaticString, list: List)] = [
        ("promptTokensDetails", .prompt), ("prompt_tokens_details", .prompt), ("cacheTokensDetails", .cache),
        ("cache_tokens_details", .cache), ("candidatesTokensDetails", .candidates), ("candidates_tokens_details", .candidates),
        ("responseTokensDetails", .candidates), ("response_tokens_details", .candidates), ("toolUsePromptTokensDetails", .tool),
        ("tool_use_prompt_tokens_details", .tool), ("cacheDetails", .converse),
    ]

    func count(_ list: List, _ modality: Modality) -> Int64 { sums[list.rawValue * 3 + modality.rawValue] }

    /// False when the path is not one of an element.
    mutating func add(path: Text, quantity: Int64) -> Bool {
        guard let (list, index, key) = UsageLists.split(path) else { return false }
        guard key.equals("tokenCount") || key.equals("token_count") || key.equals("inputTokens") else { return true }
        open(list, index)
        number[list.rawValue] = quantity
        close(list)
        return true
    }

    mutating func add(path: Text, text: Text) -> Bool {
        guard let (list, index, key) = UsageLists.split(path) else { return false }
        guard key.equals("modality") || key.equals("ttl") else { return true }
        open(list, index)
        what[list.rawValue] = UsageLists.meaning(text)
        close(list)
        return true
    }

    private mutating func open(_ list: List, _ index: Int) {
        if element[list.rawValue] != index {
            element[list.rawValue] = index
            what[list.rawValue] = UsageLists.unknown
            number[list.rawValue] = -1
        }
    }

    private mutating func close(_ list: List) {
        let meaning = what[list.rawValue]
        let quantity = number[list.rawValue]
        guard meaning != UsageLists.unknown, quantity >= 0 else { return }
        number[list.rawValue] = -1
        what[list.rawValue] = UsageLists.unknown
        if list == .converse {
            guard meaning == UsageLists.oneHour else { return }
            let (sum, overflow) = converseHour.addingReportingOverflow(quantity)
            if overflow { isSound = false } else { converseHour = sum }
        } else if meaning >= 0, meaning < UsageLists.oneHour {
            let slot = list.rawValue * 3 + Int(meaning)
            let (sum, overflow) = sums[slot].addingReportingOverflow(quantity)
            if overflow { isSound = false } else { sums[slot] = sum }
        }
    }

    private static func meaning(_ text: Text) -> Int8 {
        if NameIndex.sameFolded(text, word("audio")) { return 0 }
        if NameIndex.sameFolded(text, word("image")) { return 1 }
        if NameIndex.sameFolded(text, word("video")) { return 2 }
        return NameIndex.sameFolded(text, word("1h")) ? oneHour : other
    }

    private static func word(_ literal: StaticString) -> Text { Text(start: literal.utf8Start, count: literal.utf8CodeUnitCount) }

    /// `list.index.key`.
    private static func split(_ path: Text) -> (list: List, index: Int, key: Text)? {
        guard let dot = path.firstIndex(of: 0x2E), dot + 1 < path.count, path[dot + 1] &- 0x30 < 10 else { return nil }
        let head = Text(rebasing: path[..<dot])
        guard let list = names.first(where: { head.equals($0.name) })?.list else { return nil }
        var at = dot + 1
        var index = 0
        while at < path.count, path[at] &- 0x30 < 10, index < 100_000 {
            index = index * 10 + Int(path[at] - 0x30)
            at += 1
        }
        guard at + 1 < path.count, path[at] == 0x2E else { return nil }
        return (list, index, Text(rebasing: path[(at + 1)...]))
    }
}
