// Build: what this binary is.

import Core

enum Build {
    static let version = "purser " + Version.text
    /// How the tool calls itself to a web server.
    static let agent = "purser/" + Version.text
}
