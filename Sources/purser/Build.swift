// Build: what this binary is.

enum Build {
    static let version = "purser 0.1.0"
}
