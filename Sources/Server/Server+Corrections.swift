// Corrections as the server makes them: rounds of the lane, from the question to the durable answer.

internal import Core
internal import Journal
internal import Ledger
internal import Wire

extension Server {
    // MARK: Rounds

    /// Takes a job into the lane. The requester's connection waits for its answer.
    mutating func submit(_ work: CorrectionJob.Work, _ context: inout RequestContext) {
        let id = identify(context.index)
        guard lane.count < Limits.pendingQueries,
            askedQueries.admit(id, principal: context.principal, bytes: Server.cost(of: context))
        else {
            fail(&context, 503, "overloaded", "Too many corrections are waiting; try again")
            return
        }
        putAside(&context)
        lane.waiting.append(CorrectionJob(work: work, requester: id))
        advanceLane()
    }

    /// Nanoseconds before pricing what is unpriced is tried again after it failed.
    static let pricingPause: UInt64 = 60_000_000_000

    /// Prices what is unpriced, in the background: asked for at the start and whenever other prices come into force.
    mutating func priceUnpriced() {
        ledger.hasPricedAll = ledger.totalUnpriced == 0
        guard ledger.totalUnpriced > 0, !lane.expectsPricing, ledger.runs.count < Limits.correctionRuns else { return }
        var filter = EventFilter()
        filter.unpriced = true
        var query = RepriceQuery(prices: ledger.shelf.texts, filter: filter)
        query.passesDropped = true
        lane.waiting.append(
            CorrectionJob(work: .reprice(query, .pricing, filter: Array("{\"unpriced\":true}".utf8)), requester: nil))
        advanceLane()
    }

    /// Asks the next question, if none is open. It is held until everything written so far is durable.
    mutating func advanceLane() {
        guard !draining, var job = lane.next() else { return }
        job.takePrices(ledger.shelf.texts, catalogue: catalogueInForce, nextSequence: ledger.nextSequence)
        lane.active = job
        let pending = PendingQuery(connection: CorrectionLane.id, query: job.query)
        if pipelineBox.pointee.waitNumber > pipelineBox.pointee.durable {
            heldQueries.append((pipelineBox.pointee.waitNumber, pending))
        } else {
            queries.append(pending)
        }
    }

    /// The query thread's answer to the lane's question.
    mutating func laneAnswered(_ answer: QueryAnswer) {
        guard let job = lane.active else { return }
        if case .catalogue(_, let bundle, _, let dryRun) = job.work, answer.status == 200 {
            finish(job, dryRun ? answer : load(bundle, answer))
            return
        }
        guard answer.status == 200, answer.corrections != nil else {
            finish(job, answer)
            return
        }
        lane.pending = (answer, 0)
        writeCorrections()
    }

    /// Writes what the lane has in hand, as far as there is room; called again when there is more.
    mutating func writeCorrections() {
        guard var job = lane.active, let pending = lane.pending, let block = pending.answer.corrections else { return }
        var index = pending.written
        // A run begins with its first correction and is over with its last: what changes nothing leaves no trace.
        while index <= block.corrections.count {
            let isEnd = index == block.corrections.count
            if isEnd, block.next != nil || job.run == 0 { break }
            switch pipelineBox.pointee.makeRoom(firstSequence: ledger.nextSequence, now: now.wall) {
            case .ready: break
            case .storageFull where job.isShort:
                lane.pending = nil
                finish(job, QueryAnswer(status: 507, code: "storage_full", message: "No room on the disk of the daemon"))
                return
            case .wait, .storageFull:
                lane.active = job
                lane.pending?.written = index
                return
            }
            if !job.isShort, job.run == 0 { job.run = begin(job) }
            if isEnd {
                ledger.endRun(job.run, at: now.wall, into: &pipelineBox.pointee.openBatch().pointee)
                break
            }
            write(block.corrections[index], of: block, job)
            index += 1
        }
        lane.pending = nil
        if let next = block.next {
            job.cursor = next
            lane.goOn(job)
            advanceLane()
        } else {
            finish(job, pending.answer)
        }
    }

    private mutating func begin(_ job: CorrectionJob) -> UInt32 {
        let batch = pipelineBox.pointee.openBatch()
        switch job.work {
        case .reprice(_, let kind, let filter):
            return ledger.beginRun(kind, reverses: 0, filter: filter, at: now.wall, into: &batch.pointee)
        case .reverse(let run, _, _, let filter):
            return ledger.beginRun(.reverse, reverses: run, filter: filter, at: now.wall, into: &batch.pointee)
        case .void, .catalogue: return 0
        }
    }

    private mutating func write(_ correction: Correction, of block: CorrectionBlock, _ job: CorrectionJob) {
        var correction = correction
        correction.run = job.run
        correction.at = now.wall
        var derivation: [UInt8]?
        if block.pricesAreIndexes, correction.kind != .void, correction.after.price != noString {
            let index = Int(correction.after.price) - 1
            derivation = index < block.derivations.count ? block.derivations[index] : nil
            correction.after.price = noString
        }
        ledger.correct(correction, derivation: derivation, into: &pipelineBox.pointee.openBatch().pointee)
        metrics.corrections += 1
    }

    /// The job is over: its requester is told once everything is durable, and the next job begins.
    private mutating func finish(_ job: CorrectionJob, _ answer: QueryAnswer) {
        lane.active = nil
        lane.pending = nil
        note(job, answer)
        if case .reprice(_, .pricing, _) = job.work { ledger.hasPricedAll = answer.status == 200 && !lane.expectsPricing }
        if let requester = job.requester {
            askedQueries.close(requester)
            respond(requester) { server, context in
                guard answer.status == 200 else {
                    server.write(answer, to: &context)
                    return
                }
                switch job.work {
                case .void(_, _, let reason): server.writeVoid(&context, answer, reason)
                case .reprice, .reverse: server.writeRun(&context, job)
                case .catalogue(_, _, _, let dryRun): server.writeCatalogue(&context, answer, applied: !dryRun)
                }
            }
        }
        advanceLane()
    }

