// Configuration files: TOML through toml++, then the daemon's own reading of it.

import Settings
import Toml

extension FuzzEntry {
    static let config = FuzzEntry("config") { bytes in
        let lines = bytes.count { $0 == 0x0A } + 1
        do {
            let items = try exactly(bytes) { try TomlDocument.parse([UInt8]($0), name: "a") }
            try demand(items == TomlDocument.parse(bytes, name: "a"), "two readings of one text differ")
            for item in items {
                try demand(item.line >= 1 && item.line <= lines, "\(item.dotted) in line \(item.line) of \(lines)")
                try demand(!item.path.isEmpty, "a value without a key")
            }
        } catch let error as TomlError {
            try demand(error.line >= 0 && error.line <= lines && !error.message.isEmpty, "\(error) of \(lines) lines")
        }
        var configuration = Configuration(state: "/s")
        var listen: [String] = []
        do throws(ConfigurationError) {
            try configuration.read(bytes, name: "a", &listen)
        } catch {
            try demand(error.text.hasPrefix("a:"), "no place in: \(error.text)")
            return
        }
        try demand(configuration.state.hasPrefix("/"), "the state is not an absolute path")
        let window = configuration.dedupWindow / 1_000_000_000
        try demand(window >= 60 && window <= 400 * 86_400, "a window of \(window) seconds")
        if let interval = configuration.priceRefresh { try demand(interval >= 3_600_000_000_000, "a refresh every \(interval) ns") }
    }
}
