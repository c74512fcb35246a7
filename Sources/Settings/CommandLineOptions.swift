// CommandLineOptions: the command line of purserd. It is read by hand because the library for it would bring Foundation in.

public struct UsageError: Error {
    public var text: String
}

public struct CommandLineOptions: Sendable {
    public var config: String?
    public var state: String?
    public var listen: [String] = []
    public var check = false
    public var version = false
    public var help = false

    public init() {}

    public static let usage =
        "purserd [--config FILE] [--state DIR] [--listen unix:PATH] [--listen tcp:HOST:PORT] [--check] [--version] [--help]"
    public static let help = """

        Counts usage events: prices each one, counts it exactly once, answers when it is on disk.

          --config FILE     configuration (TOML); without it /etc/purser/purser.toml if that exists
          --state DIR       where journal, books and keys are; default $STATE_DIRECTORY, else /var/lib/purser as root,
                            else $XDG_STATE_HOME/purser
          --listen ADDRESS  unix:PATH or tcp:HOST:PORT, any number of times; default unix: in $RUNTIME_DIRECTORY (else
                            /run/purser/purser.sock, else under $XDG_RUNTIME_DIR) and tcp:127.0.0.1:7787
          --check           read the configuration and the prices, say what is wrong, and exit
          --version         print the version
          --help            print this

        Configuration: state, listen, allow_remote, dedup_window ("35d"), journal_retention ("forever"), segment_size ("64MiB"),
        seal_after ("10m"), prices_dir, price_refresh ("24h"; off unless given),
        price_refresh_from ("genai-prices", "litellm", an https address or a file), cors_origins,
        unix_allow (["user:app=ingest", "group:ops"]).

        Exit status: 0 clean, 2 usage or configuration, 3 state directory unusable or locked, 4 journal damaged,
        5 I/O failure while running.
        """

    public static func parse(_ arguments: [String]) -> Result<CommandLineOptions, UsageError> {
        var options = CommandLineOptions()
        var index = 0
        while index < arguments.count {
            var name = arguments[index]
            var attached: String?
            if name.hasPrefix("--"), let equals = name.firstIndex(of: "=") {
                attached = String(name[name.index(after: equals)...])
                name = String(name[..<equals])
            }
            switch name {
            case "--check", "--version", "--help", "-h":
                guard attached == nil else { return .failure(UsageError(text: "\(name) takes no value")) }
                if name == "--check" { options.check = true }
                if name == "--version" { options.version = true }
                if name == "--help" || name == "-h" { options.help = true }
            case "--config", "--state", "--listen":
                var value = attached
                if value == nil {
                    index += 1
                    if index < arguments.count { value = arguments[index] }
                }
                guard let value, !value.isEmpty else { return .failure(UsageError(text: "\(name) needs a value")) }
                switch name {
                case "--config":
                    guard options.config == nil else { return .failure(UsageError(text: "--config is given twice")) }
                    options.config = value
                case "--state":
                    guard options.state == nil else { return .failure(UsageError(text: "--state is given twice")) }
                    options.state = value
                default: options.listen.append(value)
                }
            default: return .failure(UsageError(text: "unknown argument \(name)"))
            }
            index += 1
        }
        return .success(options)
    }
}