    /// What a job changed, for the log. What nobody asked for is told when it fails, too.
    private mutating func note(_ job: CorrectionJob, _ answer: QueryAnswer) {
        guard answer.status == 200 else {
            guard job.requester == nil else { return }
            notices.append(Notice("prices", "prices: \(answer.message)"))
            // What waits for its price is not forgotten because the books were busy or full.
            if case .reprice(_, .pricing, _) = job.work { pricingRetry = now.monotonic + Server.pricingPause }
            return
        }
        switch job.work {
        case .void: break
        case .catalogue(_, _, _, let dryRun):
            guard !dryRun else { break }
            notices.append(Notice("prices", "prices: \(ledger.priceBookVersion) is in force, \(ledger.priceRowCount) rows"))
        case .reprice, .reverse:
            guard job.run > 0 else { return }
            let run = ledger.runs[Int(job.run) - 1]
            let text = "run \(job.run): \(run.events) events corrected, \(run.newlyPriced) of them had no cost before"
            notices.append(Notice("corrections", text))
        }
    }

    /// Loads a catalogue that the daemon fetched itself, if it may follow the one in force.
    public mutating func submitCatalogue(_ bundle: [UInt8], at instant: Instant) {
        now = instant
        lane.waiting.append(
            CorrectionJob(work: .catalogue(current: catalogueInForce, bundle: bundle, force: false, dryRun: false), requester: nil))
        advanceLane()
    }

    /// The bundle of the catalogue in force; nil for the one built in.
    public var catalogueInForce: [UInt8]? { ledger.shelf.usesLoaded ? ledger.shelf.loaded?.bundle : nil }

    /// No more rounds: whoever waits is told that the daemon stops. What was written of a run stays.
    mutating func stopLane() {
        let jobs = [lane.active, lane.paused].compactMap(\.self) + lane.waiting
        lane = CorrectionLane()
        let answer = QueryAnswer(status: 503, code: "overloaded", message: "The daemon is stopping")
        for job in jobs {
            guard let requester = job.requester else { continue }
            askedQueries.close(requester)
            respond(requester) { server, context in server.write(answer, to: &context) }
        }
    }

    // MARK: Answers

    private mutating func writeVoid(_ context: inout RequestContext, _ answer: QueryAnswer, _ reason: [UInt8]) {
        guard let correction = answer.corrections?.corrections.first else {
            fail(&context, 500, "internal_error", "Internal Server Error")
            return
        }
        let time = now.wall
        self.answer(&context, 200, wait: true) { output in
            output.append("{\"data\":{")
            output.append(answer.data)
            output.append(",\"voided\":true,\"voidedAt\":\"")
            output.append(rfc3339: time)
            output.append("\",\"reason\":")
            output.append(jsonString: reason)
            if let cost = correction.before.cost {
                output.append(",\"costAmount\":")
                output.append(money: cost)
            }
            output.append(",\"revenueAmount\":")
            output.append(money: correction.counts.revenue)
            output.append("},\"success\":true}")
        }
    }

    private mutating func writeRun(_ context: inout RequestContext, _ job: CorrectionJob) {
        guard job.run > 0 else {
            answer(&context, 200) { output in
                output.append("{\"data\":{\"id\":null,\"status\":\"unchanged\",\"events\":0,\"newlyPriced\":0,\"costBefore\":0,")
                output.append("\"costAfter\":0,\"costDifference\":0},\"success\":true}")
            }
            return
        }
        let run = ledger.runs[Int(job.run) - 1]
        let current = lane.currentRun
        answer(&context, 201, wait: true) { output in
            output.append("{\"data\":")
            Server.append(&output, run, current: current)
            output.append(",\"success\":true}")
        }
    }

    /// One run as JSON.
    static func append(_ output: inout ByteWriter, _ run: CorrectionRun, current: UInt32) {
        let begun = run.begun
        output.append("{\"id\":")
        output.append(unsigned: UInt64(begun.id))
        output.append(",\"kind\":\"")
        output.append(begun.kind.name)
        output.append("\",\"status\":\"")
        if run.reversedBy != 0 {
            output.append("reversed")
        } else if run.end != nil {
            output.append("applied")
        } else {
            output.append(begun.id == current ? "running" : "interrupted")
        }
        output.append("\",\"at\":\"")
        output.append(rfc3339: begun.at)
        if let endedAt = run.endedAt {
            output.append("\",\"endedAt\":\"")
            output.append(rfc3339: endedAt)
        }
        output.append("\",\"filter\":")
        output.append(begun.filter)
        output.append(",\"prices\":")
        output.append(jsonString: begun.prices)
        if begun.reverses != 0 {
            output.append(",\"reverses\":")
            output.append(unsigned: UInt64(begun.reverses))
        }
        if run.reversedBy != 0 {
            output.append(",\"reversedBy\":")
            output.append(unsigned: UInt64(run.reversedBy))
        }
        output.append(",\"events\":")
        output.append(unsigned: run.events)
        output.append(",\"newlyPriced\":")
        output.append(unsigned: run.newlyPriced)
        output.append(",\"costBefore\":")
        output.append(money: run.before)
        output.append(",\"costAfter\":")
        output.append(money: run.after)
        output.append(",\"costDifference\":")
        output.append(money: run.after - run.before)
        output.append(0x7D)
    }
}
