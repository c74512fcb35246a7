// FakeDisk: files in memory that lose what was not synced, as a kernel and a disk do together.
//
// Fault model
//
//   Pages      A file is pages of 4096 bytes. A write changes what readers see at once and makes its pages dirty. `sync` brings
//              the dirty pages of one file to the disk, whole pages as they are then, and the file's length with them.
//   Power      When power is lost every sector of 512 bytes of every dirty page is, each by itself, the new one or the old one:
//              kept, lost, torn inside a write, in any order. A sector is never half. A file that grew has its old length, its
//              new one, or reaches to the last sector that was kept; what is in between is zeros. Synced pages stay as they are.
//   Names      A name made, changed or removed is seen at once and durable once the directory is synced. At a power loss the
//              changes since then survive up to some point in their order (a file system with a journal) or, in other runs, in
//              any combination. A change of name is one step: never both names, never none.
//   Killing    When the process dies the kernel keeps everything, dirty pages too, and may still lose them to a power loss.
//   Failures   Any call may fail with EIO, ENOSPC, EINTR or EMFILE, once or, for its kind of call, until the disk is healed. A
//              write that fails may have written any part of its bytes. After a `sync` that failed each dirty page is on the
//              disk, or still dirty, or dropped: then readers see the new bytes, the kernel takes the page for clean, and a later
//              `sync` succeeds without writing it. A dropped page turns into what the disk has when the process is started anew
//              and the page was evicted meanwhile, or when power is lost. Writing to the page makes it dirty again.
//   Space      Bytes of all files together are bounded. Making a file longer beyond that fails with ENOSPC; overwriting never does.
//   Death      The process may die inside any call: before it did anything, half way, or after it did all.
//
// Not in it: bytes that change by themselves, and a disk that says "synced" and lies. Those are refused or named as limits in
// protocol/journal.md, and tests of their own flip every bit.

internal import Core
internal import Journal

/// One world's disk: three directories that share space, faults and dice. Used by one thread.
final class FakeDisk: @unchecked Sendable {
    static let page = 4096
    static let sector = 512

    enum Page { case clean, dirty, dropped }

    final class File {
        /// What readers see.
        var live: [UInt8] = []
        /// What is on the disk.
        var durable: [UInt8] = []
        var pages: [Page] = []
    }

    enum NameChange {
        case made(String, File)
        case renamed(String, String, File)
        case removed(String)
    }

    struct Folder {
        var name: String
        var files: [String: File] = [:]
        var durable: [String: File] = [:]
        var changes: [NameChange] = []
    }

    enum FolderName: Int { case journal, keys, books, state }

    var folders = [Folder(name: "journal"), Folder(name: "keys"), Folder(name: "books"), Folder(name: "state")]
    let record: Record
    var plan: Plan
    var dice: Dice
    /// Bytes that all files may have.
    var capacity = Int.max
    /// Calls until the process dies inside one; nil: it does not.
    var deathIn: Int?
    /// The process died inside a call: nothing that its remains ask for happens.
    private(set) var isDead = false
    private var isObserved = false
    /// Kinds of calls that fail until the disk is healed, and with what.
    private var sick: [StorageError.Operation: Int32] = [:]
    /// A planted bug: one sync of the journal in so many does nothing.
    var skipsSyncs = 0
    /// Another one: those of its directory do nothing.
    var skipsDirectorySyncs = false

    init(_ plan: Plan, _ dice: Dice, _ record: Record) {
        self.plan = plan
        self.dice = dice
        self.record = record
    }

    var usedBytes: Int {
        var sum = 0
        for folder in folders { for file in folder.files.values { sum += file.live.count } }
        return sum
    }

    func heal() { sick = [:] }

    /// Calls that `body` makes are the auditor's: nothing befalls them.
    func withoutFaults<R>(_ body: () -> R) -> R {
        let before = isObserved
        isObserved = true
        defer { isObserved = before }
        return body()
    }

    // MARK: Faults

    enum Fate: Equatable {
        case happens
        case fails(Int32)
        /// The process is gone; `after` says whether the call did its work before.
        case dies(after: Bool)
    }

    static let inputOutput: Int32 = 5
    static let noSpace: Int32 = 28

