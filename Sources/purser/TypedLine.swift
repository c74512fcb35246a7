// TypedLine: a command line as a person would type it, for the hints at the end of a result. Words are quoted so that a POSIX
// shell reads them back as they were, and what steers a terminal is made visible.

enum TypedLine {
    /// `purser` and these words.
    static func purser(_ words: [String]) -> String { (["purser"] + words.map(word)).joined(separator: " ") }

    /// One word, in single quotes where it needs them.
    static func word(_ text: String) -> String {
        let plain =
            !text.isEmpty
            && text.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x25, 0x2B, 0x2C, 0x2D, 0x2E, 0x2F, 0x3A, 0x3D, 0x40, 0x5F: true
                default: false
                }
            }
        if plain { return text }
        return "'" + text.printable.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
    }
}
