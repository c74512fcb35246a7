// Recent: the rows of single customers of hours that are not summed up yet, in a table made for being added to.
//
// Such a row is found by one number, the customer in its upper and the bucket in its lower 31 bits, instead of by seven columns: adding
// to it takes a little more than half of the time. The numbers of buckets are a table of their own, small, and known to both
// connections. Once an hour is over its rows are moved to the table of rollups, a slice at a time (`BooksWriter`). A row counts wherever
// it stands, so a key may have one in both: whoever asks adds them up.

internal import CSQLite
internal import Core

/// What a row of `recent` is found by. In their order those of a customer follow each other.
enum RecentKey {
    static let bucketBits: Int64 = 31

    @inline(__always) static func id(_ customer: StringID, _ bucket: UInt32) -> Int64 { Int64(customer) << bucketBits | Int64(bucket) }
    @inline(__always) static func customer(_ id: Int64) -> StringID { StringID(truncatingIfNeeded: id >> bucketBits) }
    @inline(__always) static func bucket(_ id: Int64) -> Int { Int(id & (1 << bucketBits - 1)) }

    /// Those of a customer; of all when there is none.
    static func range(of customer: StringID) -> ClosedRange<Int64> {
        customer == noString ? 0...Int64.max : id(customer, 0)...id(customer, 1 << 31 - 1)
    }
}

/// Buckets by their numbers. Numbers of buckets that are gone are given again, so there are about as many as there are buckets.
struct RecentBuckets {
    /// Has no number.
    static let none = UInt32.max

    /// nil where the number is free.
    private(set) var all: [Bucket?] = []
    private var numbers: [Bucket: UInt32] = [:]
    private var free: [UInt32] = []
    /// The least hour of any; `Int32.max` when there are none.
    private(set) var firstHour = Int32.max

    init() {}

    /// What the file says.
    init(_ database: Database) throws(SQLiteError) {
        let rows = try Statement(database, "SELECT id, start, feature, model, provider, event_name FROM buckets ORDER BY id")
        while try rows.step() {
            let bucket = Bucket(
                hour: Int32(truncatingIfNeeded: rows.integer(1)), feature: StringID(truncatingIfNeeded: rows.integer(2)),
                model: StringID(truncatingIfNeeded: rows.integer(3)), provider: StringID(truncatingIfNeeded: rows.integer(4)),
                eventName: StringID(truncatingIfNeeded: rows.integer(5)))
            let number = Int(rows.integer(0))
            while all.count < number {
                free.append(UInt32(all.count))
                all.append(nil)
            }
            all.append(bucket)
            numbers[bucket] = UInt32(number)
            firstHour = min(firstHour, bucket.hour)
        }
    }

    var count: Int { numbers.count }
    func number(_ bucket: Bucket) -> UInt32? { numbers[bucket] }

    /// Gives a bucket that has none a number.
    mutating func add(_ bucket: Bucket) -> UInt32 {
        let number: UInt32
        if let last = free.popLast() {
            number = last
            all[Int(last)] = bucket
        } else {
            number = UInt32(all.count)
            all.append(bucket)
        }
        numbers[bucket] = number
        firstHour = min(firstHour, bucket.hour)
        return number
    }

    /// Forgets those of hours before `end`.
    mutating func remove(before end: Int32) {
        firstHour = .max
        for (number, bucket) in all.enumerated() {
            guard let bucket else { continue }
            if bucket.hour < end {
                all[number] = nil
                numbers[bucket] = nil
                free.append(UInt32(number))
            } else {
                firstHour = min(firstHour, bucket.hour)
            }
        }
    }
}

extension Books {
    /// Hands on the rows of hours that are not summed up, of a customer or of all, whose bucket is wanted. Within `reading`.
    func readRecent(
        of customer: StringID, where wants: (Bucket) -> Bool, _ visit: (CellKey, borrowing Figures) -> Void
    ) throws(SQLiteError) {
        let buckets = try recentBuckets().all
        let wanted = buckets.map { $0.map(wants) ?? false }
        guard wanted.contains(true) else { return }
        let range = RecentKey.range(of: customer)
        readRecent.bind(1, range.lowerBound)
        readRecent.bind(2, range.upperBound)
        defer { readRecent.reset() }
        while try readRecent.step() {
            let id = readRecent.integer(0)
            let number = RecentKey.bucket(id)
            guard number < wanted.count, wanted[number], let bucket = buckets[number] else { continue }
            var key = CellKey(bucket)
            key.customer = RecentKey.customer(id)
            visit(key, Books.figures(readRecent, at: 1))
        }
    }

    /// Adds the same to the groups of a question, as far as its range takes whole hours.
    func readRecent(_ plan: MarginsPlan, _ filter: ResolvedFilter, into groups: inout MarginGroups) throws(SQLiteError) {
        func wants(_ bucket: Bucket) -> Bool {
            var key = CellKey(bucket)
            key.customer = filter.customer
            return plan.takesHour(bucket.hour) && filter.matches(key)
        }
        try readRecent(of: filter.customer, where: wants) { key, figures in
            groups.add(key, at: Int64(key.hour) * Timestamp.nanosecondsPerHour, figures)
        }
    }
}
