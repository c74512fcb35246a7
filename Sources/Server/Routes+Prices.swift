// Prices over HTTP: which are in force, prices of one's own, another catalogue.

internal import Core
internal import Journal
internal import Ledger
internal import Pricing
internal import Wire

extension Server {
    mutating func listPrices(_ context: inout RequestContext) {
        recordStart()
        let shelf = ledger.shelf
        let (version, rows) = (ledger.priceBookVersion, ledger.priceRowCount)
        answer(&context, 200, wait: true) { output in
            output.append("{\"data\":{\"catalogue\":{\"version\":")
            output.append(jsonString: version)
            if let digest = shelf.usesLoaded ? shelf.loaded?.digest : shelf.builtInDigest {
                output.append(",\"sha256\":\"")
                digest.bytes.withUnsafeBytes { output.append(hex: $0) }
                output.append("\"")
            }
            output.append(",\"rows\":")
            output.append(unsigned: UInt64(rows))
            output.append(",\"builtIn\":")
            output.append(shelf.usesLoaded ? "false" : "true")
            output.append("},\"own\":[")
            for (index, file) in shelf.files.enumerated() {
                if index > 0 { output.append(0x2C) }
                output.append("{\"source\":\"file\",\"name\":")
                output.append(jsonString: file.name)
                output.append(",\"text\":")
                output.append(jsonString: String(decoding: file.bytes, as: UTF8.self))
                output.append(0x7D)
            }
            for (index, price) in shelf.own.enumerated() {
                if index > 0 || !shelf.files.isEmpty { output.append(0x2C) }
                Server.append(&output, price)
            }
            output.append("]},\"success\":true}")
        }
    }

    private static func append(_ output: inout ByteWriter, _ price: PriceShelf.OwnPrice) {
        output.append("{\"source\":\"api\",\"id\":")
        output.append(jsonString: price.id)
        output.append(",\"setAt\":\"")
        output.append(rfc3339: price.at)
        output.append("\",\"text\":")
        output.append(jsonString: price.text)
        output.append(0x7D)
    }

    // MARK: Prices of one's own

    mutating func postPrice(_ context: inout RequestContext, _ body: UnsafeRawBufferPointer) {
        guard let document = try? JSONDocument(body, uniqueKeys: true) else {
            fail(&context, 400, "validation_failed", "Malformed request body")
            return
        }
        let input = PriceInput(document.root)
        if let refusal = input.refusal {
            invalidPrices(&context, refusal)
            return
        }
        guard !ledger.isFilePrice(input.id) else {
            fail(&context, 409, "conflict", "A file has a price of this id")
            return
        }
        guard ledger.shelf.own.count < Limits.ownPrices else {
            fail(&context, 409, "conflict", "There are as many prices as there may be")
            return
        }
        let others = ledger.shelf.own.reduce(0) { $1.id == input.id ? $0 : $0 + $1.text.count }
        guard others + input.toml.count <= Limits.ownPricesBytes else {
            fail(&context, 409, "conflict", "The prices set through the API would be longer together than they may be (1 MiB)")
            return
        }
        change(&context, input.id, text: input.toml.array)
    }

    mutating func deletePrice(_ context: inout RequestContext, _ segment: UnsafeRawBufferPointer) {
        guard let id = decoded(segment), ledger.shelf.own.contains(where: { $0.id == id }) else {
            fail(&context, 404, "not_found", "There is no price of this id that was set through the API")
            return
        }
        change(&context, id, text: nil)
    }

    private mutating func change(_ context: inout RequestContext, _ id: [UInt8], text: [UInt8]?) {
        let change: PriceChange
        do throws(PriceBookError) {
            change = try ledger.prices(with: id, text: text, at: now.wall)
        } catch {
            invalidPrices(&context, error.message)
            return
        }
        guard makeRoom(&context) else { return }
        var fact = OwnPriceFact(operation: text == nil ? .removed : .set, at: now.wall, id: id)
        fact.text = text ?? []
        ledger.apply(change, fact, into: &pipelineBox.pointee.openBatch().pointee)
        pricesChanged()
        let price = ledger.shelf.own.last
        answer(&context, text == nil ? 200 : 201, wait: true) { output in
            if text != nil, let price {
                output.append("{\"data\":")
                Server.append(&output, price)
                output.append(",\"success\":true}")
            } else {
                output.append("{\"success\":true}")
            }
        }
    }

