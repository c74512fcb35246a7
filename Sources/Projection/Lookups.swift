// Lookups: the names behind the numbers, and the customers.
//
// What came since the last flush is in tables in memory (`temp`), so a query sees it at once and a full disk cannot hide it; a
// flush moves it into the file. A customer exists from the first fact that names it: an event, or its registration.

internal import CSQLite
internal import Core
internal import Journal

/// A customer as stored.
struct Customer {
    static let fromEvents: Int64 = 1
    static let manual: Int64 = 2

    var origin: Int64
    var reference: StringID
    var source: Int64
    var createdAt: Timestamp
    var modifiedAt: Timestamp
    var firstName: [UInt8]?
    var lastName: [UInt8]?
    var email: [UInt8]?
    var phoneNumber: [UInt8]?

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
}

final class Lookups {
    /// Rows in the tables in memory.
    private(set) var pending = 0
    private(set) var knownNames = NumberSet()
    private(set) var knownCustomers = NumberSet()

    /// Texts asked for last, by the low bits of their number.
    private var recent: [(id: StringID, text: [UInt8])] = Array(repeating: (noString, []), count: 256)

    private let database: Database
    private let insertName: Statement
    private let insertCustomer: Statement
    private let copyCustomer: Statement
    private let changeCustomer: Statement
    private let findText: Statement
    private let findNewText: Statement
    private let findNumbers: Statement
    private let findCustomer: Statement
    private let findNewCustomer: Statement
    private let countAll: Statement
    /// Customers in order of appearance; ?1 is the limit, ?2 the offset.
    let listCustomers: Statement

    init(_ database: Database) throws(SQLiteError) {
        self.database = database
        try database.execute(Schema.createTemporary)
        insertName = try Statement(database, "INSERT OR REPLACE INTO temp.new_names(id, text) VALUES(?1, ?2)")
        insertCustomer = try Statement(
            database,
            """
            INSERT OR IGNORE INTO temp.new_customers(origin, reference, source, created_at, modified_at) VALUES(?1, ?2, ?3, ?4, ?4)
            """)
        copyCustomer = try Statement(
            database, "INSERT OR IGNORE INTO temp.new_customers SELECT * FROM main.customers WHERE reference = ?1")
        changeCustomer = try Statement(
            database,
            """
            UPDATE temp.new_customers SET source = ?2, modified_at = max(modified_at, ?3), first_name = coalesce(?4, first_name),
            last_name = coalesce(?5, last_name), email = coalesce(?6, email), phone_number = coalesce(?7, phone_number)
            WHERE origin = ?1 OR reference = ?8
            """)
        findText = try Statement(database, "SELECT text FROM main.names WHERE id = ?1")
        findNewText = try Statement(database, "SELECT text FROM temp.new_names WHERE id = ?1")
        findNumbers = try Statement(
            database, "SELECT id FROM main.names WHERE text = ?1 UNION ALL SELECT id FROM temp.new_names WHERE text = ?1 LIMIT 1")
        findCustomer = try Statement(database, "SELECT \(Schema.customerColumns) FROM main.customers c WHERE c.reference = ?1")
        findNewCustomer = try Statement(database, "SELECT \(Schema.customerColumns) FROM temp.new_customers c WHERE c.reference = ?1")
        countAll = try Statement(
            database,
            """
            SELECT (SELECT count(*) FROM main.customers) + (SELECT count(*) FROM temp.new_customers n
            WHERE NOT EXISTS (SELECT 1 FROM main.customers c WHERE c.origin = n.origin))
            """)
        listCustomers = try Statement(
            database, "SELECT \(Schema.customerColumns) FROM (\(Schema.allCustomers)) c ORDER BY c.origin LIMIT ?1 OFFSET ?2")
        try load()
    }

    func countCustomers() throws(SQLiteError) -> Int64 {
        defer { countAll.reset() }
        return try countAll.step() ? countAll.integer(0) : 0
    }

