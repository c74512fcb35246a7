// Instant: the points in time that a person types: `2026-08-06T12:00:00Z`, `2026-08-06`, `2026-08` or `7d` (so long ago).

import Core
import Glibc

enum Instant {
    static var now: Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    /// Nanoseconds of a clock that never jumps.
    static var monotonic: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    /// Reads an instant: RFC 3339, a date or a month (their first moment, UTC), or a number with s, m, h, d or w: so long
    /// before `now`. nil for anything else.
    static func read(_ text: String, now: Timestamp) -> Timestamp? {
        if let exact = Timestamp(rfc3339: text) { return exact.isAccepted ? exact : nil }
        if let date = Timestamp(rfc3339: text + "T00:00:00Z") { return date.isAccepted ? date : nil }
        if text.utf8.count == 7, let month = Timestamp(rfc3339: text + "-01T00:00:00Z") { return month.isAccepted ? month : nil }
        let seconds: Int64
        switch text.last {
        case "s": seconds = 1
        case "m": seconds = 60
        case "h": seconds = 3600
        case "d": seconds = 86_400
        case "w": seconds = 604_800
        default: return nil
        }
        let digits = text.dropLast()
        guard !digits.isEmpty, digits.utf8.allSatisfy({ $0 &- 0x30 < 10 }), let count = Int64(digits) else { return nil }
        let (span, overflow) = count.multipliedReportingOverflow(by: seconds * 1_000_000_000)
        guard !overflow, span <= now.nanoseconds else { return nil }
        return Timestamp(nanoseconds: now.nanoseconds - span)
    }

    /// The text a query carries, or a usage error that names the option.
    static func query(_ text: String?, option: String, now: Timestamp) throws -> String? {
        guard let text else { return nil }
        guard let instant = read(text, now: now) else {
            throw Failure.usage(
                "\(option) takes an instant (2026-08-06T12:00:00Z), a date, a month or an age (90m, 24h, 7d): \(text.printable)")
        }
        return instant.description
    }
}
