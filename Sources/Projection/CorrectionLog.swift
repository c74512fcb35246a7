// CorrectionLog: the last correction of each event, as far as sums and filters need it: what came since the last flush, and a
// cursor over that and the file together.
//
// Only the place and the outcome are kept here; everything else about a correction is read from the journal when it is shown.
// Corrections of a run come in the order of their events, so the log is as good as sorted when it is asked.

internal import Core
internal import Journal

/// The last correction of an event.
struct CorrectionMark: Equatable {
    static let priced: Int64 = 1
    static let void: Int64 = 2

    var sequence: UInt64
    /// Of the correction.
    var position: JournalPosition
    var flags: Int64
    /// Picodollars; 0 without a cost.
    var cost: Int64

    init(_ correction: Correction, at position: JournalPosition) {
        sequence = correction.sequence
        self.position = position
        flags = 0
        if correction.after.cost != nil { flags |= CorrectionMark.priced }
        if correction.kind == .void { flags |= CorrectionMark.void }
        cost = correction.after.cost?.picodollars ?? 0
    }

    /// Columns of `Schema.readCorrections`.
    init(_ row: Statement) {
        sequence = UInt64(bitPattern: row.integer(0))
        position = JournalPosition(raw: UInt64(bitPattern: row.integer(1)))
        flags = row.integer(2)
        cost = row.integer(3)
    }
}

/// What an event counts for now.
struct CurrentState {
    /// nil when it is unpriced. Of a void event what it cost before.
    var cost: Money?
    var isVoid = false
    /// Place of the last correction; nil when there is none.
    var correction: JournalPosition?

    init(_ event: borrowing EventFact, _ mark: CorrectionMark?) {
        guard let mark else {
            cost = event.isPriced ? event.cost : nil
            return
        }
        cost = mark.flags & CorrectionMark.priced != 0 ? Money(picodollars: mark.cost) : nil
        isVoid = mark.flags & CorrectionMark.void != 0
        correction = mark.position
    }
}

/// The marks since the last flush.
struct CorrectionLog {
    /// After `settle` one for each event, in order of sequence.
    private(set) var marks: [CorrectionMark] = []
    private var isSettled = true

    var count: Int { marks.count }

    /// What this one holds, over what an earlier one does.
    func over(_ earlier: CorrectionLog) -> CorrectionLog {
        var both = CorrectionLog()
        both.marks = earlier.marks + marks
        both.isSettled = false
        both.settle()
        return both
    }

    mutating func add(_ mark: CorrectionMark) {
        if let last = marks.last, last.sequence >= mark.sequence { isSettled = false }
        marks.append(mark)
    }

    /// Brings the marks in order and drops all but the last of each event.
    mutating func settle() {
        guard !isSettled else { return }
        marks.sort { $0.sequence != $1.sequence ? $0.sequence < $1.sequence : $0.position < $1.position }
        var kept = 0
        for index in marks.indices where index + 1 == marks.count || marks[index + 1].sequence != marks[index].sequence {
            marks[kept] = marks[index]
            kept += 1
        }
        marks.removeLast(marks.count - kept)
        isSettled = true
    }

    mutating func removeAll() {
        marks.removeAll(keepingCapacity: marks.count <= Limits.projectionNames)
        isSettled = true
    }
}

/// Finds the marks of one event after another, fast when their sequences ascend. Nothing may be folded or flushed while it is
/// in use, and there is one at a time: the statement is shared.
final class CorrectionCursor {
    /// Rows that are stepped over rather than looked up.
    private static let stride: UInt64 = 64

    private let rows: Statement
    private let unstored: [CorrectionMark]
    /// The first row at or after the sequence asked for last.
    private var row: CorrectionMark?
    private var isAtEnd = false
    /// The next question the row can answer: 0 before the first.
    private var answersFrom = UInt64.max

    init(_ rows: Statement, unstored: [CorrectionMark]) {
        self.rows = rows
        self.unstored = unstored
    }

    deinit { rows.reset() }

    func mark(of sequence: UInt64) throws(SQLiteError) -> CorrectionMark? {
        if let mark = unstoredMark(of: sequence) { return mark }
        if sequence < answersFrom || row.map({ $0.sequence < sequence && sequence - $0.sequence > CorrectionCursor.stride }) == true {
            rows.reset()
            rows.bind(1, Int64(bitPattern: sequence))
            isAtEnd = false
            try step()
        }
        answersFrom = sequence
        while let found = row, found.sequence < sequence { try step() }
        return row?.sequence == sequence ? row : nil
    }

    private func step() throws(SQLiteError) {
        row = nil
        guard !isAtEnd else { return }
        if try rows.step() { row = CorrectionMark(rows) } else { isAtEnd = true }
    }

    private func unstoredMark(of sequence: UInt64) -> CorrectionMark? {
        guard let first = unstored.first, let last = unstored.last, sequence >= first.sequence, sequence <= last.sequence else {
            return nil
        }
        var low = 0
        var high = unstored.count
        while low < high {
            let middle = (low + high) / 2
            if unstored[middle].sequence < sequence { low = middle + 1 } else { high = middle }
        }
        return unstored[low].sequence == sequence ? unstored[low] : nil
    }
}

extension CorrectionCursor {
    @inline(__always) func state(of event: borrowing EventFact) throws(QueryError) -> CurrentState {
        do { return CurrentState(event, try mark(of: event.sequence)) } catch { throw .sqlite(error) }
    }
}
