// What the pricing tests share: a book, and ways to ask it in one line.

import Core
import Pricing

/// A number written in a test as decimal text, in picodollars.
func usd(_ text: String) -> Money {
    guard case .value(let picodollars) = DecimalText.read(text, places: Money.scale) else { return Money(picodollars: .min) }
    return Money(picodollars: picodollars)
}

func line(_ kind: UsageKind, _ count: Double) -> UsageLine {
    UsageLine(kind: kind, quantity: Quantity(millionths: Int64((count * 1_000_000).rounded())))
}

func at(_ text: String) -> Timestamp { Timestamp(rfc3339: text) ?? Timestamp(nanoseconds: .min) }

/// The usual moment of a test.
let october = "2026-10-20T12:00:00Z"

extension PriceBook {
    func resolve(_ provider: String, _ model: String, feature: String = "") -> Resolution {
        Array(provider.utf8).withUnsafeBytes { provider in
            Array(model.utf8).withUnsafeBytes { model in
                Array(feature.utf8).withUnsafeBytes { feature in resolve(provider: provider, model: model, feature: feature) }
            }
        }
    }

    func price(
        _ resolution: Resolution, _ usage: [UsageLine], at time: String = october, tier: ServiceTier = .standard, region: String = ""
    ) -> Priced {
        Array(region.utf8).withUnsafeBytes { region in
            usage.withUnsafeBufferPointer { price(resolution, usage: $0, at: Core.Timestamp(rfc3339: time)!, tier: tier, region: region) }
        }
    }

    func price(
        _ provider: String, _ model: String, _ usage: [UsageLine], at time: String = october, tier: ServiceTier = .standard,
        region: String = "", feature: String = ""
    ) -> Priced {
        price(resolve(provider, model, feature: feature), usage, at: time, tier: tier, region: region)
    }

    func derivation(_ card: Int32) -> String {
        var writer = ByteWriter(capacity: 256)
        derivation(card: card, into: &writer)
        return writer.string
    }

    /// The row a name resolves to, as its derivation names it; the reason when it does not.
    func row(_ provider: String, _ model: String) -> String {
        let resolution = resolve(provider, model)
        guard resolution.entry >= 0 else { return "\(resolution.unpriced.name)" }
        let priced = price(resolution, [line(.inputTokens, 0)])
        let source = derivation(priced.card).split(separator: "|").first.map(String.init) ?? ""
        return String(source.dropFirst("catalogue:\(version):".count))
    }
}