    private func load() throws(SQLiteError) {
        let names = try Statement(database, "SELECT id FROM main.names")
        while try names.step() { knownNames.insert(StringID(truncatingIfNeeded: names.integer(0))) }
        let customers = try Statement(database, "SELECT reference FROM main.customers WHERE reference IS NOT NULL")
        while try customers.step() { knownCustomers.insert(StringID(truncatingIfNeeded: customers.integer(0))) }
    }

    // MARK: - Folding

    func add(name id: StringID, _ text: UnsafeRawBufferPointer) throws(SQLiteError) {
        guard !knownNames.contains(id) else { return }
        insertName.bind(1, Int64(id))
        insertName.bind(2, text: text)
        try insertName.run()
        knownNames.insert(id)
        pending += 1
    }

    /// An event named the customer.
    func met(customer id: StringID, origin: JournalPosition, at time: Timestamp) throws(SQLiteError) {
        guard !knownCustomers.contains(id) else { return }
        try insert(reference: id, origin: origin, source: Customer.fromEvents, at: time)
    }

    func apply(_ fact: CustomerFact, origin: JournalPosition) throws(SQLiteError) {
        if fact.reference == noString || !knownCustomers.contains(fact.reference) {
            try insert(reference: fact.reference, origin: origin, source: Customer.manual, at: fact.at)
        } else {
            copyCustomer.bind(1, Int64(fact.reference))
            try copyCustomer.run()
        }
        changeCustomer.bind(1, Int64(bitPattern: origin.raw))
        changeCustomer.bind(2, Customer.manual)
        changeCustomer.bind(3, fact.at.nanoseconds)
        for (index, field) in [fact.firstName, fact.lastName, fact.email, fact.phoneNumber].enumerated() {
            if let field { changeCustomer.bind(Int32(index) + 4, copying: field) } else { changeCustomer.bindNull(Int32(index) + 4) }
        }
        if fact.reference == noString { changeCustomer.bindNull(8) } else { changeCustomer.bind(8, Int64(fact.reference)) }
        try changeCustomer.run()
        pending += 1
    }

    private func insert(reference: StringID, origin: JournalPosition, source: Int64, at time: Timestamp) throws(SQLiteError) {
        insertCustomer.bind(1, Int64(bitPattern: origin.raw))
        if reference == noString { insertCustomer.bindNull(2) } else { insertCustomer.bind(2, Int64(reference)) }
        insertCustomer.bind(3, source)
        insertCustomer.bind(4, time.nanoseconds)
        try insertCustomer.run()
        if reference != noString { knownCustomers.insert(reference) }
        pending += 1
    }

    /// Moves everything into the file; inside the caller's transaction.
    func flush() throws(SQLiteError) {
        if pending > 0 { try database.execute(Schema.flushLookups) }
    }

    /// The caller's transaction is committed.
    func flushed() { pending = 0 }

    // MARK: - Looking up

    /// The text of a number; nil when there is none.
    func text(_ id: StringID) throws(SQLiteError) -> [UInt8]? {
        guard id != noString else { return nil }
        let place = Int(id & 255)
        if recent[place].id == id { return recent[place].text }
        for statement in [findText, findNewText] {
            statement.bind(1, Int64(id))
            if try statement.step() {
                let text = [UInt8](statement.bytes(0))
                statement.reset()
                recent[place] = (id, text)
                return text
            }
        }
        return nil
    }

    /// The number of a text; nil when no fact used it.
    func number(_ text: [UInt8]) throws(SQLiteError) -> StringID? {
        findNumbers.bind(1, copying: text)
        guard try findNumbers.step() else { return nil }
        defer { findNumbers.reset() }
        return StringID(truncatingIfNeeded: findNumbers.integer(0))
    }

    func customer(_ reference: StringID) throws(SQLiteError) -> Customer? {
        guard knownCustomers.contains(reference) else { return nil }
        for statement in pending == 0 ? [findCustomer] : [findNewCustomer, findCustomer] {
            statement.bind(1, Int64(reference))
            if try statement.step() {
                defer { statement.reset() }
                return Customer(statement)
            }
        }
        return nil
    }
}
