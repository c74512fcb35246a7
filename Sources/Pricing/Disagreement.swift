// Disagreement: where the two sources of the catalogue state different rates for one model.
//
// The catalogue takes one of them; the other one is kept here as data, so that whoever doubts a cost can see that there is
// a second opinion. Only base rates are compared: input, output, cache read and cache write, standard tier, below every
// threshold. A row that has been looked up wrongly is not among them: both sources know the model by that name.

internal import CCatalogue

/// One rate that the sources do not agree on. Everything is text, as the catalogue writes it: `2.5/M` is USD a million.
public struct Disagreement: Sendable, Equatable {
    /// The provider's canonical identifier.
    public var provider: String
    /// The model's name, without what stands for the provider in it.
    public var model: String
    /// `input`, `output`, `cacheRead` or `cacheWrite`.
    public var kind: String
    /// The package whose rate is in the catalogue.
    public var chosenSource: String
    public var chosenRate: String
    public var otherSource: String
    public var otherRate: String

    public init(
        provider: String, model: String, kind: String, chosenSource: String, chosenRate: String, otherSource: String, otherRate: String
    ) {
        self.provider = provider
        self.model = model
        self.kind = kind
        self.chosenSource = chosenSource
        self.chosenRate = chosenRate
        self.otherSource = otherSource
        self.otherRate = otherRate
    }
}

public enum Disagreements {
    /// Every disagreement of the built-in catalogue: by provider, model and kind.
    public static func all() -> [Disagreement] {
        guard let file = purser_catalogue_disagreements() else { return [] }
        return read(UnsafeRawBufferPointer(start: file.pointee.bytes, count: file.pointee.length))
    }

    /// Lines of seven words: provider, model, kind, chosen source and rate, other source and rate. `#` opens a comment.
    static func read(_ text: UnsafeRawBufferPointer) -> [Disagreement] {
        var found: [Disagreement] = []
        for line in text.split(separator: 0x0A) where line.first != 0x23 {
            let words = line.split(separator: 0x20).map { String(decoding: $0, as: UTF8.self) }
            guard words.count == 7 else { continue }
            found.append(
                Disagreement(
                    provider: words[0], model: words[1], kind: words[2], chosenSource: words[3], chosenRate: words[4],
                    otherSource: words[5], otherRate: words[6]))
        }
        return found
    }
}
