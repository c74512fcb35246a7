import Testing

@testable import Fetch

@Test func nothingYet() { #expect(!Fetch.isLoaded) }
