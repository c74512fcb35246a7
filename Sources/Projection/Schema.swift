// Schema: the tables of books.db, and the arithmetic that keeps 128-bit sums exact in 64-bit columns.
//
// A sum of picodollars or of millionths is stored as two integers: `…_hi` = floor(sum / 10^12) and `…_lo` = the rest, from 0
// to 10^12 - 1. For money that is whole dollars and picodollars; for quantities it is millions of units and millionths. One
// event adds at most 9,223,372 to `…_hi`, so a column overflows after 10^12 events of the largest amount, not before. In the table
// `recent` the rest is not carried over: there `…_lo` may be more (`addRecent`).
//
// Every fact a table holds can be read again from the journal: the file may be deleted at any time.

internal import CSQLite
internal import Core

enum Schema {
    /// Raised whenever a table or the meaning of a column changes; a file of another version is made anew.
    static let version: Int64 = 7
    /// "Purs", in the header of the file.
    static let applicationID: Int64 = 0x5075_7273

    /// Lengths of time a row sums over. `start` is in hours since 1970 (UTC). Rows of all customers together have `customer`
    /// 0 and 4 more: what is not asked by customer is then read from few rows however many customers there are. Rows of a customer
    /// whatever the events were for have 8 more and no other name; there are none by the hour.
    ///
    /// Single customers' rows of the last hours stand in a table of their own (`Recent`) and are in none of these yet. The views
    /// add them.
    enum Span: Int64, CaseIterable {
        case hour = 0
        case day = 1
        case month = 2
        /// Everything; `start` is 0.
        case all = 3

        /// What stands in the column.
        func code(_ rows: Rows) -> Int64 { rawValue + rows.rawValue }
    }

    /// Which names the rows of a span tell apart.
    enum Rows: Int64 {
        case each = 0
        /// All customers together.
        case together = 4
        /// Customers, and nothing else.
        case customers = 8
    }

    static let sumColumns = ["usage_units", "input_tokens", "output_tokens", "cost", "revenue"]

    /// Of `customers`, `origin` is the journal position of the first fact that named the customer: unique, stable over rebuilds, in
    /// order of appearance. `source` 1 is EVENT_AUTO_CREATED, 2 MANUAL. Times are nanoseconds.
    static let create = """
        CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
        CREATE TABLE names(id INTEGER PRIMARY KEY, text TEXT NOT NULL);
        CREATE INDEX names_by_text ON names(text);
        CREATE TABLE customers(
            origin INTEGER PRIMARY KEY, reference INTEGER UNIQUE, source INTEGER NOT NULL, created_at INTEGER NOT NULL,
            modified_at INTEGER NOT NULL, first_name TEXT, last_name TEXT, email TEXT, phone_number TEXT);
        CREATE TABLE rollups(
            span INTEGER NOT NULL, start INTEGER NOT NULL, customer INTEGER NOT NULL, feature INTEGER NOT NULL,
            model INTEGER NOT NULL, provider INTEGER NOT NULL, event_name INTEGER NOT NULL,
            events INTEGER NOT NULL, unpriced_events INTEGER NOT NULL,
            usage_units_hi INTEGER NOT NULL, usage_units_lo INTEGER NOT NULL,
            input_tokens_hi INTEGER NOT NULL, input_tokens_lo INTEGER NOT NULL,
            output_tokens_hi INTEGER NOT NULL, output_tokens_lo INTEGER NOT NULL,
            cost_hi INTEGER NOT NULL, cost_lo INTEGER NOT NULL,
            revenue_hi INTEGER NOT NULL, revenue_lo INTEGER NOT NULL,
            PRIMARY KEY(span, start, customer, feature, model, provider, event_name)) WITHOUT ROWID;
        CREATE TABLE buckets(
            id INTEGER PRIMARY KEY, start INTEGER NOT NULL, feature INTEGER NOT NULL, model INTEGER NOT NULL,
            provider INTEGER NOT NULL, event_name INTEGER NOT NULL);
        CREATE TABLE recent(
            id INTEGER PRIMARY KEY, events INTEGER NOT NULL, unpriced_events INTEGER NOT NULL,
            usage_units_hi INTEGER NOT NULL, usage_units_lo INTEGER NOT NULL,
            input_tokens_hi INTEGER NOT NULL, input_tokens_lo INTEGER NOT NULL,
            output_tokens_hi INTEGER NOT NULL, output_tokens_lo INTEGER NOT NULL,
            cost_hi INTEGER NOT NULL, cost_lo INTEGER NOT NULL,
            revenue_hi INTEGER NOT NULL, revenue_lo INTEGER NOT NULL);
        CREATE TABLE chunks(
            position INTEGER PRIMARY KEY, end_position INTEGER NOT NULL, first_sequence INTEGER NOT NULL, events INTEGER NOT NULL,
            earliest INTEGER NOT NULL, latest INTEGER NOT NULL, filter BLOB NOT NULL);
        CREATE TABLE corrections(
            sequence INTEGER PRIMARY KEY, position INTEGER NOT NULL, flags INTEGER NOT NULL, cost INTEGER NOT NULL);
        CREATE TABLE dropped_hours(hour INTEGER PRIMARY KEY);
        INSERT INTO meta VALUES('buckets', 0);
        \(view("hourly", .hour)); \(view("daily", .day)); \(view("monthly", .month)); \(view("totals", .all));
        CREATE VIEW customer_list AS SELECT n.text AS customer, c.first_name, c.last_name, c.email, c.phone_number,
            CASE c.source WHEN 1 THEN 'EVENT_AUTO_CREATED' ELSE 'MANUAL' END AS source,
            strftime('%Y-%m-%dT%H:%M:%SZ', c.created_at / 1000000000, 'unixepoch') AS created_at,
            strftime('%Y-%m-%dT%H:%M:%SZ', c.modified_at / 1000000000, 'unixepoch') AS modified_at
            FROM customers c LEFT JOIN names n ON n.id = c.reference;
        PRAGMA user_version = \(version);
        PRAGMA application_id = \(applicationID);
        """

