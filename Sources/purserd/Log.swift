// Log: one line a happening, on standard error. Never a key, never a payload.

import Glibc

enum Log {
    /// Writes `text` and a newline in one call; control characters become `?`, so that nothing can forge a line.
    static func line(_ text: String) {
        var bytes = text.utf8.map { $0 < 0x20 || $0 == 0x7F ? UInt8(0x3F) : $0 }
        bytes.append(0x0A)
        _ = write(2, bytes, bytes.count)
    }
}
