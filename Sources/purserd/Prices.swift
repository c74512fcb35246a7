// Prices: the built-in catalogue and the operator's own files in `prices.d/`, read as a whole or refused as a whole.

import Core
import Glibc
import Pricing

enum Prices {
    /// The price book, with every `*.toml` of the directory in the order of their names.
    static func load(_ configuration: Configuration) throws(ConfigurationError) -> PriceBook {
        var files: [(name: String, bytes: [UInt8])] = []
        if let directory = opendir(configuration.pricesDirectory) {
            defer { closedir(directory) }
            while let entry = readdir(directory) {
                let name = withUnsafeBytes(of: &entry.pointee.d_name) { raw in
                    String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
                }
                guard name.hasSuffix(".toml"), !name.hasPrefix(".") else { continue }
                let path = configuration.pricesDirectory + "/" + name
                guard let bytes = readFile(path) else { throw ConfigurationError(text: "\(path): \(String(cString: strerror(errno)))") }
                files.append((path, bytes))
            }
        } else if configuration.pricesDirectoryIsNamed || errno != ENOENT {
            throw ConfigurationError(text: "\(configuration.pricesDirectory): \(String(cString: strerror(errno)))")
        }
        files.sort { $0.name < $1.name }
        // The buffers live until the book has been made; it copies what it keeps.
        var sources: [PriceBook.Source] = []
        var buffers: [UnsafeMutableRawBufferPointer] = []
        defer { for buffer in buffers { buffer.deallocate() } }
        for file in files {
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, file.bytes.count), alignment: 8)
            buffer.copyBytes(from: file.bytes)
            buffers.append(buffer)
            sources.append(PriceBook.Source(name: file.name, bytes: UnsafeRawBufferPointer(rebasing: buffer[..<file.bytes.count])))
        }
        do throws(PriceBookError) {
            return try PriceBook.builtIn(own: sources)
        } catch {
            throw ConfigurationError(text: error.description)
        }
    }
}
