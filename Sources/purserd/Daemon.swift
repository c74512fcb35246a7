// Daemon: the start and the end. Configuration, lock, recovery, replay, key, listeners, in this order; each failure has its exit
// status and one line that says what to look at.

import CLinux
import Core
import FileStorage
import Glibc
import Journal
import Ledger
import Pricing
import Runtime
import Sealing
import Server
import Settings

enum Daemon {
    static func run(_ options: CommandLineOptions, _ notifier: ServiceNotifier) -> ExitStatus {
        let configuration: Configuration
        let files: [PriceTexts.Text]
        let prices: PriceReader
        do throws(ConfigurationError) {
            configuration = try Configuration.load(options)
            files = try Prices.files(configuration)
            prices = PriceReader(files)
            // What the operator wrote is looked at before anything is touched.
            if !files.isEmpty { _ = try prices.book() }
            if options.check {
                let book = try prices.book()
                print("configuration ok; prices \(book.version), \(book.rowCount) rows")
                return .clean
            }
        } catch {
            Log.error("configuration", "purserd: \(error.text)")
            return .usage
        }
        let lock: DirectoryLock
        do {
            try FileStorage.makeStateDirectory(configuration.state)
            lock = try DirectoryLock(configuration.state)
        } catch let error as LockError {
            switch error {
            case .held(let process):
                let holder = process.map { " (process \($0))" } ?? ""
                Log.error("state", "purserd: \(configuration.state) is in use by another purserd\(holder)")
            case .storage(let cause): Log.error("state", "purserd: \(cause.file): \(String(cString: strerror(cause.errno)))")
            }
            return .state
        } catch let error as StorageError {
            Log.error("state", "purserd: \(error.file): \(String(cString: strerror(error.errno)))")
            return .state
        } catch {
            Log.error("state", "purserd: \(configuration.state) cannot be used")
            return .state
        }
        guard let descriptors = DescriptorLimit.raise() else {
            Log.error("limits", "purserd: the limit of open files (ulimit -n) must be more than \(Limits.reservedDescriptors)")
            return .usage
        }
        StopRequest.watch()
        let status = serve(configuration, files, prices, options, descriptors, notifier)
        // Threads may still be at the files.
        lock.keep()
        return status
    }

