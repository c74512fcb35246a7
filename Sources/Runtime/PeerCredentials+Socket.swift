// Who is at the other end of a Unix socket, as the kernel noted when it connected: SO_PEERCRED and SO_PEERGROUPS.

internal import Glibc
internal import Server

extension PeerCredentials {
    /// `struct ucred`, which Glibc keeps to itself unless asked: process, user, group.
    private struct Credentials {
        var process: Int32 = 0
        var user: UInt32 = 0
        var group: UInt32 = 0
    }

    private static let peerGroups: Int32 = 59

    /// nil when the kernel does not say, which no rule can then be about.
    init?(of descriptor: Int32) {
        var credentials = Credentials()
        var length = socklen_t(MemoryLayout<Credentials>.size)
        guard getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0 else { return nil }
        // As many groups as a process may have; a kernel without this call leaves the first.
        var groups = [UInt32](repeating: 0, count: 64)
        length = socklen_t(groups.count * MemoryLayout<UInt32>.size)
        var status = getsockopt(descriptor, SOL_SOCKET, PeerCredentials.peerGroups, &groups, &length)
        if status != 0, errno == ERANGE, length <= 65_536 * 4 {
            groups = [UInt32](repeating: 0, count: Int(length) / MemoryLayout<UInt32>.size)
            status = getsockopt(descriptor, SOL_SOCKET, PeerCredentials.peerGroups, &groups, &length)
        }
        let count = status == 0 ? min(groups.count, Int(length) / MemoryLayout<UInt32>.size) : 0
        self.init(user: credentials.user, groups: [credentials.group] + groups[..<count])
    }
}