    /// Other prices are in force and written down.
    private mutating func pricesChanged() {
        pricedAtStart = true
        priceUnpriced()
    }

    // MARK: The catalogue

    mutating func getCatalogue(_ context: inout RequestContext) {
        let bundle = catalogueInForce
        answer(&context, 200, content: .text) { output in
            if let bundle { output.append(bundle) } else { PriceBook.appendBuiltIn(to: &output) }
        }
    }

    mutating func putCatalogue(_ context: inout RequestContext, _ query: UnsafeRawBufferPointer, _ body: UnsafeRawBufferPointer) {
        var force = false
        var dryRun = false
        var pairs = HTTPQuery(query)
        while let pair = pairs.next() {
            let value = sameBytes(pair.value, "true")
            guard value || sameBytes(pair.value, "false") || !pair.hasValue else {
                fail(&context, 400, "validation_failed", "Invalid value for parameter: force and dryRun are true or false")
                return
            }
            if pair.isNamed("force") { force = value || !pair.hasValue }
            if pair.isNamed("dryRun") { dryRun = value || !pair.hasValue }
        }
        guard body.count > 0 else {
            invalidPrices(&context, "there is no catalogue in the body")
            return
        }
        submit(.catalogue(current: catalogueInForce, bundle: [UInt8](body), force: force, dryRun: dryRun), &context)
    }

    /// Puts a catalogue into force that was found good. The result is what its sender is told.
    mutating func load(_ bundle: [UInt8], _ checked: QueryAnswer) -> QueryAnswer {
        let change: CatalogueChange
        do throws(PriceBookError) {
            if bundle == CatalogueBundle.builtIn() { return try loadBuiltIn(checked) }
            change = try ledger.prices(withCatalogue: bundle)
        } catch {
            return QueryAnswer(status: 400, code: "invalid_prices", message: error.description)
        }
        guard ledger.shelf.builtInVersion.lexicographicallyPrecedes(change.loaded.version) else {
            return QueryAnswer(
                status: 409, code: "conflict",
                message: "Its version is not later than that of the catalogue built into the program: \(ledger.shelf.builtInName)")
        }
        var offset = 0
        while offset < bundle.count {
            switch pipelineBox.pointee.makeRoom(firstSequence: ledger.nextSequence, now: now.wall) {
            case .ready: break
            case .wait: return QueryAnswer(status: 503, code: "overloaded", message: "Too much is pending; try again")
            case .storageFull: return QueryAnswer(status: 507, code: "storage_full", message: "No room on the disk of the daemon")
            }
            let end = min(bundle.count, offset + Limits.cataloguePartBytes)
            bundle.withUnsafeBytes { bytes in
                let part = CataloguePartFact(offset: UInt64(offset), text: UnsafeRawBufferPointer(rebasing: bytes[offset..<end]))
                pipelineBox.pointee.openBatch().pointee.writer.append(part)
            }
            offset = end
        }
        guard pipelineBox.pointee.makeRoom(firstSequence: ledger.nextSequence, now: now.wall) == .ready else {
            return QueryAnswer(status: 503, code: "overloaded", message: "Too much is pending; try again")
        }
        ledger.apply(change, at: now.wall, into: &pipelineBox.pointee.openBatch().pointee)
        pricesChanged()
        return checked
    }

    /// Goes back to the catalogue built into the program.
    private mutating func loadBuiltIn(_ checked: QueryAnswer) throws(PriceBookError) -> QueryAnswer {
        let book = try ledger.pricesWithBuiltIn()
        guard pipelineBox.pointee.makeRoom(firstSequence: ledger.nextSequence, now: now.wall) == .ready else {
            return QueryAnswer(status: 503, code: "overloaded", message: "Too much is pending; try again")
        }
        ledger.useBuiltIn(book, at: now.wall, into: &pipelineBox.pointee.openBatch().pointee)
        pricesChanged()
        return checked
    }

    mutating func writeCatalogue(_ context: inout RequestContext, _ checked: QueryAnswer, applied: Bool) {
        answer(&context, 200, wait: true) { output in
            output.append("{\"data\":{")
            output.append(checked.data)
            output.append(",\"applied\":")
            output.append(applied ? "true" : "false")
            output.append("},\"success\":true}")
        }
    }
}

/// Whether bytes are this text.
private func sameBytes(_ bytes: UnsafeRawBufferPointer, _ text: StaticString) -> Bool {
    Core.sameBytes(bytes, UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
}