    private func rate(_ operation: StorageError.Operation) -> Int {
        switch operation {
        case .read: plan.readErrorRate
        case .write: plan.writeErrorRate
        case .sync: plan.syncErrorRate
        default: plan.otherErrorRate
        }
    }

    /// Decides what becomes of a call.
    func fate(_ operation: StorageError.Operation, _ file: String) -> Fate {
        if isObserved { return .happens }
        if isDead { return .fails(FakeDisk.inputOutput) }
        if let left = deathIn {
            if left <= 0 {
                isDead = true
                let after = dice.flip()
                record.note("dies in", "\(operation.rawValue) \(file)", after ? 1 : 0)
                record.coverage[.deathsInCall] += 1
                return .dies(after: after)
            }
            deathIn = left - 1
        }
        if let code = sick[operation] { return .fails(code) }
        guard dice.happens(rate(operation)) else { return .happens }
        let code = dice.pick([FakeDisk.inputOutput, FakeDisk.inputOutput, FakeDisk.noSpace, 4, 24])
        switch operation {
        case .read: record.coverage[.readErrors] += 1
        case .write: record.coverage[.writeErrors] += 1
        case .sync: record.coverage[.syncErrors] += 1
        default: record.coverage[.otherErrors] += 1
        }
        if dice.happens(plan.persistentRate) {
            sick[operation] = code
            record.coverage[.persistentErrors] += 1
        }
        record.note("disk fails", "\(operation.rawValue) \(file)", Int(code), sick[operation] == nil ? 0 : 1)
        return .fails(code)
    }

    // MARK: Pages

    func change(_ file: File, _ offset: Int, _ bytes: UnsafeRawBufferPointer) {
        let end = offset + bytes.count
        lengthen(file, to: end)
        file.live.withUnsafeMutableBytes { UnsafeMutableRawBufferPointer(rebasing: $0[offset..<end]).copyMemory(from: bytes) }
        for page in offset / FakeDisk.page...(end - 1) / FakeDisk.page { file.pages[page] = .dirty }
    }

    /// Adds zeros.
    func lengthen(_ file: File, to end: Int) {
        guard file.live.count < end else { return }
        let from = file.live.count / FakeDisk.page
        file.live += [UInt8](repeating: 0, count: end - file.live.count)
        let pages = (end + FakeDisk.page - 1) / FakeDisk.page
        if file.pages.count < pages { file.pages += [Page](repeating: .dirty, count: pages - file.pages.count) }
        for page in from..<pages { file.pages[page] = .dirty }
    }

    private func range(ofPage page: Int, _ file: File) -> Range<Int> {
        page * FakeDisk.page..<min((page + 1) * FakeDisk.page, file.live.count)
    }

    private func persist(_ file: File, _ range: Range<Int>) {
        if file.durable.count < range.upperBound {
            file.durable += [UInt8](repeating: 0, count: range.upperBound - file.durable.count)
        }
        file.durable.withUnsafeMutableBytes { to in
            file.live.withUnsafeBytes { from in
                guard let to = to.baseAddress, let from = from.baseAddress else { return }
                (to + range.lowerBound).copyMemory(from: from + range.lowerBound, byteCount: range.count)
            }
        }
    }

    func persist(_ file: File) {
        for page in file.pages.indices where file.pages[page] == .dirty {
            persist(file, range(ofPage: page, file))
            file.pages[page] = .clean
        }
        if file.durable.count < file.live.count {
            file.durable += [UInt8](repeating: 0, count: file.live.count - file.durable.count)
        }
    }

    /// What a sync that failed leaves.
    func persistPartly(_ file: File) {
        for page in file.pages.indices where file.pages[page] == .dirty {
            if dice.happens(plan.dropRate) {
                file.pages[page] = .dropped
                record.coverage[.droppedPages] += 1
            } else if dice.flip() {
                persist(file, range(ofPage: page, file))
                file.pages[page] = .clean
            }
        }
    }

    // MARK: Ends

    /// The process is gone, the machine is not.
    func processDied() {
        isDead = false
        deathIn = nil
        for index in folders.indices {
            for name in folders[index].files.keys.sorted() {
                guard let file = folders[index].files[name] else { continue }
                evict(file)
            }
        }
    }

