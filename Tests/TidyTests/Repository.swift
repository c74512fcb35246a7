// Repository: the files of this repository as the tidy tests see them. Nothing is cached and nothing is written; what is
// not a source file of ours (build products, data tables) is left out by name and by extension.

import Foundation

/// One text file of the repository.
struct SourceFile {
    /// From the root, with `/`.
    var path: String
    var text: String

    /// Lines without their ends; a file that ends in a newline has no empty last line.
    var lines: [Substring] {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        if lines.last?.isEmpty == true { lines.removeLast() }
        return lines
    }

    /// The target a path in Sources or Tests belongs to.
    var target: String { String(path.split(separator: "/")[1]) }
}

enum Repository {
    static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// What people write by hand, by extension.
    static let code: Set<String> = ["swift", "c", "h", "cpp", "py", "sh", "modulemap"]
    static let prose: Set<String> = ["md", "yaml", "yml", "toml", "js", "service", "socket", "conf"]

    /// All files below `folder` with one of these extensions, in the order of their paths.
    static func files(in folder: String, extensions: Set<String>) throws -> [SourceFile] {
        let base = root.appendingPathComponent(folder)
        guard let walk = FileManager.default.enumerator(at: base, includingPropertiesForKeys: [.isRegularFileKey]) else { return [] }
        var found: [SourceFile] = []
        for case let url as URL in walk where extensions.contains(url.pathExtension) {
            let path = String(url.standardizedFileURL.path.dropFirst(root.standardizedFileURL.path.count + 1))
            guard !path.contains("__pycache__") else { continue }
            found.append(SourceFile(path: path, text: try String(contentsOf: url, encoding: .utf8)))
        }
        return found.sorted { $0.path < $1.path }
    }

    static func file(_ path: String) throws -> SourceFile {
        SourceFile(path: path, text: try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8))
    }

    /// Everything written by hand: sources, tests, the protocol's pages, the package file, the commands.
    static func everything() throws -> [SourceFile] {
        var all: [SourceFile] = []
        for folder in ["Sources", "Tests", "protocol", "systemd"] { all += try files(in: folder, extensions: code.union(prose)) }
        for path in ["README.md", "Package.swift", ".ci/install", ".ci/demo", ".ci/test", ".ci/run"] { all.append(try file(path)) }
        return all
    }
}
