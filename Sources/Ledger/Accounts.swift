// Accounts: what each customer did so far, one cache line each, and who is registered.

public import Core

/// A customer's totals over all time.
@frozen
public struct Account {
    public var cost: Int128 = 0
    public var revenue: Int128 = 0
    public var events: UInt64 = 0
    public var unpriced: UInt64 = 0
    public var reference: StringID = noString
    /// Details were given through the customers API.
    public var registered = false

    @inlinable public init(reference: StringID) { self.reference = reference }
}

/// Customers by the number of their reference.
public struct Accounts: ~Copyable {
    @usableFromInline var rows: UnsafeMutablePointer<Account>
    @usableFromInline var capacity: Int
    public private(set) var count = 0
    /// Row of each string number, plus one; 0 for strings that are no customer.
    @usableFromInline var rowOf: UnsafeMutablePointer<UInt32>
    @usableFromInline var rowOfCapacity: Int

    public init() {
        capacity = 64
        rows = allocateLines(capacity, of: Account.self)
        rowOfCapacity = 256
        rowOf = .allocate(capacity: rowOfCapacity)
        rowOf.initialize(repeating: 0, count: rowOfCapacity)
    }

    deinit {
        UnsafeMutableRawPointer(rows).deallocate()
        rowOf.deallocate()
    }

    /// Memory.
    public var byteCount: Int { capacity * MemoryLayout<Account>.stride + rowOfCapacity * MemoryLayout<UInt32>.stride }

    public func account(_ reference: StringID) -> Account? {
        guard Int(reference) < rowOfCapacity, rowOf[Int(reference)] != 0 else { return nil }
        return rows[Int(rowOf[Int(reference)]) - 1]
    }

    /// Asks for the memory that says where a customer's row is, and then for the row.
    @inline(__always) func prefetchPlace(_ reference: StringID) {
        if Int(reference) < rowOfCapacity { prefetch(rowOf + Int(reference)) }
    }

    @inline(__always) func prefetchRow(_ reference: StringID) {
        if Int(reference) < rowOfCapacity, rowOf[Int(reference)] != 0 { prefetch(rows + (Int(rowOf[Int(reference)]) - 1)) }
    }

    /// The row of a customer, made if new. Valid until the next call.
    @inlinable public mutating func row(_ reference: StringID) -> UnsafeMutablePointer<Account> {
        if Int(reference) < rowOfCapacity, rowOf[Int(reference)] != 0 { return rows + (Int(rowOf[Int(reference)]) - 1) }
        return add(reference)
    }

    /// Makes room for so many customers, whose references are among so many strings.
    mutating func reserve(_ customers: Int, strings: Int) {
        if customers > capacity { growRows(to: customers) }
        if strings >= rowOfCapacity { growPlaces(to: strings + 1) }
    }

    private mutating func growPlaces(to wanted: Int) {
        let fresh = UnsafeMutablePointer<UInt32>.allocate(capacity: wanted)
        fresh.initialize(from: rowOf, count: rowOfCapacity)
        (fresh + rowOfCapacity).initialize(repeating: 0, count: wanted - rowOfCapacity)
        rowOf.deallocate()
        rowOf = fresh
        rowOfCapacity = wanted
    }

    private mutating func growRows(to wanted: Int) {
        let fresh = allocateLines(wanted, of: Account.self)
        fresh.moveInitialize(from: rows, count: count)
        UnsafeMutableRawPointer(rows).deallocate()
        rows = fresh
        capacity = wanted
    }

    @usableFromInline @inline(never) mutating func add(_ reference: StringID) -> UnsafeMutablePointer<Account> {
        if Int(reference) >= rowOfCapacity { growPlaces(to: max(rowOfCapacity * 2, Int(reference) + 1)) }
        if count == capacity { growRows(to: capacity * 2) }
        (rows + count).initialize(to: Account(reference: reference))
        count += 1
        rowOf[Int(reference)] = UInt32(count)
        return rows + (count - 1)
    }
}
