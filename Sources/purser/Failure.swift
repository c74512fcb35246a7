// Failure: why a command ends early, as one sentence for a person and one exit status for a script.

enum ExitStatus {
    static let success: Int32 = 0
    static let refused: Int32 = 1
    static let usage: Int32 = 2
    static let unreachable: Int32 = 3
}

/// What ends a command. An empty message means that everything was said already.
struct Failure: Error, Equatable {
    var status: Int32
    var message: String

    /// The server answered, and the answer is no.
    static func refused(_ message: String) -> Failure { Failure(status: ExitStatus.refused, message: message) }
    /// What was typed cannot be used.
    static func usage(_ message: String) -> Failure { Failure(status: ExitStatus.usage, message: message) }
    /// Nobody answered.
    static func unreachable(_ message: String) -> Failure { Failure(status: ExitStatus.unreachable, message: message) }
}
