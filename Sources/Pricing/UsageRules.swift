// UsageRules: what usage may not say. A part larger than its total would make a line negative: such an event is refused, not
// clamped.

public import Core

public enum UsageRules {
    /// The first kind that is larger than the total it is inside, together with its siblings; nil when the usage is
    /// consistent. A part without its total is larger than it. Reads the lines once when there are no parts.
    public static func inconsistent(_ usage: UnsafeBufferPointer<UsageLine>) -> UsageKind? {
        var parts = false
        // By far the most usage with parts has cached input and nothing else: that is one comparison.
        var others = false
        var input: Int128 = 0
        var cached: Int128 = 0
        for line in usage {
            let tag = line.kind.tag
            let quantity = Int128(line.quantity.millionths)
            // Input and output are tags 0 and 1; the units have no parts.
            if tag == Tags.input { input += quantity }
            if tag > Tags.output, tag < Tags.seconds, quantity != 0 {
                parts = true
                if tag <= Tags.cacheWrite1h, quantity > 0 { cached += quantity } else { others = true }
            }
        }
        if !parts || !others && cached <= input { return nil }
        return check(usage)
    }

    @inline(never)
    private static func check(_ usage: UnsafeBufferPointer<UsageLine>) -> UsageKind? {
        var totals = InlineArray<26, Int128>(repeating: 0)
        for line in usage { totals[line.kind.tag] += Int128(line.quantity.millionths) }
        func over(_ tags: [Tag], _ total: Tag) -> UsageKind? {
            var sum: Int128 = 0
            for tag in tags {
                sum += totals[tag]
                if sum > totals[total] { return Tags.kinds[tag] }
            }
            return nil
        }
        return over([Tags.cacheRead, Tags.cacheWrite, Tags.cacheWrite1h], Tags.input)
            ?? over([Tags.inputAudio, Tags.inputImage, Tags.inputVideo], Tags.input)
            ?? over([Tags.tool], Tags.input)
            ?? over([Tags.cacheReadAudio, Tags.cacheReadImage, Tags.cacheReadVideo], Tags.cacheRead)
            ?? over([Tags.cacheReadAudio], Tags.inputAudio)
            ?? over([Tags.cacheReadImage], Tags.inputImage)
            ?? over([Tags.cacheReadVideo], Tags.inputVideo)
            ?? over([Tags.outputAudio, Tags.outputImage, Tags.outputVideo], Tags.output)
            ?? over([Tags.reasoning], Tags.output)
    }
}
