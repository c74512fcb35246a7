// Terminal: what standard output and standard error can show, and writing to them.
//
// Colour only on a terminal that wants it (NO_COLOR unset, TERM not `dumb`); box-drawing and block characters only where
// the locale is UTF-8. Text that came from a server or a file is made harmless before it is shown: a customer's name must
// not move the cursor.

import Glibc

/// How a result may look.
struct Style: Equatable, Sendable {
    /// Escape sequences are welcome.
    var color = false
    /// The reader shows characters outside ASCII.
    var unicode = true
    /// Cells per line; nil when nobody looks at a fixed width.
    var width: Int?

    static let plain = Style()

    func red(_ text: String) -> String { color ? "\u{1B}[31m\(text)\u{1B}[0m" : text }
    func green(_ text: String) -> String { color ? "\u{1B}[32m\(text)\u{1B}[0m" : text }
    func yellow(_ text: String) -> String { color ? "\u{1B}[33m\(text)\u{1B}[0m" : text }
    func bold(_ text: String) -> String { color ? "\u{1B}[1m\(text)\u{1B}[0m" : text }
    func dim(_ text: String) -> String { color ? "\u{1B}[2m\(text)\u{1B}[0m" : text }
}

enum Terminal {
    /// What standard output can show.
    static var style: Style { style(of: STDOUT_FILENO) }

    /// What standard error can show.
    static var errorStyle: Style { style(of: STDERR_FILENO) }

    /// Whether a person can be asked.
    static var canAsk: Bool { inputIsTerminal && errorIsTerminal }

    /// Asks on standard error; only `y` and `yes` mean yes.
    static func agrees(_ question: String) -> Bool {
        status(question + " [y/N] ")
        let answer = (readLine() ?? "").lowercased()
        return answer == "y" || answer == "yes"
    }

    static var errorIsTerminal: Bool { isatty(STDERR_FILENO) == 1 }
    static var inputIsTerminal: Bool { isatty(STDIN_FILENO) == 1 }

    static func style(of descriptor: Int32) -> Style {
        let isTerminal = isatty(descriptor) == 1
        var style = Style()
        let wanted = (Environment["NO_COLOR"] ?? "").isEmpty && Environment["TERM"] != "dumb"
        style.color = isTerminal && wanted
        style.unicode = localeIsUTF8(Environment["LC_ALL"], Environment["LC_CTYPE"], Environment["LANG"])
        if isTerminal {
            var size = winsize()
            if ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 {
                style.width = Int(size.ws_col)
            } else {
                style.width = 80
            }
        }
        return style
    }

    /// Whether the first of the locale variables that is set names UTF-8. None set: assume it, as files do.
    static func localeIsUTF8(_ variables: String?...) -> Bool {
        for case .some(let value) in variables where !value.isEmpty {
            let folded = value.lowercased()
            return folded.hasSuffix("utf-8") || folded.hasSuffix("utf8") || folded.contains("utf-8@")
        }
        return true
    }

    /// Writes text and a line feed to standard output. When the reader went away the program ends as if it had been killed
    /// by SIGPIPE, without a word.
    static func print(_ text: String) {
        if !write(text + "\n", to: STDOUT_FILENO) { exit(128 + SIGPIPE) }
    }

    /// Writes bytes as they are to standard output.
    static func print(bytes: UnsafeRawBufferPointer) {
        if !write(bytes, to: STDOUT_FILENO) { exit(128 + SIGPIPE) }
    }

    /// Writes a complaint to standard error.
    static func complain(_ text: String, prefix: String = "purser: ") {
        _ = write(prefix + text + "\n", to: STDERR_FILENO)
    }

    /// Writes to standard error as it is, for progress lines.
    static func status(_ text: String) { _ = write(text, to: STDERR_FILENO) }

    private static func write(_ text: String, to descriptor: Int32) -> Bool {
        var copy = text
        return copy.withUTF8 { write(UnsafeRawBufferPointer($0), to: descriptor) }
    }

    private static func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Bool {
        var rest = bytes
        while !rest.isEmpty {
            let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
            if count < 0 {
                if errno == EINTR { continue }
                return false
            }
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
        return true
    }
}

/// The environment variables.
enum Environment {
    static subscript(_ name: String) -> String? {
        guard let value = getenv(name) else { return nil }
        return String(cString: value)
    }
}

// MARK: - Text of others

extension String {
    /// The text with everything that steers a terminal made visible: control characters and bidirectional overrides
    /// become `\u{…}`.
    var printable: String {
        guard unicodeScalars.contains(where: { $0.steersTerminal }) else { return self }
        var result = ""
        for scalar in unicodeScalars {
            if scalar.steersTerminal {
                result += "\\u{" + String(scalar.value, radix: 16) + "}"
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// The same for a text of several lines: line feeds stay.
    var printableLines: String {
        split(separator: "\n", omittingEmptySubsequences: false).map { String($0).printable }.joined(separator: "\n")
    }

    /// Cells the text takes on a terminal: combining marks none, wide East Asian characters and emoji two.
    var cells: Int {
        var count = 0
        for scalar in unicodeScalars { count += scalar.cells }
        return count
    }

    /// The text cut to at most `limit` cells, the cut marked.
    func cut(toCells limit: Int, mark: String) -> String {
        guard cells > limit else { return self }
        let room = limit - mark.cells
        var used = 0
        var result = ""
        for scalar in unicodeScalars {
            if used + scalar.cells > room { break }
            used += scalar.cells
            result.unicodeScalars.append(scalar)
        }
        return result + mark
    }
}

extension Unicode.Scalar {
    fileprivate var steersTerminal: Bool {
        switch value {
        case 0...0x1F, 0x7F...0x9F, 0x2028...0x202E, 0x2066...0x2069, 0x200E, 0x200F, 0x061C: true
        default: false
        }
    }

    fileprivate var cells: Int {
        switch value {
        case 0x20...0x7E: 1
        case 0x0300...0x036F, 0x200B...0x200D, 0x20D0...0x20FF, 0xFE00...0xFE0F: 0
        case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0x33FF, 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xA000...0xA4CF, 0xAC00...0xD7A3,
            0xF900...0xFAFF, 0xFE30...0xFE4F, 0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1FAFF, 0x20000...0x3FFFD:
            2
        default: 1
        }
    }
}
