// Books: a stand-in for the projection. It follows the durable facts of the journal from a position of its own, keeps sums with
// it in one file that is replaced as a whole, and starts over from the journal when that file is gone or does not check out.

internal import Core
internal import Journal
internal import Server

struct Books {
    private static let file = "sums"
    private static let newFile = "sums.new"

    private let journal: FakeFolder
    private let folder: FakeFolder
    private let record: Record
    private(set) var position = JournalPosition.start
    private(set) var events: UInt64 = 0
    private(set) var cost: Int128 = 0
    private(set) var revenue: Int128 = 0
    private var savedAt = JournalPosition.start
    /// A planted bug: what is saved is the position of the time before.
    var savesOldPosition = false
    /// Another one: sums in floating point.
    var rounds = false

    init(_ disk: FakeDisk, _ record: Record) {
        journal = FakeFolder(disk, .journal)
        folder = FakeFolder(disk, .books)
        self.record = record
        load()
    }

    private mutating func load() {
        var memory = [UInt8](repeating: 0, count: 64)
        var count = 0
        do {
            count = try memory.withUnsafeMutableBytes { try folder.read(Books.file, at: 0, into: $0) }
        } catch {
            record.coverage[.booksLost] += 1
            return
        }
        memory.withUnsafeBytes { bytes in
            guard count == 52 else { return }
            var reader = ByteReader(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
            let sum = reader.integer(UInt32.self)
            guard crc32c(UnsafeRawBufferPointer(rebasing: bytes[4..<count])) == sum else { return }
            position = JournalPosition(raw: reader.integer(UInt64.self))
            events = reader.integer(UInt64.self)
            cost = Int128(reader.integer(UInt64.self)) | Int128(reader.integer(Int64.self)) << 64
            revenue = Int128(reader.integer(UInt64.self)) | Int128(reader.integer(Int64.self)) << 64
        }
        savedAt = position
    }

    /// Folds what is durable and not yet in the sums; false when the journal could not be read as far as that.
    /// `recent` is what the daemon has in memory of it.
    mutating func catchUp(through end: JournalPosition, _ recent: SimulatedRecent) -> Bool {
        guard position < end else { return true }
        record.coverage[.bookFolds] += 1
        var reader = JournalReader(RecentStorage(journal, recent))
        var (events, cost, revenue) = (events, cost, revenue)
        do throws(JournalError) {
            position = try reader.forEachBatch(from: position, durableEnd: end) { _, body in
                var facts = FactReader(body)
                while let fact = facts.next() {
                    guard fact.type == .event, let event = EventFact(fact.payload) else { continue }
                    events += 1
                    if event.isPriced { cost += Int128(event.cost.picodollars) }
                    revenue += Int128(event.revenue.picodollars)
                    if rounds { revenue = Int128(Double(revenue)) }
                }
                return true
            }
        } catch {
            guard case .storage = error else {
                record.fail("Z5: the books cannot follow the journal: \(error)")
                return false
            }
            return false
        }
        (self.events, self.cost, self.revenue) = (events, cost, revenue)
        return true
    }

    /// Puts the sums in the place of those before. What fails is tried again another time.
    mutating func save() {
        guard savedAt != position else { return }
        var body = ByteWriter(capacity: 64)
        body.append(littleEndian: savesOldPosition ? savedAt.raw : position.raw)
        body.append(littleEndian: events)
        body.append(littleEndian: UInt64(truncatingIfNeeded: cost))
        body.append(littleEndian: Int64(truncatingIfNeeded: cost >> 64))
        body.append(littleEndian: UInt64(truncatingIfNeeded: revenue))
        body.append(littleEndian: Int64(truncatingIfNeeded: revenue >> 64))
        var bytes = ByteWriter(capacity: 64)
        bytes.append(littleEndian: crc32c(body.bytes))
        bytes.append(bytes: body.bytes)
        do throws(StorageError) {
            if try folder.list().contains(Books.newFile) { try folder.remove(Books.newFile) }
            try folder.createZeroed(Books.newFile, size: 0)
            try folder.write(Books.newFile, at: 0, bytes.bytes)
            try folder.sync(Books.newFile)
            try folder.rename(Books.newFile, to: Books.file)
            try folder.syncDirectory()
            savedAt = position
            record.coverage[.booksSaved] += 1
        } catch {
            record.note("books not saved", error.file, Int(error.errno))
        }
    }
}

/// What the daemon has in memory of its journal. One thread runs a world.
final class SimulatedRecent: JournalKeeper, @unchecked Sendable {
    private let recent: RecentJournal

    init(capacity: Int) { recent = RecentJournal(capacity: capacity) }

    func add(_ bytes: UnsafeRawBufferPointer, segment: UInt32, offset: Int) { recent.add(bytes, segment: segment, offset: offset) }
    func read(_ position: JournalPosition, into output: UnsafeMutableRawBufferPointer) -> Int { recent.read(position, into: output) }
    func clear(_ body: (UnsafeMutableRawPointer, Int) -> Void) { recent.clear(body) }
}
