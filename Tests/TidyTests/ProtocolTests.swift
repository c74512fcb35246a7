// Lists that are written down more than once are compared here: outcomes, error codes, fields, limits.

import Core
import Foundation
import Testing

private let openapi = "protocol/openapi.yaml"

/// The items of a block list (`- item`) that follows `key:` somewhere below the line `schema:` in a YAML text.
private func list(_ key: String, below schema: String, in file: SourceFile) -> [String] {
    var items: [String] = []
    var found = false
    var reading = false
    for line in file.lines {
        let bare = line.trimmingCharacters(in: .whitespaces)
        if bare == schema + ":" { found = true }
        guard found else { continue }
        if reading {
            guard bare.hasPrefix("- ") else { return items }
            items.append(String(bare.dropFirst(2).split(separator: " ")[0]))
        } else if bare == key + ":" {
            reading = true
        }
    }
    return items
}

/// First cells of the rows of the tables of a page, without back quotes; header and rule rows left out.
private func rows(of file: SourceFile) -> [[String]] {
    file.lines.filter { $0.hasPrefix("|") }.map { line in
        line.split(separator: "|").map { $0.trimmingCharacters(in: CharacterSet(charactersIn: " `")) }
    }
}

@Test func outcomesAreOneListInThreePlaces() throws {
    let inCode = Outcome.allCases.map { "\($0.name)" }
    let inDescription = list("enum", below: "Outcome", in: try Repository.file(openapi))
    #expect(inDescription == inCode)
    let page = try Repository.file("protocol/outcomes.md")
    let onPage = rows(of: page).filter { $0.count >= 3 && UInt8($0[0]) != nil && inCode.contains($0[1]) }
    #expect(onPage.map { $0[1] } == inCode)
    #expect(onPage.map { $0[0] } == Outcome.allCases.map { "\($0.rawValue)" })
    for (row, outcome) in zip(onPage, Outcome.allCases) {
        #expect(row.contains("\(outcome.httpStatus)"), "\(outcome.name): HTTP status in protocol/outcomes.md")
        #expect(row.contains("\(outcome.code)"), "\(outcome.name): code in protocol/outcomes.md")
    }
}

@Test func everyOutcomeHasAnErrorCodeThatIsDescribed() throws {
    let described = Set(list("enum", below: "ErrorCode", in: try Repository.file(openapi)))
    for outcome in Outcome.allCases where outcome != .recorded {
        #expect(described.contains("\(outcome.code)"), "\(outcome.code) is not in \(openapi)")
    }
}

@Test func everyDescribedErrorCodeIsInTheSources() throws {
    let codes = list("enum", below: "ErrorCode", in: try Repository.file(openapi))
    #expect(codes.count > 15)
    let sources = try Repository.files(in: "Sources", extensions: ["swift"]).map(\.text).joined()
    for code in codes {
        // As a literal of its own, or inside the literal of a reply.
        let isSent = sources.contains("\"\(code)\"") || sources.contains("\\\"\(code)\\\"")
        #expect(isSent, "\(code) is described and never sent")
    }
}

@Test func everyFieldOfAnEventIsDescribed() throws {
    let text = try Repository.file(openapi).text
    for field in EventField.allCases where field != .none {
        let name = "\(field.name)".split(separator: ".").last ?? ""
        let isDescribed = text.contains("        \(name):")
        #expect(isDescribed, "\(field.name) is not in \(openapi)")
    }
}

@Test func limitsAreTheSameOnThePageAndInTheCode() throws {
    var inCode: [String: Int] = [:]
    let declaration = /public static let (\w+)(?:: \w+)? = ([\d_ *]+)$/
    let file = try Repository.file("Sources/Core/Limits.swift")
    for line in file.lines {
        guard let match = line.firstMatch(of: declaration) else { continue }
        let factors = match.output.2.split(separator: "*").compactMap {
            Int($0.replacing("_", with: "").trimmingCharacters(in: .whitespaces))
        }
        inCode[String(match.output.1)] = factors.reduce(1, *)
    }
    #expect(inCode.count == file.lines.filter { $0.contains("static let ") }.count)
    #expect(inCode.count > 30)
    var onPage: [String: Int] = [:]
    for row in rows(of: try Repository.file("protocol/limits.md")) where row.count >= 3 {
        guard let value = Int(row[1].replacing(",", with: "").replacing("_", with: "")) else { continue }
        onPage[row[0]] = value
    }
    for name in Set(onPage.keys).union(inCode.keys) {
        #expect(onPage[name] == inCode[name], "\(name): protocol/limits.md and Limits.swift differ")
    }
}

@Test func linksInPagesLeadSomewhere() throws {
    var seen = 0
    let pages = try ["README.md", "Sources/README.md", "systemd/README.md"].map { try Repository.file($0) }
    for page in pages + (try Repository.files(in: "protocol", extensions: ["md"])) {
        let folder = Repository.root.appendingPathComponent(page.path).deletingLastPathComponent()
        for match in page.text.matches(of: /\]\(([^)#:\s]+)(#[^)]*)?\)/) {
            seen += 1
            let target = folder.appendingPathComponent(String(match.output.1)).standardizedFileURL.path
            let leads = FileManager.default.fileExists(atPath: target)
            #expect(leads, "\(page.path) links to \(match.output.1)")
        }
    }
    #expect(seen > 15)
}

@Test func everyTestAndCommandOnThePageOfReliabilityExists() throws {
    let page = try Repository.file("protocol/reliability.md")
    let drivers = try Repository.files(in: "Tests/EndToEndTests/drivers", extensions: ["py"]).map(\.text).joined()
    let tests = try Repository.files(in: "Tests", extensions: ["swift"])
    let commands = try FileManager.default.contentsOfDirectory(atPath: Repository.root.appendingPathComponent(".ci").path)
    var named = 0
    for line in page.lines where line.hasPrefix("| ") {
        // Between back quotes is every other piece.
        for (index, piece) in line.split(separator: "`", omittingEmptySubsequences: false).enumerated() where index % 2 == 1 {
            let words = piece.split(separator: " ").map(String.init)
            let name = words.first ?? ""
            if name.hasPrefix(".ci/") {
                #expect(commands.contains(String(name.dropFirst(4))), "\(name)")
            } else if words.count == 1, name.contains("_"), !name.contains("."), name == name.lowercased(), name != "storage_full" {
                #expect(drivers.contains("\"\(name)\":"), "scenario \(name)")
            } else if name.hasSuffix("Tests") {
                #expect(
                    tests.contains { $0.path.contains("/\(name)/") || $0.path.hasSuffix("/\(name).swift") }, "tests \(name)")
            } else {
                continue
            }
            named += 1
        }
    }
    #expect(named > 40)
}

@Test func everyFileOfThePageIsEmbeddedAndEveryOneEmbeddedIsThere() throws {
    let folder = Repository.root.appendingPathComponent("Sources/Dashboard/page").path
    let files = try FileManager.default.contentsOfDirectory(atPath: folder)
    let list = try Repository.file("Sources/Dashboard/assets.c").text
    let embedded = list.matches(of: /#embed "page\/([^"]+)"/).map { String($0.output.1) }
    #expect(Set(embedded) == Set(files) && embedded.count == files.count)
    for name in files {
        #expect(name.wholeMatch(of: /[a-z0-9.-]+/) != nil, "\(name)")
        #expect(list.contains("{\"\(name)\","), "\(name) is embedded and has no line in the table")
    }
}
