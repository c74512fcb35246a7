// What names mean, whatever anybody charges for it: for whoever compares models rather than prices them.

internal import Core

extension PriceBook {
    /// The row of the catalogue that a provider and a model mean, an empty buffer for absent; -1 when there is none. Prices of
    /// one's own do not matter. Slow, like `resolve`.
    public func catalogueRow(provider: UnsafeRawBufferPointer, model: UnsafeRawBufferPointer) -> Int32 {
        Int32(resolveCatalogue(provider: PriceBook.trimmed(provider), model: PriceBook.trimmed(model)).entry)
    }

    /// Whether two names are the same provider's: alike but for case, or both known and of one provider.
    public func isSameProvider(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
        if PriceBook.isSameName(a, b) { return true }
        guard let first = providerIndex(PriceBook.trimmed(a)) else { return false }
        return first == providerIndex(PriceBook.trimmed(b))
    }

    /// Whether two names are alike but for case.
    public static func isSameName(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool { NameIndex.sameFolded(a, b) }
}