    private func evict(_ file: File) {
        for page in file.pages.indices where file.pages[page] == .dropped && dice.happens(plan.evictRate) {
            let range = range(ofPage: page, file)
            for at in range { file.live[at] = at < file.durable.count ? file.durable[at] : 0 }
            file.pages[page] = .clean
            record.coverage[.evictedPages] += 1
        }
    }

    /// The machine is without power: what was not synced is left to chance.
    func powerLost() {
        isDead = false
        deathIn = nil
        let keep = dice.pick([0, 300_000, 500_000, 500_000, 700_000, 1_000_000])
        for index in folders.indices {
            settleNames(&folders[index], keep)
            for name in folders[index].files.keys.sorted() {
                if let file = folders[index].files[name] { settle(file, keep, "\(folders[index].name)/\(name)") }
            }
        }
    }

    private func settleNames(_ folder: inout Folder, _ keep: Int) {
        var names = folder.durable
        var survives = true
        for change in folder.changes {
            if plan.unorderedNames { survives = dice.happens(keep) } else if survives { survives = dice.happens(keep) }
            guard survives else {
                record.coverage[.lostNames] += 1
                continue
            }
            switch change {
            case .made(let name, let file): names[name] = file
            case .removed(let name): names[name] = nil
            case .renamed(let from, let to, let file):
                if let there = names[from], there === file { names[from] = nil }
                names[to] = file
            }
        }
        folder.durable = names
        folder.files = names
        folder.changes = []
    }

    private func settle(_ file: File, _ keep: Int, _ name: String) {
        var kept = 0
        var lost = 0
        for page in file.pages.indices where file.pages[page] == .dirty {
            let whole = range(ofPage: page, file)
            for start in stride(from: whole.lowerBound, to: whole.upperBound, by: FakeDisk.sector) {
                let sector = start..<min(start + FakeDisk.sector, whole.upperBound)
                if isSame(file, sector) { continue }
                if dice.happens(keep) {
                    persist(file, sector)
                    kept += 1
                } else {
                    lost += 1
                }
            }
        }
        if file.durable.count < file.live.count, dice.flip() {
            file.durable += [UInt8](repeating: 0, count: file.live.count - file.durable.count)
        }
        if kept > 0, lost > 0 { record.coverage[.tornWrites] += 1 }
        if kept == 0, lost > 0 { record.coverage[.lostWrites] += 1 }
        if kept > 0, lost == 0 { record.coverage[.survivingWrites] += 1 }
        if kept + lost > 0 { record.note("unsynced sectors of", name, kept, lost) }
        file.live = file.durable
        file.pages = [Page](repeating: .clean, count: (file.live.count + FakeDisk.page - 1) / FakeDisk.page)
    }

    /// Changes a byte of a file in this directory, or takes the file away; nothing when there is none.
    func harm(_ folder: FolderName) {
        let names = folders[folder.rawValue].files.keys.sorted()
        guard !names.isEmpty else { return }
        let name = dice.pick(names)
        guard let file = folders[folder.rawValue].files[name] else { return }
        if file.live.isEmpty || dice.below(3) == 0 {
            folders[folder.rawValue].files[name] = nil
            folders[folder.rawValue].changes.append(.removed(name))
            record.coverage[.removedFiles] += 1
        } else {
            let place = dice.flip() ? dice.below(min(4096, file.live.count)) : dice.below(file.live.count)
            file.live[place] ^= 1 << UInt8(dice.below(8))
            file.pages[place / FakeDisk.page] = .dirty
            record.coverage[.harmedFiles] += 1
        }
        record.note("harmed", "\(folders[folder.rawValue].name)/\(name)")
    }

    private func isSame(_ file: File, _ range: Range<Int>) -> Bool {
        guard file.durable.count >= range.upperBound else { return false }
        return file.live.withUnsafeBytes { live in
            file.durable.withUnsafeBytes { durable in
                sameBytes(UnsafeRawBufferPointer(rebasing: live[range]), UnsafeRawBufferPointer(rebasing: durable[range]))
            }
        }
    }
}
