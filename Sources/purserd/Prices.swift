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

    /// A price book without a price, for as long as the journal is read.
    static var none: PriceBook {
        do { return try PriceBook(catalogue: []) } catch { preconditionFailure("no price is a price too many: \(error)") }
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

/// The price book of the built-in catalogue and the operator's files, read on a thread of its own: the journal is read meanwhile, and
/// needs no prices.
final class PriceReader: @unchecked Sendable {
    private let files: [PriceTexts.Text]
    private var thread: pthread_t?
    // Of the thread until it is joined.
    private var result: Result<PriceBook, ConfigurationError>?

    init(_ files: [PriceTexts.Text]) {
        self.files = files
        var thread = pthread_t()
        let context = Unmanaged.passRetained(self)
        let status = pthread_create(
            &thread, nil,
            { argument in
                Unmanaged<PriceReader>.fromOpaque(argument!).takeRetainedValue().read()
                return nil
            }, context.toOpaque())
        if status == 0 { self.thread = thread } else { context.release() }
    }

    private func read() {
        do throws(ConfigurationError) { result = .success(try Prices.book(files)) } catch { result = .failure(error) }
    }

    /// Waits for it, or says what is wrong with the files.
    func book() throws(ConfigurationError) -> PriceBook {
        if let thread { pthread_join(thread, nil) }
        thread = nil
        if result == nil { read() }
        switch result {
        case .success(let book): return book
        case .failure(let error): throw error
        case nil: throw ConfigurationError(text: "the prices cannot be read")
        }
    }
}
