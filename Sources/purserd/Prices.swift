// Prices: the operator's own files in `prices.d/`, read as a whole or refused as a whole.

import Core
import Glibc
import Pricing
import Settings

enum Prices {
    /// Every `*.toml` of the directory in the order of their names.
    static func files(_ configuration: Configuration) throws(ConfigurationError) -> [PriceTexts.Text] {
        var files: [PriceTexts.Text] = []
        if let directory = opendir(configuration.pricesDirectory) {
            defer { closedir(directory) }
            while let entry = readdir(directory) {
                let name = withUnsafeBytes(of: &entry.pointee.d_name) { raw in
                    String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
                }
                guard name.hasSuffix(".toml"), !name.hasPrefix(".") else { continue }
                let path = configuration.pricesDirectory + "/" + name
                guard let bytes = readFile(path) else { throw ConfigurationError(text: "\(path): \(String(cString: strerror(errno)))") }
                files.append(PriceTexts.Text(name: path, bytes: bytes))
            }
        } else if configuration.pricesDirectoryIsNamed || errno != ENOENT {
            throw ConfigurationError(text: "\(configuration.pricesDirectory): \(String(cString: strerror(errno)))")
        }
        files.sort { $0.name < $1.name }
        return files
    }

    /// The price book of the built-in catalogue and these files.
    static func book(_ files: [PriceTexts.Text]) throws(ConfigurationError) -> PriceBook {
        var texts = PriceTexts()
        texts.own = files
        do throws(PriceBookError) {
            return try PriceBook.make(texts)
        } catch {
            throw ConfigurationError(text: error.description)
        }
    }
}
