// The files of the service: units, package, manual pages, alerts, dashboard. What they say of the daemon is compared with what it is.

import Core
import Foundation
import Testing

/// `Name=value` lines of a unit.
private func directives(_ path: String) throws -> [(name: String, value: String)] {
    try Repository.file(path).lines.compactMap { line in
        guard let equals = line.firstIndex(of: "="), line.first?.isUppercase == true else { return nil }
        return (String(line[..<equals]), String(line[line.index(after: equals)...]))
    }
}

/// Runs a program of the system; nil when it is not installed.
private func run(_ program: String, _ arguments: [String]) throws -> (status: Int32, output: String)? {
    let places = ["/usr/bin/", "/bin/", "/usr/sbin/"].map { $0 + program }
    guard let path = places.first(where: { FileManager.default.isExecutableFile(atPath: $0) }) else { return nil }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = arguments
    process.standardInput = FileHandle.nullDevice
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (process.terminationStatus, output)
}

@Test func theVersionIsOneNumber() throws {
    let top = try Repository.file("systemd/debian/changelog").lines[0]
    let version = try #require(top.firstMatch(of: #/^purser \(([0-9.]+)\)/#)).output.1
    #expect(Version.text == version)
    #expect(try Repository.file("protocol/openapi.yaml").lines.contains("  version: \(version)"))
}

@Test func everyDirectiveHasItsReason() throws {
    let page = try Repository.file("systemd/README.md").text
    var seen = 0
    for unit in ["systemd/purserd.service", "systemd/purserd.socket"] {
        for directive in try directives(unit) where !["Description", "Documentation"].contains(directive.name) {
            seen += 1
            let isExplained = page.contains("`\(directive.name)=") || page.contains("`\(directive.name)`")
            #expect(isExplained, "\(unit): \(directive.name)= has no reason in systemd/README.md")
        }
    }
    #expect(seen > 50)
}

@Test func theUnitsHoldWhatTheDaemonNeeds() throws {
    let service = try directives("systemd/purserd.service")
    func value(_ name: String) -> String? { service.first { $0.name == name }?.value }
    let files = try #require(value("LimitNOFILE").flatMap { Int($0) })
    #expect(files >= Limits.connections + Limits.reservedDescriptors)
    // Half of it must be longer than a disk may stall without anything being wrong.
    let watchdog = try #require(value("WatchdogSec").flatMap { Int($0.dropLast()) })
    #expect(watchdog > 2 * Limits.stallSeconds)
    #expect(value("Type") == "notify")
    let backlog = try #require(directives("systemd/purserd.socket").first { $0.name == "Backlog" })
    #expect(try Repository.file("Sources/Runtime/EventLoop+Listeners.swift").text.contains("backlog: Int32 = \(backlog.value)"))
}

@Test func systemdFindsNothingWrongWithTheUnits() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("purser-units-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    var paths: [String] = []
    for name in ["purserd.socket", "purserd.service"] {
        // The program is not installed where the tests run.
        let text = try Repository.file("systemd/\(name)").text.replacing("/usr/sbin/purserd", with: "/bin/true")
        let path = folder.appendingPathComponent(name)
        try text.write(to: path, atomically: true, encoding: .utf8)
        paths.append(path.path)
    }
    guard let verified = try run("systemd-analyze", ["verify", "--man=no", "--recursive-errors=no"] + paths) else { return }
    // It may also have something to say of this machine's own units.
    let said = verified.output.split(separator: "\n").filter { $0.contains("purserd") }
    #expect(verified.status == 0 && said.isEmpty, "\(verified.output)")
    let exposure = try run("systemd-analyze", ["security", "--offline=true", "--threshold=10", "--no-pager", paths[1]])
    #expect(exposure?.status == 0, "more exposed than 1.0: \(exposure?.output.split(separator: "\n").last ?? "")")
}

