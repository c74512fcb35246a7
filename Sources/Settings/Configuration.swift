// Configuration: the TOML file and the environment become one value; the command line goes above both. Unknown keys are
// refused with their line, so that a misspelt one cannot be silently ignored.

internal import Core
internal import Glibc
public import Runtime
public import Server
internal import Toml

public struct ConfigurationError: Error {
    public var text: String
    public init(text: String) { self.text = text }
}

public struct Configuration: Sendable {
    public var state: String
    public var listen: [Address] = []
    public var allowRemote = false
    public var dedupWindow = Int64(Limits.dedupWindowDays) * 86_400 * 1_000_000_000
    /// Nanoseconds that events are kept one by one; nil for good.
    public var journalRetention: Int64?
    /// Keys kept in memory before they are written to disk.
    public var dedupHotKeys = Limits.dedupHotKeys
    /// Size of the journal segments begun from here on.
    public var segmentBytes = Limits.segmentBytes
    /// How long after it was left a segment is sealed, in nanoseconds; nil: never.
    public var sealAfter: Int64? = 600 * 1_000_000_000
    public var corsOrigins: [String] = []
    /// Where browsers find the dashboard through a proxy.
    public var dashboardOrigins: [String] = []
    /// Who may use the Unix sockets, as the file says it; nil when it does not.
    public var unixAllow: [AllowedPeer]?
    /// The same in numbers.
    public var socketRules: SocketRules?
    public var pricesDirectory = "/etc/purser/prices.d"
    /// Whether the directory was named by the operator, and so must exist.
    public var pricesDirectoryIsNamed = false

    /// Nanoseconds between two looks at the price list of others; nil for never.
    public var priceRefresh: Int64?
    public var priceRefreshSource = "genai-prices"

    public static let defaultFile = "/etc/purser/purser.toml"

    /// What holds: defaults, then the file, then the command line.
    public static func load(_ options: CommandLineOptions) throws(ConfigurationError) -> Configuration {
        var configuration = Configuration(state: defaultState())
        var listen: [String] = []
        if let file = options.config {
            try configuration.read(file, &listen)
        } else if access(defaultFile, F_OK) == 0 {
            try configuration.read(defaultFile, &listen)
        }
        if let allowed = configuration.unixAllow {
            var rules = SocketRules([])
            for peer in allowed { rules.rules.append(try peer.rule()) }
            configuration.socketRules = rules
        }
        try configuration.checkRetention()
        if let state = options.state { configuration.state = state }
        if !options.listen.isEmpty { listen = options.listen }
        if listen.isEmpty { listen = defaultListen() }
        for text in listen {
            guard let address = Address(text) else {
                throw ConfigurationError(text: "\(text) is no address: unix:PATH or tcp:HOST:PORT (HOST numeric)")
            }
            guard address.isLoopback || configuration.allowRemote else {
                throw ConfigurationError(
                    text:
                        "\(text) can be reached from other hosts, unencrypted: put a proxy in front, or set allow_remote = true"
                )
            }
            configuration.listen.append(address)
        }
        return configuration
    }

    private static func environment(_ name: String) -> String? {
        guard let value = getenv(name) else { return nil }
        let text = String(cString: value)
        return text.isEmpty ? nil : text
    }

    /// The first of a colon-separated list, as the service manager gives its directories.
    private static func firstDirectory(_ name: String) -> String? {
        environment(name).map { String($0.split(separator: ":")[0]) }
    }

    static func defaultState() -> String {
        if let directory = firstDirectory("STATE_DIRECTORY") { return directory }
        if geteuid() == 0 { return "/var/lib/purser" }
        if let home = environment("XDG_STATE_HOME") { return home + "/purser" }
        return (environment("HOME") ?? "") + "/.local/state/purser"
    }

    static func defaultListen() -> [String] {
        let tcp = "tcp:127.0.0.1:7787"
        if let directory = firstDirectory("RUNTIME_DIRECTORY") { return ["unix:\(directory)/purser.sock", tcp] }
        if mkdir("/run/purser", 0o750) == 0 || (errno == EEXIST && access("/run/purser", W_OK) == 0) {
            return ["unix:/run/purser/purser.sock", tcp]
        }
        if let directory = environment("XDG_RUNTIME_DIR") {
            mkdir(directory + "/purser", 0o700)
            return ["unix:\(directory)/purser/purser.sock", tcp]
        }
        return [tcp]
    }

