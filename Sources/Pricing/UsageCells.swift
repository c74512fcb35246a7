// UsageCells: usage cut into disjoint parts, each charged at one rate.
//
// Totals are inclusive: input tokens hold the cached, the written and the audio ones. A part with a rate of its own is
// taken out of its total and charged at that rate; a part without one stays in its total. This is the definition of a cost;
// `Card.factors` is the same sum, rearranged, for events whose parts do not cross.
//
//     cached audio            own rate, else the cache's, else the audio's, else input
//     cache read              less cached audio, image and video
//     cache written 5m, 1h    1h without a rate of its own is charged at the 5m rate
//     input audio ...         less the cached ones
//     input                   what is left
//
// A part that crosses two others (cached audio) is often not reported. Then the smallest crossing that the totals allow is
// taken, so that no line is ever negative.

internal import Core

struct UsageCell: Equatable {
    var tag: Tag
    /// Millionths of a unit.
    var count: Int64
    var rate: Int64
}

/// The rates of a card by tag; -1 where it has none of its own.
struct RateTable {
    private var own: InlineArray<26, Int64> = .init(repeating: -1)
    /// Bit by tag: which have a rate of their own.
    private(set) var present: UInt32 = 0

    subscript(tag: Tag) -> Int64 {
        get { own[tag] }
        set {
            own[tag] = newValue
            let bit = UInt32(1) << UInt32(tag)
            present = newValue >= 0 ? present | bit : present & ~bit
        }
    }

    func has(_ tag: Tag) -> Bool { present >> UInt32(tag) & 1 != 0 }

    /// The tags that have a rate, their own or their total's, where the total has one too.
    var priced: UInt32 {
        var mask = present & ~(Tags.inputParts | Tags.outputParts)
        if has(Tags.input) { mask |= Tags.inputParts }
        if has(Tags.output) { mask |= Tags.outputParts }
        return mask
    }

    /// The tags whose rate may not be that of their total.
    var apart: UInt32 {
        var mask = present
        if has(Tags.cacheWrite) { mask |= 1 << UInt32(Tags.cacheWrite1h) }
        if has(Tags.cacheRead) { mask |= Tags.crossings }
        if has(Tags.inputAudio) { mask |= 1 << UInt32(Tags.cacheReadAudio) }
        if has(Tags.inputImage) { mask |= 1 << UInt32(Tags.cacheReadImage) }
        if has(Tags.inputVideo) { mask |= 1 << UInt32(Tags.cacheReadVideo) }
        return mask
    }

    /// The rate a kind is charged at; -1 when there is none.
    func effective(_ tag: Tag) -> Int64 {
        if own[tag] >= 0 { return own[tag] }
        switch tag {
        case Tags.cacheRead, Tags.cacheWrite, Tags.inputAudio, Tags.inputImage, Tags.inputVideo, Tags.tool: return own[Tags.input]
        case Tags.cacheWrite1h: return effective(Tags.cacheWrite)
        case Tags.cacheReadAudio: return crossing(Tags.inputAudio)
        case Tags.cacheReadImage: return crossing(Tags.inputImage)
        case Tags.cacheReadVideo: return crossing(Tags.inputVideo)
        case Tags.reasoning, Tags.outputAudio, Tags.outputImage, Tags.outputVideo: return own[Tags.output]
        default: return -1
        }
    }

    private func crossing(_ modality: Tag) -> Int64 {
        own[Tags.cacheRead] >= 0 ? own[Tags.cacheRead] : effective(modality)
    }
}

/// The cells of one event.
struct UsageCells {
    enum Failure { case noRate, outOfRange }

    private(set) var count = 0
    private(set) var failure: Failure?
    private var cells = InlineArray<26, UsageCell>(repeating: UsageCell(tag: 0, count: 0, rate: 0))

    subscript(index: Int) -> UsageCell { cells[index] }

