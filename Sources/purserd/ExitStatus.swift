// ExitStatus: what the exit status of purserd means. Service managers and operators act on it.

import Runtime

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

    /// What is known and what to do, for the last line of the log.
    private var meaning: String {
        switch self {
        case .clean: "stopped"
        case .usage: "the command line or the configuration is wrong; starting again changes nothing until that is put right"
        case .state: "the state directory or the system does not give what is needed; a later start may work"
        case .damaged: "the journal is damaged and was not touched; a person has to look"
        case .storage: "the disk failed; nothing was acknowledged after that, and the next start finds all that was"
        }
    }

    /// The last line before the process ends with anything but 0, and the same for the service manager.
    func tell(_ notifier: ServiceNotifier) {
        guard self != .clean else { return }
        let text = "exit status \(rawValue): \(meaning)"
        Log.error("exit", "purserd: " + text, [("EXIT_STATUS", "\(rawValue)")])
        notifier.status(text)
    }
}
