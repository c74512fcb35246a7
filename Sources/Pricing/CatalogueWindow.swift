// CatalogueWindow: the hours and days of a card, to be compared with those of another one.

internal import Core

/// Days of the week and spans of the day.
public struct CatalogueWindow: Equatable, Sendable {
    /// Minutes of the day in UTC, in ascending order, ends excluded.
    public struct Span: Equatable, Comparable, Sendable {
        public var start: Int
        public var end: Int

        public init(start: Int, end: Int) {
            self.start = start
            self.end = end
        }

        public static func < (a: Span, b: Span) -> Bool { (a.start, a.end) < (b.start, b.end) }
    }

    public let spans: [Span]
    /// Bit 0 Monday … bit 6 Sunday, in the zone; all seven for every day.
    public let days: UInt32
    /// Where the day of the week begins; 0 when all days count.
    public let zoneMinutes: Int

    /// From the words of a `rate` line; what is not one counts as absent.
    public init(days: String, hours: String, zone: String) {
        func read<Value>(_ text: String, _ parse: (UnsafeRawBufferPointer) -> Value?) -> Value? {
            var copy = text
            return copy.withUTF8 { parse(UnsafeRawBufferPointer($0)) }
        }
        let minutes = (read(zone) { CatalogueReader.zone($0) }).map { Int($0) / 60 } ?? 0
        self.days = read(days) { CatalogueReader.days($0) } ?? 0x7F
        zoneMinutes = self.days == 0x7F ? 0 : minutes
        var found = GrowingBuffer<Pricing.Span>()
        _ = read(hours) { CatalogueReader.hours($0, into: &found) }
        var spans: [Span] = []
        for i in 0..<found.count {
            func utc(_ minute: Int32) -> Int { ((Int(minute) - minutes) % 1440 + 1440) % 1440 }
            spans.append(Span(start: utc(found[i].start), end: utc(found[i].end)))
        }
        self.spans = spans.sorted()
    }
}