    private static func exact(_ column: String, money: Bool) -> String {
        let hi = "r.\(column)_hi"
        let lo = "r.\(column)_lo"
        if money { return "printf('%d.%012d', \(hi), \(lo)) AS \(column)" }
        return """
            CASE WHEN \(hi) = 0 THEN printf('%d.%06d', \(lo) / 1000000, \(lo) % 1000000)
            ELSE printf('%d%06d.%06d', \(hi), \(lo) / 1000000, \(lo) % 1000000) END AS \(column)
            """
    }

    /// Names for numbers, and exact decimals. A stored sum is never negative: what a correction takes out was put in before it.
    private static func view(_ name: String, _ span: Span) -> String {
        let start =
            switch span {
            case .hour: "strftime('%Y-%m-%dT%H:00:00Z', r.start * 3600, 'unixepoch') AS hour,"
            case .day: "strftime('%Y-%m-%d', r.start * 3600, 'unixepoch') AS day,"
            case .month: "strftime('%Y-%m', r.start * 3600, 'unixepoch') AS month,"
            case .all: ""
            }
        return """
            CREATE VIEW \(name) AS SELECT \(start) c.text AS customer, f.text AS feature, m.text AS model, p.text AS provider,
                e.text AS event_name, r.events, r.unpriced_events,
                \(exact("usage_units", money: false)), \(exact("input_tokens", money: false)), \(exact("output_tokens", money: false)),
                \(exact("cost", money: true)), \(exact("revenue", money: true))
                FROM \(rows(span)) r LEFT JOIN names c ON c.id = r.customer LEFT JOIN names f ON f.id = r.feature
                LEFT JOIN names m ON m.id = r.model LEFT JOIN names p ON p.id = r.provider LEFT JOIN names e ON e.id = r.event_name
            """
    }

