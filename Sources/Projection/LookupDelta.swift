// LookupDelta: names and customers that are folded and not in the file yet. In memory, so that a full disk cannot hide them from a
// query, and so that whoever writes the file gets them as they were when the flush began.

internal import Core

struct LookupDelta: Sendable {
    private struct Name {
        var id: StringID
        var start: Int
        var length: Int
    }

    private var names: [Name] = []
    private var bytes: [UInt8] = []
    private var nameOf: [StringID: Int32] = [:]
    /// First named since the last flush, in the order of their origins, which are beyond those of all others.
    private(set) var newCustomers: [Customer] = []
    private var newOf: [StringID: Int32] = [:]
    /// Known before and changed since the last flush, by their origins.
    private(set) var changed: [Int64: Customer] = [:]
    private var changedOf: [StringID: Int64] = [:]

    /// What it holds, in rows.
    var count: Int { names.count + newCustomers.count + changed.count }

    // MARK: - Names

    mutating func add(name id: StringID, _ text: UnsafeRawBufferPointer) {
        nameOf[id] = Int32(names.count)
        names.append(Name(id: id, start: bytes.count, length: text.count))
        bytes.append(contentsOf: text)
    }

    func text(_ id: StringID) -> [UInt8]? {
        guard let place = nameOf[id] else { return nil }
        let name = names[Int(place)]
        return Array(bytes[name.start..<name.start + name.length])
    }

    /// Looks at all of them: seldom asked, and there are not many for long.
    func number(_ text: [UInt8]) -> StringID? {
        bytes.withUnsafeBytes { bytes in
            text.withUnsafeBytes { text in
                names.first {
                    $0.length == text.count && sameBytes(UnsafeRawBufferPointer(rebasing: bytes[$0.start..<$0.start + $0.length]), text)
                }?.id
            }
        }
    }

    /// Hands on every name.
    func forEachName<E>(_ visit: (StringID, [UInt8]) throws(E) -> Void) throws(E) {
        for name in names { try visit(name.id, Array(bytes[name.start..<name.start + name.length])) }
    }

    // MARK: - Customers

    mutating func add(customer: Customer) {
        if customer.reference != noString { newOf[customer.reference] = Int32(newCustomers.count) }
        newCustomers.append(customer)
    }

    func customer(_ reference: StringID) -> Customer? {
        if let place = newOf[reference] { return newCustomers[Int(place)] }
        return changedOf[reference].flatMap { changed[$0] }
    }

    /// Takes the place of what is known of this customer.
    mutating func put(_ customer: Customer) {
        if let place = newOf[customer.reference] {
            newCustomers[Int(place)] = customer
        } else {
            changed[customer.origin] = customer
            changedOf[customer.reference] = customer.origin
        }
    }
}
