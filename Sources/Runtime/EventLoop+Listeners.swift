// Listening sockets: those the configuration names and those inherited from the service manager.

internal import CUV
internal import Glibc
internal import Server

extension EventLoop {
    func openListeners() -> String? {
        for descriptor in options.inherited {
            if let failed = adopt(descriptor) { return failed }
        }
        for address in options.listen {
            if let failed = open(address) { return failed }
        }
        return nil
    }

    func open(_ address: Address) -> String? {
        let stream: UnsafeMutablePointer<uv_stream_t>
        var status: Int32
        switch address {
        case .unix(let path):
            if let refused = removeStaleSocket(path) { return refused }
            let pipe = UnsafeMutablePointer<uv_pipe_t>.allocate(capacity: 1)
            uv_pipe_init(loop, pipe, 0)
            stream = UnsafeMutableRawPointer(pipe).assumingMemoryBound(to: uv_stream_t.self)
            // The mode is what the operator's umask and this line leave: owner and group may connect, nobody else.
            let mask = umask(0o117)
            status = uv_pipe_bind(pipe, path)
            umask(mask)
            if status == 0 { socketPaths.append(path) }
        case .tcp:
            let tcp = UnsafeMutablePointer<uv_tcp_t>.allocate(capacity: 1)
            uv_tcp_init(loop, tcp)
            stream = UnsafeMutableRawPointer(tcp).assumingMemoryBound(to: uv_stream_t.self)
            var storage = address.socketAddress!
            status = withUnsafePointer(to: &storage) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { uv_tcp_bind(tcp, $0, 0) }
            }
        }
        if status == 0 { status = listen(stream, address) }
        guard status == 0 else { return "cannot listen on \(address): \(String(cString: uv_strerror(status)))" }
        return nil
    }

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
    func adopt(_ descriptor: Int32) -> String? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let known = withUnsafeMutablePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        guard known == 0 else { return "inherited file descriptor \(descriptor) is no socket" }
        let stream: UnsafeMutablePointer<uv_stream_t>
        let status: Int32
        let address: Address
        if storage.ss_family == sa_family_t(AF_UNIX) {
            let pipe = UnsafeMutablePointer<uv_pipe_t>.allocate(capacity: 1)
            uv_pipe_init(loop, pipe, 0)
            status = uv_pipe_open(pipe, descriptor)
            stream = UnsafeMutableRawPointer(pipe).assumingMemoryBound(to: uv_stream_t.self)
            address = .unix("inherited-\(descriptor)")
        } else {
            let tcp = UnsafeMutablePointer<uv_tcp_t>.allocate(capacity: 1)
            uv_tcp_init(loop, tcp)
            status = uv_tcp_open(tcp, descriptor)
            stream = UnsafeMutableRawPointer(tcp).assumingMemoryBound(to: uv_stream_t.self)
            address = .tcp(host: "inherited-\(descriptor)", port: 0)
        }
        guard status == 0, listen(stream, address) == 0 else { return "cannot listen on inherited file descriptor \(descriptor)" }
        return nil
    }

    func listen(_ stream: UnsafeMutablePointer<uv_stream_t>, _ address: Address) -> Int32 {
        stream.pointee.data = context
        let status = uv_listen(stream, 1024) { stream, status in
            EventLoop.of(stream!.pointee.data).accept(stream!, status)
        }
        guard status == 0 else { return status }
        listeners.append(stream)
        listening.append(bound(stream, address))
        return 0
    }

    /// The address with the port the kernel chose, where port 0 was asked for.
    func bound(_ stream: UnsafeMutablePointer<uv_stream_t>, _ address: Address) -> Address {
        guard case .tcp(let host, _) = address, stream.pointee.type == UV_TCP else { return address }
        var storage = sockaddr_storage()
        var length = Int32(MemoryLayout<sockaddr_storage>.size)
        let tcp = UnsafeMutableRawPointer(stream).assumingMemoryBound(to: uv_tcp_t.self)
        let status = withUnsafeMutablePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { uv_tcp_getsockname(tcp, $0, &length) }
        }
        guard status == 0 else { return address }
        // The port is at the same place in both families' addresses.
        let port = withUnsafeBytes(of: &storage) { UInt16(bigEndian: $0.load(fromByteOffset: 2, as: UInt16.self)) }
        return .tcp(host: host, port: Int(port))
    }

    func accept(_ listener: UnsafeMutablePointer<uv_stream_t>, _ status: Int32) {
        guard status == 0 else { return }
        let isPipe = listener.pointee.type == UV_NAMED_PIPE
        let stream: UnsafeMutablePointer<uv_stream_t>
        if isPipe {
            let pipe = UnsafeMutablePointer<uv_pipe_t>.allocate(capacity: 1)
            uv_pipe_init(loop, pipe, 0)
            stream = UnsafeMutableRawPointer(pipe).assumingMemoryBound(to: uv_stream_t.self)
        } else {
            let tcp = UnsafeMutablePointer<uv_tcp_t>.allocate(capacity: 1)
            uv_tcp_init(loop, tcp)
            stream = UnsafeMutableRawPointer(tcp).assumingMemoryBound(to: uv_stream_t.self)
        }
        guard uv_accept(listener, stream) == 0, let id = server.pointee.connected(isPipe ? .local : .remote, at: instant) else {
            closeHandle(UnsafeMutableRawPointer(stream))
            return
        }
        if !isPipe { uv_tcp_nodelay(UnsafeMutableRawPointer(stream).assumingMemoryBound(to: uv_tcp_t.self), 1) }
        let peer = UnsafeMutablePointer<Peer>.allocate(capacity: 1)
        peer.initialize(to: Peer(handle: stream, id: id))
        stream.pointee.data = UnsafeMutableRawPointer(peer)
        while peers.count <= Int(id.index) { peers.append(nil) }
        peers[Int(id.index)] = peer
        startReading(peer)
    }
}
