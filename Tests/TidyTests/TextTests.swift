// What every file written by hand keeps to: its length, its lines, and words that do not stay.

import Foundation
import Testing

private let longestLine = 140

/// Lines a file may have. A script is read less often and from top to bottom.
private func longestFile(_ path: String) -> Int { path.hasSuffix(".py") ? 700 : 600 }

/// A text that may not appear, and what to write instead. Spelled in pieces, so that this file does not hold it.
private struct Banned {
    var text: String
    var instead: String
    /// Whether it counts only where no letter, digit or dot touches it.
    var isWord = true
    var folders: Set<String> = ["Sources", "Tests", "protocol", "systemd", "README.md", "Package.swift", ".ci"]
}

private let banned = [
    Banned(text: "TO" + "DO", instead: "do it, or leave it out"),
    Banned(text: "FIX" + "ME", instead: "fix it"),
    Banned(text: "XX" + "X", instead: "say what is meant"),
    Banned(text: "HA" + "CK", instead: "say why it is so"),
    Banned(text: "eing " + "built", instead: "build it", isWord: false),
    Banned(
        text: "fatal" + "Error(\"", instead: "precondition for our own mistakes, typed throws for the world's", isWord: false,
        folders: ["Sources"]),
    Banned(text: "try" + "!", instead: "do and catch", isWord: false, folders: ["Sources"]),
    Banned(text: " as" + "! ", instead: "a checked cast", isWord: false, folders: ["Sources"]),
    Banned(text: "/wo" + "rk/", instead: "a path relative to the repository"),
    Banned(text: "/tmp/" + "w/", instead: "a path relative to the repository"),
    Banned(text: "/ro" + "ot/", instead: "a path relative to the repository"),
    Banned(text: "/ho" + "me/", instead: "a path relative to the repository"),
    Banned(text: "-O" + "unchecked", instead: "-O: checks stay on"),
]

/// Whether `line` holds what the rule bans.
private func breaks(_ line: Substring, _ rule: Banned) -> Bool {
    var rest = line
    while let found = rest.range(of: rule.text) {
        func touches(_ character: Character?) -> Bool { character.map { $0.isLetter || $0.isNumber || $0 == "." || $0 == "_" } ?? false }
        let before = found.lowerBound == line.startIndex ? nil : line[line.index(before: found.lowerBound)]
        let after = found.upperBound == line.endIndex || rule.text.hasSuffix("/") ? nil : line[found.upperBound]
        if !rule.isWord || !touches(before) && !touches(after) { return true }
        rest = line[found.upperBound...]
    }
    return false
}

@Test func theWordsAreFoundWhereTheyStand() {
    func isBroken(_ line: Substring) -> Bool { banned.contains { breaks(line, $0) } }
    let bad: [Substring] = ["// TO" + "DO: later", "x(FIX" + "ME)", "B" + "eing " + "built.", "in /tmp/" + "w/x", "\"/ro" + "ot/.bashrc\""]
    for line in bad {
        #expect(isBroken(line), "\(line)")
    }
    for line in ["TO" + "DOS", "src/work/x", "mktemp -d /tmp/wide", "trying!", "a/ro" + "ots/b"] as [Substring] {
        #expect(!isBroken(line), "\(line)")
    }
}

@Test func noFileHoldsAWordThatDoesNotStay() throws {
    for file in try Repository.everything() {
        let folder = String(file.path.split(separator: "/")[0])
        for rule in banned where rule.folders.contains(folder) && file.text.contains(rule.text) {
            for (number, line) in file.lines.enumerated() where breaks(line, rule) {
                Issue.record("\(file.path):\(number + 1): \(rule.text): \(rule.instead)")
            }
        }
    }
}

@Test func linesAndFilesStayShort() throws {
    var seen = 0
    for file in try Repository.files(in: "Sources", extensions: Repository.code)
        + Repository.files(in: "Tests", extensions: Repository.code)
    {
        seen += 1
        let lines = file.lines
        #expect(lines.count <= longestFile(file.path), "\(file.path) has \(lines.count) lines")
        for (number, line) in lines.enumerated() where line.count > longestLine {
            Issue.record("\(file.path):\(number + 1) has \(line.count) columns")
        }
    }
    #expect(seen > 40)
}

@Test func linesEndCleanly() throws {
    for file in try Repository.everything() {
        let (ends, returns) = (file.text.utf8.last == 0x0A, file.text.utf8.contains(0x0D))
        #expect(ends, "\(file.path) does not end its last line")
        #expect(!returns, "\(file.path) has a carriage return")
        for (number, line) in file.lines.enumerated() where line.last == " " || line.contains("\t") {
            Issue.record("\(file.path):\(number + 1) has a tab or ends in a space")
        }
    }
}

@Test func everySwiftFileSaysWhatItIsFor() throws {
    for file in try Repository.files(in: "Sources", extensions: ["swift"]) {
        let opens = file.text.hasPrefix("//")
        #expect(opens, "\(file.path) does not open with a comment")
    }
}

@Test func fileNamesAreNouns() throws {
    for file in try Repository.files(in: "Sources", extensions: ["swift"]) {
        let name = file.path.split(separator: "/").last ?? ""
        for word in ["Utils", "Utilities", "Helper", "Manager", "Misc"] {
            #expect(!name.contains(word), "\(file.path) is called after nothing")
        }
    }
}

@Test func moneyNeverMeetsFloatingPoint() throws {
    let floating = /\b(Double|Float|Float16|Float80|CDouble|CFloat)\b/
    for file in try Repository.files(in: "Sources", extensions: ["swift"])
    where ["Core", "Frames", "Wire", "Pricing", "Journal", "Ledger", "Projection"].contains(file.target) {
        for (number, line) in file.lines.enumerated() {
            let code = line.split(separator: "//", maxSplits: 1, omittingEmptySubsequences: false)[0]
            if (code.contains("Double") || code.contains("Float")), code.contains(floating) {
                Issue.record("\(file.path):\(number + 1) uses floating point")
            }
        }
    }
}
