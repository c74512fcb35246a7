// ExitStatus: what the exit status of purserd means. Service managers and operators act on it.

enum ExitStatus: Int32 {
    case clean = 0
    /// The command line or the configuration is wrong.
    case usage = 2
    /// The state directory cannot be used, or another daemon holds it.
    case state = 3
    /// The journal is damaged; nothing was changed.
    case damaged = 4
    /// The disk failed while running; nothing was acknowledged after that.
    case storage = 5
}

enum Version {
    static let text = "0.1.0"
}
