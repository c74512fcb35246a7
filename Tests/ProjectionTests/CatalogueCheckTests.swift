// What may follow the catalogue in force.

import Core
import Pricing
import Testing

@testable import Projection

@Suite struct CatalogueCheckTests {
    private let now = Timestamp(nanoseconds: 1_795_500_000_000_000_000)

    @Test(arguments: ["2026-11-23", "2026-11-24", "2026-11-23-0a1b2c3d", "2020-01-01"])
    func aDayWithOrWithoutAHashIsAVersion(version: String) {
        #expect(CatalogueCheck.isVersion(Array(version.utf8), until: now))
    }

    @Test(arguments: [
        "", "x", "2026-11-2", "2026-11-23-", "2026-11-23-0A1B2C3D", "2026-11-23-0a1b2c3", "2026-13-01", "9999-99-99-zzzzzzzz", "2999-01-01",
        "2026-11-23|0a1b2c3d", "~~~|\"",
    ])
    func anythingElseIsNone(version: String) { #expect(!CatalogueCheck.isVersion(Array(version.utf8), until: now)) }

    private func answer(_ text: String, force: Bool = false) -> QueryAnswer {
        CatalogueCheck.answer(current: nil, bundle: Array(text.utf8), force: force, now: now)
    }

    @Test func whatIsNoCatalogueIsRefusedAndSoIsOneThatShrinks() {
        #expect(answer("").code == "invalid_prices")
        #expect(answer("version 2026-11-23\n").code == "invalid_prices")
        let row = "title A\nmodel a\nnames a\nrate input=1/M output=1/M\n"
        #expect(answer("version 2026-11-23\nprovider a\n" + row).code == "catalogue_shrinks")
        #expect(answer("version 2026-11-23\nprovider a\n" + row, force: true).status == 200)
        #expect(answer("version 2999-11-23\nprovider a\n" + row, force: true).code == "invalid_prices")
        let twice = "version 2026-11-23\nprovider a\n" + row
        #expect(answer(twice + twice, force: true).code == "invalid_prices")
        #expect(
            answer("version 2026-11-23\nprovider a\ntitle A\nmodel a\nnames a\nrate input=1e-400\n", force: true).code == "invalid_prices")
    }

    @Test func theBuiltInCatalogueChangesNothing() {
        let answer = CatalogueCheck.answer(current: nil, bundle: CatalogueBundle.builtIn(), force: false, now: now)
        #expect(answer.status == 200)
        #expect(String(decoding: answer.data, as: UTF8.self).contains("\"added\":0,\"removed\":0,\"changed\":0"))
    }
}