    private mutating func put(_ tag: Tag, _ quantity: Int64, _ rates: RateTable) {
        guard quantity != 0 else { return }
        let rate = rates.effective(tag)
        guard rate >= 0 else {
            failure = .noRate
            return
        }
        cells[count] = UsageCell(tag: tag, count: quantity, rate: rate)
        count += 1
    }

    /// Cuts `totals`, millionths by tag. A part that counts and has no rate is a failure.
    init(_ totals: InlineArray<26, Int64>, rates: RateTable) {
        // Input. What each part takes out of the total is summed; parts without a rate of their own take nothing.
        let hasRead = rates.has(Tags.cacheRead)
        let hasWrite = rates.has(Tags.cacheWrite)
        let hasHour = hasWrite || rates.has(Tags.cacheWrite1h)
        var read = totals[Tags.cacheRead]
        var rest = totals[Tags.input]
        let written = (hasWrite ? totals[Tags.cacheWrite] : 0) &+ (hasHour ? totals[Tags.cacheWrite1h] : 0)
        let modalities: InlineArray<3, Tag> = [Tags.inputAudio, Tags.inputImage, Tags.inputVideo]
        let crossings: InlineArray<3, Tag> = [Tags.cacheReadAudio, Tags.cacheReadImage, Tags.cacheReadVideo]
        var plain = InlineArray<3, Int64>(repeating: 0)
        var crossed = InlineArray<3, Int64>(repeating: 0)
        for m in 0..<3 {
            let apart = rates.has(modalities[m])
            let cached = totals[crossings[m]]
            plain[m] = apart ? totals[modalities[m]] : 0
            crossed[m] = rates.has(crossings[m]) || apart ? cached : 0
            if apart { plain[m] &-= cached }
            if hasRead { read &-= crossed[m] }
        }
        if !hasRead { read = 0 }
        rest &-= written &+ read
        for m in 0..<3 { rest &-= plain[m] &+ crossed[m] }
        let tools = rates.has(Tags.tool) ? totals[Tags.tool] : 0
        rest &-= tools
        // An unreported crossing shows as a negative rest: it was taken out twice. Give it to the crossing, largest first.
        if rest < 0, hasRead {
            for m in 0..<3 where rest < 0 && plain[m] > 0 && read > 0 {
                let moved = min(min(plain[m], read), -rest)
                plain[m] -= moved
                read -= moved
                crossed[m] += moved
                rest += moved
            }
        }
        var unread = tools
        if rest < 0, unread > 0 {
            let moved = min(unread, -rest)
            unread -= moved
            rest += moved
        }
        guard rest >= 0, read >= 0, plain[0] >= 0, plain[1] >= 0, plain[2] >= 0 else {
            failure = .outOfRange
            return
        }
        put(Tags.input, rest, rates)
        put(Tags.cacheRead, read, rates)
        if hasWrite { put(Tags.cacheWrite, totals[Tags.cacheWrite], rates) }
        if hasHour { put(Tags.cacheWrite1h, totals[Tags.cacheWrite1h], rates) }
        for m in 0..<3 {
            put(modalities[m], plain[m], rates)
            put(crossings[m], crossed[m], rates)
        }
        put(Tags.tool, unread, rates)

        // Output. Reasoning is text; where it overlaps with audio or images the total decides.
        var restOut = totals[Tags.output]
        var parts = InlineArray<4, Int64>(repeating: 0)
        let outputs: InlineArray<4, Tag> = [Tags.outputAudio, Tags.outputImage, Tags.outputVideo, Tags.reasoning]
        for p in 0..<4 where rates.has(outputs[p]) {
            parts[p] = min(totals[outputs[p]], restOut)
            restOut -= parts[p]
        }
        put(Tags.output, restOut, rates)
        for p in 0..<4 { put(outputs[p], parts[p], rates) }

        for tag in Tags.seconds..<Tags.count { put(tag, totals[tag], rates) }
    }
}
