// Reading events from the journal itself, chunk by chunk, skipping what cannot hold what is looked for.

internal import Core
internal import Journal

extension Projection {
    /// Chunks that may hold events of `from ..< to` (nanoseconds) with a sequence below `below`, newest first, until `visit`
    /// returns false.
    func forEachChunk(
        from: Int64, to: Int64, below: UInt64 = .max, _ visit: (Chunk) throws(QueryError) -> Bool
    ) throws(QueryError) {
        guard let books else { return }
        let unstored = folder.chunks.unstored
        for chunk in unstored.reversed() where chunk.latest >= from && chunk.earliest < to && chunk.firstSequence < below {
            guard try visit(chunk) else { return }
        }
        let end = unstored.first?.position ?? JournalPosition(raw: UInt64(Int64.max))
        try books.forEachChunk(before: end, from: from, to: to, below: below, visit)
    }

    /// The events from one place of the journal to another, in order, with the position of each.
    func forEachEvent(
        from position: JournalPosition, to end: JournalPosition, _ visit: (EventFact, JournalPosition) throws(QueryError) -> Void
    ) throws(QueryError) {
        do {
            try scanner.read(from: position, through: end, body: &scanBody) { batch, body in
                guard batch.eventCount > 0 else { return true }
                var reader = FactReader(body)
                while let fact = reader.next() {
                    guard fact.rawType == FactType.event.rawValue, let event = EventFact(fact.payload) else { continue }
                    try visit(event, batch.position(ofBodyOffset: fact.offset))
                }
                return true
            }
        } catch {
            if case .visitor(let inner as QueryError) = error { throw inner }
            throw .journal(error)
        }
    }
}

extension JournalReader {
    /// Below this much journal, batches are read one by one: a window of 4 MiB costs more than it saves.
    private static var windowBytes: UInt64 { 2 * 1024 * 1024 }

    /// Every batch from one place to another, until `visit` returns false. `body` is memory to use.
    mutating func read(
        from position: JournalPosition, through end: JournalPosition, body: inout ByteWriter,
        _ visit: (BatchInfo, UnsafeRawBufferPointer) throws -> Bool
    ) throws(JournalError) {
        guard position.segment == end.segment, end.raw - min(end.raw, position.raw) < JournalReader.windowBytes else {
            try forEachBatch(from: position, durableEnd: end, visit)
            return
        }
        var at = position
        while at < end, let batch = try readBatch(at: at, durableEnd: end, into: &body) {
            do {
                guard try visit(batch, body.bytes) else { return }
            } catch {
                throw .visitor(error)
            }
            at = batch.end
        }
    }
}
