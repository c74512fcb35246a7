// CatalogueBundle: a whole catalogue as one text, to be sent, stored and read again.
//
// The files of the providers one after another; each begins with its `version` line, and that line is what divides them.

public import Core

public enum CatalogueBundle {
    /// The files of a bundle, named after their providers. They lie inside `bytes`; what stands before the first `version`
    /// line is a file too unless it is empty or comments only.
    public static func split(_ bytes: UnsafeRawBufferPointer) -> [PriceBook.Source] {
        var files: [PriceBook.Source] = []
        var start = 0
        var name = ""
        var isEmpty = true
        func close(at end: Int) {
            guard !isEmpty else { return }
            let file = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
            files.append(PriceBook.Source(name: name.isEmpty ? "the catalogue" : name + ".txt", bytes: file))
        }
        var at = 0
        while at < bytes.count {
            var end = at
            while end < bytes.count, bytes[end] != 0x0A { end += 1 }
            var words = Words(UnsafeRawBufferPointer(rebasing: bytes[at..<end]))
            if let word = words.next(), word[0] != 0x23 {
                if word.equals("version") {
                    close(at: at)
                    start = at
                    name = ""
                } else if word.equals("provider"), name.isEmpty, let id = words.next() {
                    name = String(decoding: id.prefix(64), as: UTF8.self)
                }
                isEmpty = false
            }
            at = end + 1
        }
        close(at: bytes.count)
        return files
    }

    /// The catalogue inside this binary. Written when it is first asked for, in a few milliseconds, and kept.
    public static func builtIn() -> [UInt8] { written }

    private static let written: [UInt8] = {
        // What is built in has been read before it was built in; were it wrong, nothing could be priced.
        do throws(PriceBookError) {
            return try CatalogueDocument(files: PriceBook.builtInFiles).bundle
        } catch {
            preconditionFailure("the built-in catalogue: \(error)")
        }
    }()

    /// The name of a content: the day, and the first eight hexadecimal digits of its hash.
    public static func version(day: String, content: Digest) -> String {
        var writer = ByteWriter(capacity: 32)
        writer.append(string: day)
        writer.append("-")
        content.bytes.prefix(4).withUnsafeBytes { writer.append(hex: $0) }
        return writer.string
    }
}
