// Lookups: the names behind the numbers, and the customers.
//
// What came since the last flush is in memory (`LookupDelta`), and so is what a flush that is under way has taken along: a query
// sees both at once, over what is in the file. A customer exists from the first fact that names it: an event, or its registration.

internal import CSQLite
internal import Core
internal import Journal

/// A customer as stored.
struct Customer: Sendable {
    static let fromEvents: Int64 = 1
    static let manual: Int64 = 2

    /// Place of the first fact that named it.
    var origin: Int64
    var reference: StringID
    var source: Int64
    var createdAt: Timestamp
    var modifiedAt: Timestamp
    var firstName: [UInt8]?
    var lastName: [UInt8]?
    var email: [UInt8]?
    var phoneNumber: [UInt8]?

    init(origin: JournalPosition, reference: StringID, source: Int64, at time: Timestamp) {
        self.origin = Int64(bitPattern: origin.raw)
        self.reference = reference
        self.source = source
        createdAt = time
        modifiedAt = time
    }

    /// Reads a row of `Schema.customerColumns`.
    init(_ row: Statement) {
        origin = row.integer(0)
        reference = StringID(truncatingIfNeeded: row.integer(1))
        source = row.integer(2)
        createdAt = Timestamp(nanoseconds: row.integer(3))
        modifiedAt = Timestamp(nanoseconds: row.integer(4))
        func text(_ column: Int32) -> [UInt8]? { row.isNull(column) ? nil : [UInt8](row.bytes(column)) }
        firstName = text(5)
        lastName = text(6)
        email = text(7)
        phoneNumber = text(8)
    }

    /// What a registration or a change says.
    mutating func apply(_ fact: CustomerFact) {
        source = Customer.manual
        modifiedAt = max(modifiedAt, fact.at)
        firstName = fact.firstName ?? firstName
        lastName = fact.lastName ?? lastName
        email = fact.email ?? email
        phoneNumber = fact.phoneNumber ?? phoneNumber
    }
}

final class Lookups {
    private(set) var knownNames = NumberSet()
    private(set) var knownCustomers = NumberSet()
    /// Since the last flush was begun.
    private(set) var fresh = LookupDelta()
    /// What the flush under way has taken along; nil when none is.
    private(set) var frozen: LookupDelta?

    /// Texts asked for last, by the low bits of their number.
    private var recent: [(id: StringID, text: [UInt8])] = Array(repeating: (noString, []), count: 256)

    private let database: Database
    private let findText: Statement
    private let findNumber: Statement
    private let findCustomer: Statement
    private let countStored: Statement
    /// Stored customers in order of appearance; ?1 is the limit, ?2 the offset.
    private let listStored: Statement

    init(_ database: Database) throws(SQLiteError) {
        self.database = database
        findText = try Statement(database, "SELECT text FROM names WHERE id = ?1")
        findNumber = try Statement(database, "SELECT id FROM names WHERE text = ?1 LIMIT 1")
        findCustomer = try Statement(database, "SELECT \(Schema.customerColumns) FROM customers c WHERE c.reference = ?1")
        countStored = try Statement(database, "SELECT count(*) FROM customers")
        listStored = try Statement(
            database, "SELECT \(Schema.customerColumns) FROM customers c ORDER BY c.origin LIMIT ?1 OFFSET ?2")
        let names = try Statement(database, "SELECT id FROM names")
        while try names.step() { knownNames.insert(StringID(truncatingIfNeeded: names.integer(0))) }
        let customers = try Statement(database, "SELECT reference FROM customers WHERE reference IS NOT NULL")
        while try customers.step() { knownCustomers.insert(StringID(truncatingIfNeeded: customers.integer(0))) }
    }

    /// Rows that wait for the next flush.
    var pending: Int { fresh.count }

    // MARK: - Folding

    func add(name id: StringID, _ text: UnsafeRawBufferPointer) {
        guard !knownNames.contains(id) else { return }
        fresh.add(name: id, text)
        knownNames.insert(id)
    }

    /// An event named the customer.
    func met(customer id: StringID, origin: JournalPosition, at time: Timestamp) {
        guard !knownCustomers.contains(id) else { return }
        fresh.add(customer: Customer(origin: origin, reference: id, source: Customer.fromEvents, at: time))
        knownCustomers.insert(id)
    }

    func apply(_ fact: CustomerFact, origin: JournalPosition) throws(SQLiteError) {
        if fact.reference != noString, knownCustomers.contains(fact.reference), var known = try customer(fact.reference) {
            known.apply(fact)
            return fresh.put(known)
        }
        var new = Customer(origin: origin, reference: fact.reference, source: Customer.manual, at: fact.at)
        new.apply(fact)
        fresh.add(customer: new)
        if fact.reference != noString { knownCustomers.insert(fact.reference) }
    }

    /// A flush begins: what is fresh goes along with it.
    func freeze() -> LookupDelta {
        let taken = fresh
        frozen = taken
        fresh = LookupDelta()
        return taken
    }

    /// What was frozen is in the file.
    func stored() { frozen = nil }

    // MARK: - Looking up

    /// The text of a number; nil when there is none.
    func text(_ id: StringID) throws(SQLiteError) -> [UInt8]? {
        guard id != noString else { return nil }
        let place = Int(id & 255)
        if recent[place].id == id { return recent[place].text }
        var found = fresh.text(id) ?? frozen?.text(id)
        if found == nil {
            findText.bind(1, Int64(id))
            if try findText.step() { found = [UInt8](findText.bytes(0)) }
            findText.reset()
        }
        if let found { recent[place] = (id, found) }
        return found
    }

    /// The number of a text; nil when no fact used it.
    func number(_ text: [UInt8]) throws(SQLiteError) -> StringID? {
        if let found = fresh.number(text) ?? frozen?.number(text) { return found }
        findNumber.bind(1, copying: text)
        defer { findNumber.reset() }
        return try findNumber.step() ? StringID(truncatingIfNeeded: findNumber.integer(0)) : nil
    }

    func customer(_ reference: StringID) throws(SQLiteError) -> Customer? {
        guard knownCustomers.contains(reference) else { return nil }
        if let found = fresh.customer(reference) ?? frozen?.customer(reference) { return found }
        findCustomer.bind(1, Int64(reference))
        defer { findCustomer.reset() }
        return try findCustomer.step() ? Customer(findCustomer) : nil
    }

    func countCustomers() throws(SQLiteError) -> Int64 {
        defer { countStored.reset() }
        let stored = try countStored.step() ? countStored.integer(0) : 0
        return stored + Int64((frozen?.newCustomers.count ?? 0) + fresh.newCustomers.count)
    }

    /// All customers in order of appearance from the one at `offset` on, until `visit` returns false.
    func forEachCustomer(from offset: Int, _ visit: (Customer) throws(SQLiteError) -> Bool) throws(SQLiteError) {
        var skipped = 0
        listStored.bind(1, -1)
        listStored.bind(2, Int64(offset))
        defer { listStored.reset() }
        var isAny = false
        while try listStored.step() {
            isAny = true
            let origin = listStored.integer(0)
            guard try visit(fresh.changed[origin] ?? frozen?.changed[origin] ?? Customer(listStored)) else { return }
        }
        if !isAny, offset > 0 {
            defer { countStored.reset() }
            skipped = try countStored.step() ? Int(countStored.integer(0)) : 0
        } else {
            skipped = offset
        }
        for list in [frozen?.newCustomers ?? [], fresh.newCustomers] {
            for customer in list {
                skipped += 1
                guard skipped > offset else { continue }
                guard try visit(fresh.changed[customer.origin] ?? customer) else { return }
            }
        }
    }
}
