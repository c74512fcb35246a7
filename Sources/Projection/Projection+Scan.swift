// Reading events from the journal itself, chunk by chunk, skipping what cannot hold what is looked for.

internal import Core
internal import Journal

extension Projection {
    /// Chunks that may hold events of `from ..< to` (nanoseconds) with a sequence below `below` and all of `probes`, newest first,
    /// until `visit` returns false.
    func forEachChunk(
        from: Int64, to: Int64, below: UInt64 = .max, probes: [ChunkProbe], _ visit: (Chunk) throws(QueryError) -> Bool
    ) throws(QueryError) {
        guard let books else { return }
        let unstored = folder.chunks.unstored
        for chunk in unstored.reversed() where chunk.latest >= from && chunk.earliest < to && chunk.firstSequence < below {
            guard let kept = kept(chunk) else { return }
            guard kept.mayHold(probes) else { continue }
            guard try visit(kept) else { return }
        }
        let end = unstored.first?.position ?? JournalPosition(raw: UInt64(Int64.max))
        try books.forEachChunk(before: end, from: from, to: to, below: below, probes: probes) { (chunk) throws(QueryError) in
            guard let kept = kept(chunk) else { return false }
            return try visit(kept)
        }
    }

    /// What is kept of a chunk: a batch that ends one may stand in the next segment.
    private func kept(_ chunk: Chunk) -> Chunk? {
        guard chunk.end > dropped.keptFrom else { return nil }
        var chunk = chunk
        chunk.position = max(chunk.position, dropped.keptFrom)
        return chunk
    }

    /// The events from one place of the journal to another, in order, with the position of each, until `visit` returns false.
    func forEachEvent(
        from position: JournalPosition, to end: JournalPosition, _ visit: (EventFact, JournalPosition) throws(QueryError) -> Bool
    ) throws(QueryError) {
        try forEachBatch(from: position, to: end) { (batch, body) throws(QueryError) in
            guard batch.eventCount > 0 else { return true }
            var reader = FactReader(body)
            while let fact = reader.next() {
                guard fact.rawType == FactType.event.rawValue, let event = EventFact(fact.payload) else { continue }
                guard try visit(event, batch.position(ofBodyOffset: fact.offset)) else { return false }
            }
            return true
        }
    }

    /// The corrections from one place of the journal to another, in order, with the position of each, until `visit` returns false.
    func forEachCorrection(
        from position: JournalPosition, to end: JournalPosition, _ visit: (Correction, JournalPosition) throws(QueryError) -> Bool
    ) throws(QueryError) {
        try forEachBatch(from: position, to: end) { (batch, body) throws(QueryError) in
            var reader = FactReader(body)
            while let fact = reader.next() {
                guard fact.rawType == FactType.correction.rawValue, let correction = Correction(fact.payload) else { continue }
                guard try visit(correction, batch.position(ofBodyOffset: fact.offset)) else { return false }
            }
            return true
        }
    }

    private func forEachBatch(
        from position: JournalPosition, to end: JournalPosition, _ visit: (BatchInfo, UnsafeRawBufferPointer) throws(QueryError) -> Bool
    ) throws(QueryError) {
        do {
            try scanner.read(from: position, through: end, body: &scanBody) { batch, body in try visit(batch, body) }
        } catch {
            if case .visitor(let inner as QueryError) = error { throw inner }
            throw .journal(error)
        }
    }

    // MARK: - In journal order, in steps

    /// How far a step came.
    struct Step {
        /// Where to go on; nil when everything was looked at.
        var next: JournalPosition?
        /// Facts looked at.
        var scanned: UInt64 = 0
    }

    /// Stretches of journal that may hold what is looked for, in journal order: about `scanBytes` of them. The first may begin
    /// before `place`, the last end after `end`, because batches are read whole. The
    /// second value is where the next ones begin; nil when there are none before `end`.
    func stretches(
        from place: JournalPosition, to end: JournalPosition, _ mayHold: (Chunk) -> Bool
    ) throws(QueryError) -> (list: [(from: JournalPosition, to: JournalPosition)], next: JournalPosition?) {
        guard let books else { throw QueryError.unavailable }
        let place = max(place, dropped.keptFrom)
        var list: [(from: JournalPosition, to: JournalPosition)] = []
        var budget = scanBytes
        var next: JournalPosition?
        func take(_ chunk: Chunk) -> Bool {
            guard chunk.end > place, let chunk = kept(chunk) else { return true }
            guard chunk.position < end else { return false }
            guard budget > 0 else {
                next = max(place, chunk.position)
                return false
            }
            // A description that is looked at costs something too.
            budget -= ChunkProbe.filterBytes
            guard mayHold(chunk) else { return true }
            budget -= chunk.bytes
            if let last = list.indices.last, list[last].to == chunk.position {
                list[last].to = chunk.end
            } else {
                list.append((chunk.position, chunk.end))
            }
            return true
        }
        let unstored = folder.chunks.unstored
        let firstUnstored = unstored.first?.position ?? JournalPosition(raw: UInt64(Int64.max))
        var goesOn = true
        try books.forEachChunk(from: place, before: min(end, firstUnstored)) { (chunk) throws(QueryError) in
            goesOn = take(chunk)
            return goesOn
        }
        for chunk in unstored where goesOn { goesOn = take(chunk) }
        return (list, next)
    }

    /// Hands on the events that fit, in journal order from `place` to `end`, with what each counts for now, about `scanBytes` of
    /// journal at a time. `visit` returns false when it wants no more before the next step, and then gets the same event again.
    func scan(
        _ filter: ResolvedFilter, from place: JournalPosition, to end: JournalPosition,
        _ visit: (EventFact, JournalPosition, CurrentState) throws(QueryError) -> Bool
    ) throws(QueryError) -> Step {
        var step = Step()
        guard !filter.matchesNothing else { return step }
        let (list, next) = try stretches(from: place, to: end) { chunk in
            chunk.latest >= filter.from && chunk.earliest < filter.to && chunk.mayHold(filter.probes)
        }
        let cursor = try correctionCursor()
        var stopped: JournalPosition?
        for stretch in list where stopped == nil {
            try forEachEvent(from: stretch.from, to: stretch.to) { (event, position) throws(QueryError) in
                guard position >= place, position < end else { return true }
                if filter.matches(event) {
                    let state = try cursor.state(of: event)
                    if filter.accepts(state), try !visit(event, position, state) {
                        stopped = position
                        return false
                    }
                }
                step.scanned += 1
                return true
            }
        }
        step.next = stopped ?? next
        return step
    }

    // MARK: - Corrections

    /// Finds what events count for now; nothing may be folded or flushed while it is in use.
    func correctionCursor() throws(QueryError) -> CorrectionCursor {
        guard let books else { throw QueryError.unavailable }
        folder.corrections.settle()
        let unstored = flushing.map { folder.corrections.over($0.corrections) } ?? folder.corrections
        return CorrectionCursor(books.readCorrections, unstored: unstored.marks)
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