    /// The rows of a span with those of hours that are not in them yet.
    private static func rows(_ span: Span) -> String {
        let names = "customer, feature, model, provider, event_name"
        let start: String
        switch span {
        case .hour: start = "b.start"
        case .day: start = "b.start / 24 * 24"
        case .month: start = "CAST(strftime('%s', b.start * 3600, 'unixepoch', 'start of month') AS INTEGER) / 3600"
        case .all: start = "0"
        }
        var columns = ["events", "unpriced_events"]
        var sums = ["sum(events) AS events", "sum(unpriced_events) AS unpriced_events"]
        for sum in sumColumns {
            columns += ["\(sum)_hi", "\(sum)_lo"]
            sums.append("sum(\(sum)_hi) + sum(\(sum)_lo) / 1000000000000 AS \(sum)_hi")
            sums.append("sum(\(sum)_lo) % 1000000000000 AS \(sum)_lo")
        }
        let all = columns.joined(separator: ", ")
        return """
            (SELECT start, \(names), \(sums.joined(separator: ", ")) FROM (
                SELECT start, \(names), \(all) FROM rollups WHERE span = \(span.rawValue)
                UNION ALL SELECT \(start), r.id >> 31, b.feature, b.model, b.provider, b.event_name, \(all)
                    FROM recent r JOIN buckets b ON b.id = r.id & 2147483647)
            GROUP BY start, \(names))
            """
    }

    static var upsert: String {
        var columns = ["span", "start", "customer", "feature", "model", "provider", "event_name", "events", "unpriced_events"]
        var updates = ["events = events + excluded.events", "unpriced_events = unpriced_events + excluded.unpriced_events"]
        for sum in sumColumns {
            columns += ["\(sum)_hi", "\(sum)_lo"]
            updates.append("\(sum)_hi = \(sum)_hi + excluded.\(sum)_hi + (\(sum)_lo + excluded.\(sum)_lo) / 1000000000000")
            updates.append("\(sum)_lo = (\(sum)_lo + excluded.\(sum)_lo) % 1000000000000")
        }
        let places = columns.indices.map { "?\($0 + 1)" }.joined(separator: ",")
        return """
            INSERT INTO rollups(\(columns.joined(separator: ","))) VALUES(\(places))
            ON CONFLICT DO UPDATE SET \(updates.joined(separator: ","))
            """
    }

    /// Adds to a row of an hour that is not summed up. The rest of a sum is not carried over: each time adds less than 10^12, so nine
    /// million times fit, and a row is added to once a flush (twice, with an amount near the largest there is) and moved two hours after.
    static var addRecent: String {
        var columns = ["events", "unpriced_events"]
        for sum in sumColumns { columns += ["\(sum)_hi", "\(sum)_lo"] }
        let places = (0...columns.count).map { "?\($0 + 1)" }.joined(separator: ",")
        let updates = columns.map { "\($0) = \($0) + excluded.\($0)" }.joined(separator: ",")
        return "INSERT INTO recent VALUES(\(places)) ON CONFLICT DO UPDATE SET \(updates)"
    }

    /// Column 0: the key; 1, 2: counts; 3…12: sums.
    static let readRecent = "SELECT * FROM recent WHERE id BETWEEN ?1 AND ?2 ORDER BY id"

    /// Columns 0-5: start and the five names; 6, 7: counts; 8…17: sums.
    static let readRollups = """
        SELECT start, customer, feature, model, provider, event_name, events, unpriced_events, usage_units_hi, usage_units_lo,
        input_tokens_hi, input_tokens_lo, output_tokens_hi, output_tokens_lo, cost_hi, cost_lo, revenue_hi, revenue_lo FROM rollups
        """

    /// The last corrections of events from a sequence on: `CorrectionMark`.
    static let readCorrections = "SELECT sequence, position, flags, cost FROM corrections WHERE sequence >= ?1 ORDER BY sequence"

    static let customerColumns =
        "c.origin, c.reference, c.source, c.created_at, c.modified_at, c.first_name, c.last_name, c.email, c.phone_number"
}

/// A sum as its two columns.
struct SplitSum {
    static let unit: Int128 = 1_000_000_000_000
    var high: Int64
    var low: Int64

    init(_ total: Int128) {
        // Nearly all of them: the machine divides these many times faster.
        if let small = Int64(exactly: total), small >= 0 {
            high = small / Int64(SplitSum.unit)
            low = small % Int64(SplitSum.unit)
            return
        }
        var (quotient, remainder) = total.quotientAndRemainder(dividingBy: SplitSum.unit)
        if remainder < 0 {
            remainder += SplitSum.unit
            quotient -= 1
        }
        high = Int64(clamping: quotient)
        low = Int64(remainder)
    }

    @inline(__always) static func joined(_ high: Int64, _ low: Int64) -> Int128 { Int128(high) * unit + Int128(low) }
}
