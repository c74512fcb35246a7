// What stands in a slot before the price book was asked.

internal import Core
internal import Pricing

extension Resolution {
    init() {
        self.init(entry: -1, match: .none, unpriced: .none, viaFallback: false, provider: UnsafeRawBufferPointer(start: nil, count: 0))
    }
}
