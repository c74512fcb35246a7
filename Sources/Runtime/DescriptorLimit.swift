// DescriptorLimit: how many connections the limit of open files leaves room for. The soft limit is raised to the hard one; what
// files, the loop and the listeners need is kept free, so that connections never keep the journal from rolling to its next
// segment.

internal import Core
internal import Glibc

public struct DescriptorLimit: Sendable {
    /// Descriptors the process may have open.
    public var descriptors: Int
    /// Connections there may be at a time.
    public var connections: Int

    /// Raises the limit as far as it goes. nil when it leaves no room for connections at all.
    public static func raise() -> DescriptorLimit? {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return nil }
        let wanted = rlim_t(Limits.connections + Limits.reservedDescriptors)
        if limit.rlim_cur < wanted {
            var raised = limit
            raised.rlim_cur = min(limit.rlim_max, wanted)
            if setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &raised) == 0 { limit = raised }
        }
        let descriptors = Int(min(limit.rlim_cur, rlim_t(Int32.max)))
        let connections = min(Limits.connections, descriptors - Limits.reservedDescriptors)
        return connections > 0 ? DescriptorLimit(descriptors: descriptors, connections: connections) : nil
    }
}