@Test func everySettingIsDescribed() throws {
    let code = try Repository.file("Sources/Settings/Configuration.swift").text
    let keys = Set(code.matches(of: #/\("([a-z_]+)", [12]\)/#).map { String($0.output.1) })
    #expect(keys.count >= 12)
    let (page, example) = (try Repository.file("systemd/man/purser.toml.5").text, try Repository.file("systemd/purser.toml").text)
    for key in keys {
        #expect(page.contains("\n.BR \(key) "), "\(key) is not in purser.toml(5)")
        // The units decide about these.
        guard !["state", "listen", "allow_remote"].contains(key) else { continue }
        #expect(example.contains("\n#\(key) = "), "\(key) is not in purser.toml")
    }
    let inExample = example.matches(of: #/\n#([a-z_]+) =/#).map { String($0.output.1) }
    let shown = inExample + page.matches(of: #/\n\.BR ([a-z_]+) " =/#).map { String($0.output.1) }
    #expect(shown.count >= 20)
    for name in shown { #expect(keys.contains(name), "\(name) is no setting") }
}

@Test func everyOptionAndExitStatusIsDescribed() throws {
    let code = try Repository.file("Sources/Settings/CommandLineOptions.swift").text
    let page = try Repository.file("systemd/man/purserd.8").text.replacing("\\-", with: "-")
    let completions = try ["purserd.bash", "_purserd", "purserd.fish"].map { try Repository.file("systemd/completions/\($0)").text }
    for match in code.matches(of: #/\n          --([a-z]+)/#) {
        let name = match.output.1
        #expect(page.contains("--\(name)"), "--\(name) is not in purserd(8)")
        for completion in completions { #expect(completion.contains("--\(name)") || completion.contains("-l \(name)"), "--\(name)") }
    }
    let statuses = try Repository.file("Sources/purserd/ExitStatus.swift").text.matches(of: #/case \w+ = (\d)/#).map { $0.output.1 }
    #expect(statuses.count == 5)
    let operations = try Repository.file("systemd/README.md").text
    for status in statuses {
        #expect(page.contains("\n.B \(status)\n"), "exit status \(status) is not in purserd(8)")
        #expect(operations.contains("\n| \(status) |"), "exit status \(status) is not in systemd/README.md")
    }
}

@Test func everyReasonToBeUnreadyHasAnAnswer() throws {
    let reasons = try Repository.file("Sources/Server/Readiness.swift").text.matches(of: #/return "([a-z_]+)"/#).map { $0.output.1 }
    #expect(reasons.count >= 6)
    let (operations, page) = (try Repository.file("systemd/README.md").text, try Repository.file("protocol/http.md").text)
    for reason in reasons {
        #expect(operations.contains("| `\(reason)` |"), "\(reason) is not in systemd/README.md")
        #expect(page.contains("| `\(reason)` |"), "\(reason) is not in protocol/http.md")
    }
}

/// Names of metrics in a text, without the endings of histograms.
private func metrics(_ text: String) -> Set<String> {
    let names = text.matches(of: #/\b(purser|process)_[a-z0-9_]+/#).map { String($0.output.0) }
    return Set(names.map { $0.replacing(#/_(bucket|sum|count)$/#, with: "") })
}

@Test func alertsAndDashboardUseMetricsThatExist() throws {
    let page = metrics(try Repository.file("Sources/Server/MetricsPage.swift").text)
    #expect(page.count > 50)
    for path in ["systemd/prometheus-alerts.yml", "systemd/grafana-dashboard.json"] {
        let used = metrics(try Repository.file(path).text)
        #expect(used.count > 15)
        #expect(used.subtracting(page).isEmpty, "\(path) uses \(used.subtracting(page).sorted()), which is not on the page")
    }
    let dashboard = try Data(contentsOf: Repository.root.appendingPathComponent("systemd/grafana-dashboard.json"))
    let panels = try (JSONSerialization.jsonObject(with: dashboard) as? [String: Any])?["panels"] as? [Any]
    #expect((panels?.count ?? 0) > 15)
}

@Test func promtoolAcceptsTheAlerts() throws {
    let rules = Repository.root.appendingPathComponent("systemd/prometheus-alerts.yml").path
    guard let checked = try run("promtool", ["check", "rules", rules]) else { return }
    #expect(checked.status == 0, "\(checked.output)")
}
