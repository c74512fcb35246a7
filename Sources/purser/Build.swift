// Build: what this binary is.

enum Build {
    static let version = "purser 0.1.0"
    /// How the tool calls itself to a web server.
    static let agent = "purser/0.1.0"
}
