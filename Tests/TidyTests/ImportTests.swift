// The import table is one list in three places: the page for people (Sources/README.md), the package file, and the import
// lines. A room that starts to use another changes all three, or does not build its case.

import Foundation
import Testing

/// One row of the table in Sources/README.md.
private struct Room {
    var name: String
    var imports: Set<String>
}

/// Modules that come with the platform or the toolchain and are not in the package file.
private let platform: Set<String> = ["Foundation", "FoundationEssentials", "Glibc", "Musl", "Synchronization", "Dispatch", "Swift"]

/// Rooms that decide and touch nothing: the same code runs under any clock, disk and network.
private let pure: Set<String> = ["Core", "Frames", "Wire", "Toml", "Pricing", "Upstream", "Journal", "Ledger", "Server", "Simulator"]

private func table() throws -> [Room] {
    try Repository.file("Sources/README.md").lines.compactMap { line in
        guard line.hasPrefix("| `") else { return nil }
        let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
        guard cells.count == 3 else { return nil }
        let names = cells[2].split(separator: ",").map { $0.trimmingCharacters(in: CharacterSet(charactersIn: " `")) }
        return Room(name: cells[0].trimmingCharacters(in: CharacterSet(charactersIn: "`")), imports: Set(names.filter { $0 != "nothing" }))
    }
}

/// Dependencies of every target that is not a test, as the package file lists them. The fuzzer is one, and stands last.
private func dependencies() throws -> [String: Set<String>] {
    let text = try Repository.file("Package.swift").text.components(separatedBy: "\nif isFuzzed {")[0]
    var found: [String: Set<String>] = [:]
    let target = /\.(target|executableTarget|systemLibrary)\(\s*name: "([\w-]+)"(?:,\s*dependencies: \[(.*?)\])?/.dotMatchesNewlines()
    for match in text.matches(of: target) {
        var names: Set<String> = []
        if let list = match.output.3 {
            for name in list.matches(of: /(name: |[\[,]\s*|^\s*)"(\w+)"/) { names.insert(String(name.output.2)) }
        }
        found[String(match.output.2)] = names
    }
    return found
}

/// Modules a file's import lines name.
private func imports(of file: SourceFile) -> Set<String> {
    let line =
        #/
        ^\s* (?: @\w+ (?: \(\w+\) )? \s+ )* (?: (?: public | package | internal | fileprivate | private ) \s+ )?
        import \s+ (?: (?: struct | class | enum | protocol | func | var | let | typealias ) \s+ )? (\w+)
        /#
    return Set(file.lines.compactMap { $0.firstMatch(of: line).map { String($0.output.1) } })
}

private func importsByTarget() throws -> [String: Set<String>] {
    var found: [String: Set<String>] = [:]
    for file in try Repository.files(in: "Sources", extensions: ["swift"]) { found[file.target, default: []].formUnion(imports(of: file)) }
    return found
}

@Test func everyTargetHasOneRowInTheImportTable() throws {
    let rows = try table()
    #expect(rows.count > 10)
    #expect(Set(rows.map(\.name)) == Set(try dependencies().keys))
    #expect(Set(rows.map(\.name)).count == rows.count)
}

@Test func thePackageFileListsWhatTheImportTableAllows() throws {
    let listed = try dependencies()
    for row in try table() {
        #expect(listed[row.name] == row.imports.subtracting(platform), "\(row.name): Package.swift and Sources/README.md differ")
    }
}

@Test func importLinesAreExactlyTheImportTable() throws {
    let used = try importsByTarget()
    for row in try table() {
        guard let names = used[row.name] else {
            #expect(row.imports.isEmpty, "\(row.name) has no Swift file and imports nothing")
            continue
        }
        #expect(names == row.imports, "\(row.name): import lines and Sources/README.md differ")
    }
}

@Test func roomsThatDecideTouchNothing() throws {
    for (target, names) in try importsByTarget() where pure.contains(target) {
        #expect(names.isDisjoint(with: platform), "\(target) imports \(names.intersection(platform))")
    }
}

@Test func nothingThatTheDaemonLinksImportsFoundation() throws {
    let listed = try dependencies()
    var reached: Set<String> = []
    var open = ["purserd"]
    while let name = open.popLast() { if reached.insert(name).inserted { open += listed[name] ?? [] } }
    #expect(reached.count > 10)
    for (target, names) in try importsByTarget() where reached.contains(target) {
        #expect(names.isDisjoint(with: ["Foundation", "FoundationEssentials", "Dispatch"]), "\(target) reaches Foundation")
    }
}

@Test func theTableReaderSeesWhatIsThere() throws {
    let listed = try dependencies()
    #expect(listed["purser"]?.contains("ArgumentParser") == true)
    #expect(listed["purser"]?.contains("swift-argument-parser") == false)
    #expect(listed["Core"]?.contains("CHash") == true)
    #expect(
        imports(
            of: SourceFile(path: "Sources/X/a.swift", text: "public import Core\n@preconcurrency import Glibc\nimport struct Wire.Head"))
            == ["Core", "Glibc", "Wire"])
}