    private static func serve(
        _ configuration: Configuration, _ files: [PriceTexts.Text], _ prices: PriceReader, _ options: CommandLineOptions,
        _ descriptors: DescriptorLimit, _ notifier: ServiceNotifier
    ) -> ExitStatus {
        var progress = StartProgress(notifier)
        let segments = FileStorage(directory: FileStorage.journalDirectory(of: configuration.state))
        let storage = JournalFiles(segments, ZstdCodec())
        let checkpoints = FileStorage(directory: configuration.state)
        var startup = StartupOptions(dedupWindow: configuration.dedupWindow)
        startup.segmentBytes = configuration.segmentBytes
        startup.journalRetention = configuration.journalRetention
        startup.hotKeys = configuration.dedupHotKeys
        var books: StartedBooks
        do throws(StartupError) {
            books = try Startup.run(
                storage, keys: FileStorage(directory: FileStorage.keysDirectory(of: configuration.state)), checkpoint: checkpoints,
                book: Prices.none, options: startup, newID: .random(), wall: EventLoop.now,
                random: SystemRandom.next
            ) { info in
                if StopRequest.isThere { stopEarly(notifier) }
                progress.read(info.position)
            }
        } catch {
            return failed(error, configuration)
        }
        for complaint in books.complaints { Log.warning("state", complaint) }
        let book: PriceBook
        do throws(ConfigurationError) { book = try prices.book() } catch {
            Log.error("configuration", "purserd: \(error.text)")
            return .usage
        }
        do throws(PriceBookError) {
            try books.ledger.usePrices(files: files, builtIn: book)
        } catch {
            // The files were read on their own before: it is a price of the API that they do not go with.
            let places = "in \(configuration.pricesDirectory) and through the API"
            Log.error("prices", "purserd: \(error.description), \(places): take it out of the file")
            return .usage
        }
        let (recovered, checkpoint) = (books.recovered, books.checkpoint)
        if recovered.cutBytes > 0 {
            Log.notice(
                "cut", "journal: cut \(recovered.cutBytes) bytes of an unfinished batch that was never acknowledged",
                [("BYTES", "\(recovered.cutBytes)")])
        }

        var serverOptions = ServerOptions()
        serverOptions.corsOrigins = configuration.corsOrigins
        serverOptions.version = Version.text
        serverOptions.dedupWindow = configuration.dedupWindow
        serverOptions.segmentBytes = configuration.segmentBytes
        serverOptions.socketRules = configuration.socketRules
        serverOptions.dashboardOrigins = configuration.dashboardOrigins
        let recent = SharedRecentJournal()
        let pipeline = CommitPipeline(
            tail: recovered.tail, last: recovered.last, prepared: recovered.lastPrepared, segmentBytes: configuration.segmentBytes,
            batchBytes: Limits.batchBytes, recent: recent)
        do throws(StorageError) {
            try books.saveCheckpoint(checkpoints, ifMoreThan: Limits.checkpointJournalBytes, at: EventLoop.now)
        } catch {
            tellUnsaved(error)
        }
        var server = Server(
            books, pipeline: pipeline, storage: storage, options: serverOptions,
            followers: FileStorage(directory: FileStorage.followersDirectory(of: configuration.state), access: .readOnly),
            connections: descriptors.connections, random: SystemRandom.next())
        server.startedAt = EventLoop.now

        let firstKey: StartKey?
        do throws(StartKeyError) {
            firstKey = try StartKey.find(configuration, server.ledger.keys)
        } catch {
            Log.error("key", "purserd: \(error.text)")
            return error.status
        }
        server.firstKey = firstKey?.first

        let version = server.ledger.priceBookVersion
        var runtime = RuntimeOptions()
        runtime.segmentBytes = configuration.segmentBytes
        runtime.notifier = notifier
        runtime.isStopped = { StopRequest.isThere }
        runtime.inherited = InheritedSocket.take()
        runtime.listen = runtime.inherited.isEmpty || !options.listen.isEmpty ? configuration.listen : []
        runtime.periodic = PriceRefresh.work(configuration)
        let state = configuration.state
        runtime.disk = {
            var found = statvfs()
            guard statvfs(state, &found) == 0 else { return nil }
            return (UInt64(found.f_bavail) * UInt64(found.f_frsize), UInt64(found.f_blocks) * UInt64(found.f_frsize))
        }
        runtime.log = { Log.write($0) }
        // What the checkpoint spared the start is read behind it.
        let checker = JournalChecker(
            storage, reads: checkpoint != nil, checkpoints: checkpoints, segmentBytes: configuration.segmentBytes)
        var looks = 0
        runtime.host = { [state = configuration.state] in
            // A second after the start, which has what it needed in use until then.
            looks += 1
            if looks == 2 { purser_release_start() }
            var figures = Host.figures(state)
            figures.journalIsDamaged = checker.found
            return figures
        }
        runtime.stopped = { server in
            guard !checker.found else { return }
            do throws(StorageError) {
                _ = try server.saveCheckpoint(checkpoints, startedFrom: checkpoint, at: EventLoop.now)
            } catch {
                tellUnsaved(error)
            }
            // It may have been found while it was written.
            if checker.found { Checkpoint.remove(checkpoints) }
        }
        runtime.savedBytes = { storage.savedBytes }
        runtime.ready = { server, addresses in
            server.pageAddress = addresses.lazy.compactMap(pageAddress).first
            if let firstKey {
                Log.notice("key", "purserd: \(firstKey.said)")
                // Once, and not for long: whoever reads the log later finds nothing that opens.
                if let link = server.firstLink(at: EventLoop.instant) {
                    Log.notice("link", "purserd: the dashboard, once and within \(Limits.signInLinkMinutes) minutes: \(link)")
                }
            }
            let places = addresses.map(\.description).joined(separator: ", ")
            let known = "\(recovered.events) events\(checkpoint == nil ? "" : " from the checkpoint"); prices \(version)"
            if descriptors.connections < Limits.connections {
                let files = descriptors.descriptors
                Log.warning(
                    "limits", "purserd: at most \(descriptors.connections) connections: \(files) files may be open (ulimit -n)",
                    [("CONNECTIONS", "\(descriptors.connections)")])
            }
            Log.info(
                "ready", "purserd \(Version.text) ready on \(places); state \(configuration.state); \(known)",
                [("VERSION", Version.text), ("EVENTS", "\(recovered.events)"), ("PRICES", version)])
        }
        runtime.reload = { server in
            do throws(ConfigurationError) {
                let fresh = try Configuration.load(options)
                let files = try Prices.files(fresh)
                let book = try Prices.book(files)
                do throws(PriceBookError) {
                    try server.ledger.usePrices(files: files, builtIn: book)
                } catch {
                    throw ConfigurationError(text: error.description)
                }
                server.reconfigure(
                    corsOrigins: fresh.corsOrigins, dedupWindow: fresh.dedupWindow, journalRetention: fresh.journalRetention,
                    socketRules: fresh.socketRules, dashboardOrigins: fresh.dashboardOrigins)
                let prices = server.ledger.priceBookVersion
                Log.notice("reloaded", "purserd: reloaded; prices \(prices), \(server.ledger.priceRowCount) rows", [("PRICES", prices)])
            } catch {
                Log.error("not_reloaded", "purserd: not reloaded, going on as before: \(error.text)")
            }
        }
        let journal = recovered.tail.id
        let followed = RecentStorage(storage, recent)
        let loop = EventLoop(
            server: server, storage: storage, committer: Committer(segments, recovered.tail, segmentBytes: configuration.segmentBytes),
            options: runtime,
            durableEnd: recovered.tail.position
        ) { Books(state: state, storage: followed, journal: journal) }
        if let sealAfter = configuration.sealAfter { SegmentSealer(storage, after: sealAfter).start() }
        checker.start()
        // Behind it nothing is waited for: sealing, checking, the books and the files of keys may end at any moment.
        switch loop.run() {
        case .clean:
            Log.info("stopped", "purserd: stopped")
            return .clean
        case .listen(let message):
            Log.error("listen", "purserd: \(message)")
            return .usage
        case .resources(let message):
            Log.error("resources", "purserd: \(message)")
            return .state
        case .storage:
            return .storage
        }
    }

