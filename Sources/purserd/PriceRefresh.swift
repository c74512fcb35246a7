// PriceRefresh: the price list that the daemon fetches by itself, when the operator asks for it. Off unless configured.
//
// A list that is the same as before, that cannot be had or read, or that would drop too many rows changes nothing; the log says
// so, and the next round tries again.

import Core
import Fetch
import Glibc
import Pricing
import Runtime
import Server
import Settings
import Synchronization
import Upstream

enum PriceRefresh {
    /// The tag of a list that said nothing new, and the catalogue it said nothing new to. Only then is there no use in reading it
    /// again: a list that was refused, or that changed something, is looked at once more.
    private struct Seen {
        var tag: String
        var base: Digest
    }

    /// Read and written by one round after the other.
    private static let seen = Mutex<Seen?>(nil)

    static func work(_ configuration: Configuration) -> PeriodicWork? {
        guard let interval = configuration.priceRefresh else { return nil }
        let source = UpstreamFormat(rawValue: configuration.priceRefreshSource)?.address ?? configuration.priceRefreshSource
        return PeriodicWork(
            interval: UInt64(interval), delay: UInt64(min(interval, 60_000_000_000)),
            begin: { server in
                let base = server.catalogueInForce
                return { fetch(source, over: base) }
            },
            end: { server, outcome, instant in
                switch outcome {
                case .bytes(let bundle): server.submitCatalogue(bundle, at: instant)
                case .nothing: break
                case .failed(let message): Log.warning("prices", "prices: not refreshed: \(message)")
                }
            })
    }

    private static func fetch(_ source: String, over base: [UInt8]?) -> PeriodicWork.Outcome {
        let base = base ?? CatalogueBundle.builtIn()
        let digest = PriceBook.digest(catalogue: base)
        let tag = seen.withLock { $0?.base == digest ? $0?.tag : nil }
        let fetched: FetchedBytes
        do throws(FetchError) {
            fetched = try Fetch.read(source, agent: "purserd/\(Version.text)", etag: tag)
        } catch {
            return .failed("\(error)")
        }
        if fetched.isUnchanged { return .nothing }
        do throws(UpstreamError) {
            let updated = try Upstream.update(base: base, upstream: fetched.bytes, day: today())
            guard updated.diff.isEmpty else { return .bytes(updated.bundle) }
            seen.withLock { $0 = fetched.etag.map { Seen(tag: $0, base: digest) } }
            return .nothing
        } catch {
            return .failed("\(source): \(error)")
        }
    }

    /// The day in UTC, as `2026-11-23`.
    private static func today() -> String {
        var writer = ByteWriter(capacity: 40)
        writer.append(rfc3339: EventLoop.now)
        return String(writer.string.prefix(10))
    }
}
