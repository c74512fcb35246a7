// Customers: who they are, in the order in which they first appeared, and what they add up to.

internal import Core
internal import Journal

extension Projection {
    func customers(search: [UInt8]?, limit: Int, offset: Int) throws(QueryError) -> ByteWriter {
        guard limit >= 0, limit <= Limits.queryLimit else { throw QueryError.invalid("limit") }
        guard offset >= 0 else { throw QueryError.invalid("offset") }
        var json = ByteWriter(capacity: 4096)
        json.append("{\"items\":[")
        var count = 0
        let total = try forEachCustomer(search: search, limit: limit, offset: offset) { (write) throws(QueryError) in
            if count > 0 { json.append(0x2C) }
            count += 1
            try write(&json)
        }
        json.append("],\"pagination\":{\"total\":")
        json.append(integer: total)
        json.append(",\"limit\":")
        json.append(integer: Int64(limit))
        json.append(",\"offset\":")
        json.append(integer: Int64(offset))
        json.append(",\"hasMore\":")
        json.append(total > Int64(count) && Int64(offset) < total - Int64(count))
        json.append("}}")
        return json
    }

    /// Hands on each customer of a page as a way to write it. The result is how many there are in all.
    func forEachCustomer(
        search: [UInt8]?, limit: Int, offset: Int, _ visit: ((inout ByteWriter) throws(QueryError) -> Void) throws(QueryError) -> Void
    ) throws(QueryError) -> Int64 {
        guard let books else { throw QueryError.unavailable }
        let (page, total) = try QueryError.wrap { () throws(SQLiteError) -> ([Customer], Int64) in
            if let search, !search.isEmpty {
                try books.lookups.customers(matching: TextSearch(search), limit: limit, offset: offset)
            } else {
                try books.lookups.customers(limit: limit, offset: offset)
            }
        }
        let fresh = unstoredFigures(of: page)
        for (index, customer) in page.enumerated() {
            let (reference, stored) = try QueryError.wrap { () throws(SQLiteError) -> ([UInt8]?, Figures?) in
                let name = try books.lookups.text(customer.reference)
                return (name, customer.reference == noString ? nil : try books.totals(of: customer.reference))
            }
            try visit { (json) throws(QueryError) in
                json.append(0x7B)
                json.append(customer, reference: reference)
                var figures = Figures()
                if let stored {
                    figures = stored
                    figures.add(fresh[index])
                }
                json.append(0x2C)
                json.append(figures)
                json.append(0x7D)
            }
        }
        return total
    }

    /// What the delta holds of each customer.
    private func unstoredFigures(of page: [Customer]) -> [Figures] {
        var table = CellTable()
        var numbers: [Int] = []
        for customer in page {
            var key = CellKey()
            key.customer = customer.reference
            numbers.append(table.find(key))
        }
        forEachUnstored { cell, figures in
            var key = CellKey()
            key.customer = cell.customer
            if let number = table.existing(key) { table.add(figures, to: number) }
        }
        return numbers.map { table.figures($0) }
    }

    func customer(_ reference: [UInt8]) throws(QueryError) -> ByteWriter {
        guard let books else { throw QueryError.unavailable }
        do {
            if let id = try books.lookups.number(reference), let customer = try books.lookups.customer(id) {
                var json = ByteWriter(capacity: 512)
                json.append(0x7B)
                json.append(customer, reference: reference)
                json.append(",\"subscriptions\":[]}")
                return json
            }
        } catch {
            throw .sqlite(error)
        }
        throw QueryError.notFound("Customer")
    }
}

extension Lookups {
    /// A page of all customers and how many there are.
    func customers(limit: Int, offset: Int) throws(SQLiteError) -> ([Customer], Int64) {
        var page: [Customer] = []
        if limit > 0 {
            try forEachCustomer(from: offset) { (customer) throws(SQLiteError) in
                page.append(customer)
                return page.count < limit
            }
        }
        return (page, try countCustomers())
    }

    /// A page of the customers whose reference, names or email contain a text, and how many there are.
    func customers(matching search: TextSearch, limit: Int, offset: Int) throws(SQLiteError) -> ([Customer], Int64) {
        var page: [Customer] = []
        var total: Int64 = 0
        try forEachCustomer(from: 0) { (customer) throws(SQLiteError) in
            let texts = [customer.firstName, customer.lastName, customer.email, try text(customer.reference)]
            guard texts.contains(where: { $0?.withUnsafeBytes { search.isIn($0) } ?? false }) else { return true }
            if total >= Int64(offset), page.count < limit { page.append(customer) }
            total += 1
            return true
        }
        return (page, total)
    }
}

/// A text to be found in others, upper and lower case alike.
struct TextSearch {
    private let needle: [UInt8]

    init(_ text: [UInt8]) { needle = Array(String(decoding: text, as: UTF8.self).lowercased().utf8) }

    func isIn(_ text: UnsafeRawBufferPointer) -> Bool {
        // Lower case may be longer than upper case, in few letters and never by more than half.
        guard text.count * 2 >= needle.count, !text.isEmpty else { return false }
        if text.contains(where: { $0 >= 0x80 }) {
            let lowered = Array(String(decoding: text, as: UTF8.self).lowercased().utf8)
            return lowered.withUnsafeBytes { contains($0) { $0 } }
        }
        return contains(text) { $0 &- 0x41 < 26 ? $0 | 0x20 : $0 }
    }

    @inline(__always) private func contains(_ text: UnsafeRawBufferPointer, _ lower: (UInt8) -> UInt8) -> Bool {
        guard text.count >= needle.count else { return false }
        for start in 0...(text.count - needle.count) {
            var length = 0
            while length < needle.count, lower(text[start + length]) == needle[length] { length += 1 }
            if length == needle.count { return true }
        }
        return false
    }
}

extension ByteWriter {
    /// The members of a customer object, without braces.
    fileprivate mutating func append(_ customer: Customer, reference: [UInt8]?) {
        append(text: reference, "\"customerReferenceId\":")
        append(text: customer.firstName, ",\"firstName\":")
        append(text: customer.lastName, ",\"lastName\":")
        append(text: customer.email, ",\"email\":")
        append(text: customer.phoneNumber, ",\"phoneNumber\":")
        append(",\"source\":\"")
        append(customer.source == Customer.fromEvents ? "EVENT_AUTO_CREATED" : "MANUAL")
        append("\",\"createdAt\":\"")
        append(rfc3339: customer.createdAt)
        append("\",\"modifiedAt\":\"")
        append(rfc3339: customer.modifiedAt)
        append(0x22)
    }

    private mutating func append(text: [UInt8]?, _ label: StaticString) {
        append(label)
        if let text { append(jsonString: text) } else { append("null") }
    }
}