    /// Where a browser on this machine reaches a listener; nil for one that it does not.
    private static func pageAddress(_ address: Address) -> String? {
        guard case .tcp(let host, let port) = address else { return nil }
        if host == "0.0.0.0" || address.isLoopback && !host.contains(":") { return "http://127.0.0.1:\(port)" }
        return host == "::" || host == "::1" ? "http://[::1]:\(port)" : nil
    }

    /// Told to stop while the journal is read: nothing was begun that would have to be ended, and the kernel gives the lock back.
    private static func stopEarly(_ notifier: ServiceNotifier) -> Never {
        notifier.stopping()
        Log.info("stopped", "purserd: stopped while the journal was read")
        exit(ExitStatus.clean.rawValue)
    }

    private static func tellUnsaved(_ error: StorageError) {
        let cause = String(cString: strerror(error.errno))
        Log.warning("checkpoint", "purserd: no checkpoint: \(error.operation) of \(error.file) failed: \(cause); the next start reads more")
    }

    private static func failed(_ error: StartupError, _ configuration: Configuration) -> ExitStatus {
        switch error {
        case .journal(let inner): return failed(inner, configuration)
        case .keys(var cause):
            // A directory is named whole.
            if !cause.file.hasPrefix("/") { cause.file = FileStorage.journalDirectory(of: configuration.state) + "/" + cause.file }
            Log.error("state", "purserd: \(cause.file): \(String(cString: strerror(cause.errno)))")
            return .state
        }
    }

    private static func failed(_ error: JournalError, _ configuration: Configuration) -> ExitStatus {
        let place = FileStorage.journalDirectory(of: configuration.state)
        switch error {
        case .storage(let cause):
            Log.error("journal", "purserd: \(place)/\(cause.file): \(String(cString: strerror(cause.errno)))", [("FILE", cause.file)])
            return .state
        case .visitor(let cause as StorageError):
            Log.error(
                "keys",
                "purserd: \(FileStorage.keysDirectory(of: configuration.state))/\(cause.file): \(String(cString: strerror(cause.errno)))")
            return .state
        case .visitor(let inner as JournalError):
            return failed(inner, configuration)
        case .damage, .unsupported, .visitor:
            Log.error("damaged", "purserd: journal damaged: \(place)/\(error)")
            Log.error("damaged", "purserd: nothing was changed; `purser journal verify --state \(configuration.state)` tells more")
            return .damaged
        }
    }
}
