// Listening sockets: those the configuration names and those inherited from the service manager.

internal import CUV
internal import Glibc

extension EventLoop {
    func openListeners() -> String? {
        for socket in options.inherited {
            if let failed = adopt(socket) { return failed }
        }
        for address in options.listen {
            if let failed = open(address) { return failed }
        }
        return nil
    }

    func open(_ address: Address) -> String? {
        func failed() -> String { "cannot listen on \(address): \(String(cString: strerror(errno)))" }
        let descriptor: Int32
        var status: Int32
        switch address {
        case .unix(let path):
            if let refused = removeStaleSocket(path) { return refused }
            descriptor = socket(AF_UNIX, EventLoop.streamSocket, 0)
            guard descriptor >= 0 else { return failed() }
            var name = sockaddr_un()
            name.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: path.utf8) }
            // The mode is what the operator's umask and this line leave: owner and group may connect, nobody else.
            let mask = umask(0o117)
            status = withUnsafePointer(to: &name) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
            }
            umask(mask)
            if status == 0 { socketPaths.append(path) }
        case .tcp:
            var storage = address.socketAddress!
            descriptor = socket(Int32(storage.ss_family), EventLoop.streamSocket, 0)
            guard descriptor >= 0 else { return failed() }
            var yes: Int32 = 1
            setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
            status = withUnsafePointer(to: &storage) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_storage>.size))
                }
            }
        }
        if status == 0 { status = Glibc.listen(descriptor, EventLoop.backlog) }
        guard status == 0 else {
            let text = failed()
            _ = Glibc.close(descriptor)
            return text
        }
        let isLocal: Bool
        if case .unix = address { isLocal = true } else { isLocal = false }
        return watch(descriptor, bound(descriptor, address), isLocal: isLocal)
    }

    private static let streamSocket = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
    /// Peers that the kernel has let in and nobody has accepted; it takes no more than its own `somaxconn`.
    private static let backlog: Int32 = 4096

    /// A socket file nobody answers on is left over from a killed daemon.
    func removeStaleSocket(_ path: String) -> String? {
        var info = stat()
        guard lstat(path, &info) == 0 else { return nil }
        guard info.st_mode & S_IFMT == S_IFSOCK else { return "cannot listen on unix:\(path): a file that is no socket is in the way" }
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return "cannot listen on unix:\(path): \(String(cString: strerror(errno)))" }
        defer { _ = Glibc.close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
        }
        if connected == 0 { return "cannot listen on unix:\(path): another process answers there" }
        unlink(path)
        return nil
    }

    /// Takes over a listening socket from the service manager.
    func adopt(_ socket: InheritedSocket) -> String? {
        let descriptor = socket.descriptor
        let name = socket.name.isEmpty ? "" : " (\(socket.name))"
        guard let address = socket.address else {
            return "inherited file descriptor \(descriptor)\(name) is no stream socket that listens"
        }
        let flags = fcntl(descriptor, F_GETFL)
        guard flags >= 0, fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) == 0, Glibc.listen(descriptor, EventLoop.backlog) == 0 else {
            return "cannot listen on inherited file descriptor \(descriptor)\(name), \(address)"
        }
        let isLocal: Bool
        if case .unix = address { isLocal = true } else { isLocal = false }
        return watch(descriptor, address, isLocal: isLocal)
    }

    private func watch(_ descriptor: Int32, _ address: Address, isLocal: Bool) -> String? {
        guard let listener = Listener(loop, descriptor, isLocal: isLocal) else {
            _ = Glibc.close(descriptor)
            return "cannot listen on \(address)"
        }
        listeners.append(listener)
        listening.append(address)
        listener.start()
        return nil
    }

    /// The address with the port the kernel chose, where port 0 was asked for.
    private func bound(_ descriptor: Int32, _ address: Address) -> Address {
        guard case .tcp(let host, _) = address else { return address }
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let status = withUnsafeMutablePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        guard status == 0 else { return address }
        // The port is at the same place in both families' addresses.
        let port = withUnsafeBytes(of: &storage) { UInt16(bigEndian: $0.load(fromByteOffset: 2, as: UInt16.self)) }
        return .tcp(host: host, port: Int(port))
    }
}