    /// A retry is verified against its record, so that must be there for as long as the key is remembered, with the window's slack.
    func checkRetention() throws(ConfigurationError) {
        guard let journalRetention else { return }
        let hour: Int64 = 3_600 * 1_000_000_000
        let least = max(dedupWindow + dedupWindow / 32, Int64(Limits.retentionHours) * hour)
        guard journalRetention < least else { return }
        let hours = (least + hour - 1) / hour
        throw ConfigurationError(
            text: "journal_retention is too short: keys are remembered for dedup_window and a 32nd of it, and replies for a day; "
                + "it must be \(hours)h or more")
    }

    // MARK: The file

    private mutating func read(_ file: String, _ listen: inout [String]) throws(ConfigurationError) {
        guard let bytes = readFile(file) else {
            throw ConfigurationError(text: "\(file): \(String(cString: strerror(errno)))")
        }
        try read(bytes, name: file, &listen)
    }

    /// What the text of a file says goes above what is there; its addresses are added to `listen`. `file` is for the errors.
    public mutating func read(_ bytes: [UInt8], name file: String, _ listen: inout [String]) throws(ConfigurationError) {
        let items: [TomlItem]
        do throws(TomlError) {
            items = try TomlDocument.parse(bytes, name: file)
        } catch {
            throw ConfigurationError(text: "\(file):\(error.line): \(error.message)")
        }
        for item in items {
            func refuse(_ text: String) -> ConfigurationError { ConfigurationError(text: "\(file):\(item.line): \(text)") }
            let name = item.path.first ?? ""
            switch (name, item.path.count) {
            case ("state", 1):
                guard item.kind == .string, item.text.hasPrefix("/") else { throw refuse("state must be an absolute path") }
                state = item.text
            case ("allow_remote", 1):
                guard item.kind == .boolean else { throw refuse("allow_remote must be true or false") }
                allowRemote = item.text == "true"
            case ("dedup_window", 1):
                guard item.kind == .string, let window = Configuration.duration(item.text) else {
                    throw refuse("dedup_window must be a time like \"35d\", \"12h\" or \"30m\", from 1m to 400d")
                }
                dedupWindow = window
            case ("journal_retention", 1):
                guard item.kind == .string, item.text == "forever" || Configuration.duration(item.text, mostDays: 36_500) != nil else {
                    throw refuse("journal_retention must be a time like \"400d\", at most 36500d, or \"forever\"")
                }
                journalRetention = Configuration.duration(item.text, mostDays: 36_500)
            case ("dedup_memory_keys", 1):
                guard item.kind == .integer, let keys = Int(item.text), keys >= 100, keys <= Limits.dedupMemoryKeys / 2 else {
                    throw refuse("dedup_memory_keys must be a number from 100 to \(Limits.dedupMemoryKeys / 2)")
                }
                dedupHotKeys = keys
            case ("segment_size", 1):
                guard item.kind == .string, let bytes = Configuration.segmentSize(item.text) else {
                    let (least, most) = (Limits.smallestSegmentBytes >> 20, Limits.largestSegmentBytes >> 20)
                    throw refuse("segment_size must be a size like \"64MiB\", from \(least)MiB to \(most)MiB")
                }
                segmentBytes = bytes
            case ("seal_after", 1):
                let after = item.text == "at once" ? 0 : Configuration.duration(item.text)
                guard item.kind == .string, item.text == "never" || after != nil else {
                    throw refuse("seal_after must be a time like \"10m\", at most 400d, or \"at once\" or \"never\"")
                }
                sealAfter = after
            case ("prices_dir", 1):
                guard item.kind == .string, item.text.hasPrefix("/") else { throw refuse("prices_dir must be an absolute path") }
                pricesDirectory = item.text
                pricesDirectoryIsNamed = true
            case ("price_refresh", 1):
                guard item.kind == .string, let interval = Configuration.duration(item.text), interval >= 3_600 * 1_000_000_000 else {
                    throw refuse("price_refresh must be a time like \"24h\" or \"7d\", from 1h to 400d")
                }
                priceRefresh = interval
            case ("price_refresh_from", 1):
                guard item.kind == .string, !item.text.isEmpty else {
                    throw refuse("price_refresh_from must be genai-prices, litellm, an https address or an absolute path")
                }
                priceRefreshSource = item.text
            case ("listen", 2):
                guard item.kind == .string, Address(item.text) != nil else {
                    throw refuse("listen must be a list of addresses: unix:PATH or tcp:HOST:PORT (HOST numeric)")
                }
                listen.append(item.text)
            case ("unix_allow", 2):
                guard item.kind == .string, let peer = AllowedPeer(item.text, at: "\(file):\(item.line)") else {
                    throw refuse("unix_allow must be a list like [\"user:app=ingest\", \"uid:0\", \"group:ops=read,admin\", \"gid:50\"]")
                }
                guard (unixAllow ?? []).count < Limits.socketRules else {
                    throw refuse("unix_allow must not have more than \(Limits.socketRules) entries")
                }
                unixAllow = (unixAllow ?? []) + [peer]
            case ("cors_origins", 2):
                guard item.kind == .string else { throw refuse("cors_origins must be a list of origins") }
                corsOrigins.append(item.text)
            case ("dashboard_origins", 2):
                guard item.kind == .string, Configuration.isOrigin(item.text), dashboardOrigins.count < Limits.dashboardOrigins else {
                    throw refuse(
                        "dashboard_origins must be a list like [\"https://purser.example.com\"], of at most \(Limits.dashboardOrigins)")
                }
                dashboardOrigins.append(item.text)
            case ("listen", 1), ("cors_origins", 1), ("dashboard_origins", 1), ("unix_allow", 1):
                guard item.kind == .emptyArray else { throw refuse("\(name) must be a list") }
                // Nobody, which is not the same as no list.
                if name == "unix_allow" { unixAllow = unixAllow ?? [] }
            default: throw refuse("unknown key \(item.path.joined(separator: "."))")
            }
        }
    }

