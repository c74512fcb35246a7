// A price book from texts that somebody keeps: the catalogue built in or loaded, and prices of one's own.

internal import CCatalogue
public import Core

extension PriceBook {
    /// The book of these texts. Throws with the text and the line of the first thing that is wrong.
    public static func make(_ texts: PriceTexts) throws(PriceBookError) -> PriceBook {
        // The copies live until the book has been made; it copies what it keeps.
        var copies: [UnsafeMutableRawBufferPointer] = []
        defer { for copy in copies { copy.deallocate() } }
        func keep(_ bytes: [UInt8]) -> UnsafeRawBufferPointer {
            let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, bytes.count), alignment: 8)
            copy.copyBytes(from: bytes)
            copies.append(copy)
            return UnsafeRawBufferPointer(rebasing: copy[..<bytes.count])
        }
        let own = texts.own.map { Source(name: $0.name, bytes: keep($0.bytes)) }
        guard let catalogue = texts.catalogue else { return try builtIn(own: own) }
        let files = CatalogueBundle.split(keep(catalogue))
        let book = try PriceBook(catalogue: files, own: own)
        guard book.rowCount > 0, !book.version.isEmpty else {
            throw PriceBookError(file: "the catalogue", line: 0, message: "there is no row in it")
        }
        return book
    }

    /// SHA-256 of a catalogue's text: of a bundle, or of the files built in, one after another.
    public static func digest(catalogue: [UInt8]?) -> Digest {
        if let catalogue { return catalogue.withUnsafeBytes { Digest(sha256: $0) } }
        var text = ByteWriter(capacity: 1024 * 1024)
        appendBuiltIn(to: &text)
        return Digest(sha256: text.bytes)
    }

    /// Appends the catalogue built in as a bundle.
    public static func appendBuiltIn(to writer: inout ByteWriter) {
        for index in 0..<purser_catalogue_count() {
            guard let file = purser_catalogue_file(index) else { continue }
            writer.append(bytes: UnsafeRawBufferPointer(start: file.pointee.bytes, count: file.pointee.length))
        }
    }

    /// SHA-256 of prices of one's own, with the names of their texts.
    public static func digest(own: [PriceTexts.Text]) -> Digest {
        var text = ByteWriter(capacity: 4096)
        for part in own {
            text.append(string: part.name)
            text.append(0)
            text.append(varint: UInt64(part.bytes.count))
            text.append(part.bytes)
        }
        return Digest(sha256: text.bytes)
    }
}