    public init(state: String) { self.state = state }

    /// Scheme, host and port, as browsers write an origin; nothing behind it.
    static func isOrigin(_ text: String) -> Bool {
        guard let scheme = ["https://", "http://"].first(where: { text.hasPrefix($0) }) else { return false }
        let host = text.utf8.dropFirst(scheme.utf8.count)
        return !host.isEmpty
            && host.allSatisfy { $0 &- 0x61 < 26 || $0 &- 0x30 < 10 || [0x2D, 0x2E, 0x3A, 0x5B, 0x5D].contains($0) }
    }

    /// `64MiB` in bytes.
    static func segmentSize(_ text: String) -> Int? {
        let (least, most) = (Limits.smallestSegmentBytes >> 20, Limits.largestSegmentBytes >> 20)
        guard text.hasSuffix("MiB"), let count = Int(text.dropLast(3)), count >= least, count <= most else { return nil }
        return count << 20
    }

    /// `35d`, `12h`, `30m` in nanoseconds.
    static func duration(_ text: String, mostDays: Int64 = 400) -> Int64? {
        guard let unit = text.last, let count = Int64(text.dropLast()), count > 0, count <= 1_000_000 else { return nil }
        let seconds: Int64
        switch unit {
        case "d": seconds = 86_400
        case "h": seconds = 3_600
        case "m": seconds = 60
        default: return nil
        }
        let total = count * seconds
        guard total <= mostDays * 86_400 else { return nil }
        return total * 1_000_000_000
    }
}

/// The bytes of a file of at most 16 MiB; nil (and errno) when it cannot be read.
public func readFile(_ path: String) -> [UInt8]? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
        let count = read(descriptor, &chunk, chunk.count)
        if count < 0 {
            if errno == EINTR { continue }
            return nil
        }
        if count == 0 { return bytes }
        bytes.append(contentsOf: chunk[..<count])
        if bytes.count > 16 * 1024 * 1024 {
            errno = EFBIG
            return nil
        }
    }
}
