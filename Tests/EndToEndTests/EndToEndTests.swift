// The built binaries, driven from outside by the scenarios in `drivers/`: Python, the standard library only (and Selenium for
// the page), sharing no code with what it judges. Each scenario has a state directory and sockets of its own and ends its
// daemons in every case.
//
// `PURSER_BIN` names a folder of other binaries (a release build); without it those beside this test bundle are taken.

import Foundation
import Testing

private let drivers = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("drivers")

/// Where `purserd` and `purser` are.
private func binaries() throws -> URL {
    if let folder = ProcessInfo.processInfo.environment["PURSER_BIN"] { return URL(fileURLWithPath: folder) }
    // The tests run inside the bundle, or inside a helper of the toolchain that was given its path.
    let candidates = [try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")] + CommandLine.arguments
    for candidate in candidates {
        let folder = URL(fileURLWithPath: candidate).deletingLastPathComponent()
        if FileManager.default.isExecutableFile(atPath: folder.appendingPathComponent("purserd").path) { return folder }
    }
    throw Unfound(description: "purserd is not beside \(candidates)")
}

private struct Unfound: Error, CustomStringConvertible {
    var description: String
}

/// Runs one scenario, for ten minutes at most. The tests have no time limit of their own: its clock would run while they wait for
/// others, which on two cores can be longer than any of them takes.
private func scenario(_ name: String) throws {
    let python = Process()
    python.executableURL = URL(fileURLWithPath: "/usr/bin/python3")
    python.arguments = ["-I", drivers.appendingPathComponent("run.py").path, "--bin", try binaries().path, "--limit", "600", name]
    python.standardInput = FileHandle.nullDevice
    let pipe = Pipe()
    python.standardOutput = pipe
    python.standardError = pipe
    try python.run()
    let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    python.waitUntilExit()
    switch python.terminationStatus {
    case 0: break
    case 77: print(output, terminator: "")
    default: Issue.record("\(name):\n\(output)")
    }
}

struct HTTPTests {
    @Test func onlyGoodKeysGetIn() throws { try scenario("keys_and_scopes") }
    @Test func unknownPathsAndWrongMethodsAreNamed() throws { try scenario("paths_and_methods") }
    @Test func aRequestHasOneReading() throws { try scenario("framing") }
    @Test func onlyAllowedOriginsAreAnswered() throws { try scenario("cross_origin") }
    @Test func everySizeHasALimit() throws { try scenario("limits") }
    @Test func halfARequestHangsAlone() throws { try scenario("half_open_requests") }
    @Test func aRepeatedRequestGetsItsFirstReply() throws { try scenario("replayed_requests") }
    @Test func peersMayVanish() throws { try scenario("vanishing_peers") }
    @Test func theDescriptionIsSound() throws { try scenario("description") }
}

struct EventTests {
    @Test func theQuickstartWorksAsWritten() throws { try scenario("quickstart") }
    @Test func badEventsAreNamedAndNotRecorded() throws { try scenario("bad_events") }
    @Test func textIsData() throws { try scenario("hostile_names") }
    @Test func everyEventOfABatchStandsAlone() throws { try scenario("batches") }
    @Test func aKeyCountsOnce() throws { try scenario("duplicates") }
    @Test func eventsAndCustomersAreFound() throws { try scenario("events_and_customers") }
    @Test func marginsEqualTheOracle() throws { try scenario("margins") }
    @Test func badFramesEndTheirConnectionOnly() throws { try scenario("bad_frames") }
}

struct WireScenarioTests {
    @Test func everyRequestVectorGetsOneReplyOrNone() throws { try scenario("request_vectors") }
    @Test func everyJSONVectorIsReadOneWay() throws { try scenario("json_vectors") }
    @Test func everySizeIsTakenUpToItsLimit() throws { try scenario("around_every_limit") }
    @Test func whatHasNoEndIsRefusedInBoundedMemory() throws { try scenario("without_end") }
    @Test func aWrongTypeNamesItsField() throws { try scenario("wrong_types") }
    @Test func naughtyStringsAreStoredAsTheyAreOrRefused() throws { try scenario("naughty_strings") }
    @Test func theMetricsPageIsWellFormedWhateverComes() throws { try scenario("metrics_page") }
}

struct PriceTests {
    @Test func totalsFollowEveryCorrectionToTheLastDigit() throws { try scenario("corrections") }
    @Test func aSimulationEqualsTheOracle() throws { try scenario("simulated") }
    @Test func aRunCutShortCanBeFinished() throws { try scenario("reprice_killed") }
}

struct ToolTests {
    @Test func theCommandsForPricesWorkAsWritten() throws { try scenario("prices_of_the_readme") }
    @Test func aPriceIsWhatTheDaemonBooks() throws { try scenario("prices_by_the_tool") }
    @Test func nobodyIsCorrectedUnasked() throws { try scenario("corrections_by_the_tool") }
}

struct BenchTests {
    @Test func everyWayOfSendingIsMeasuredAndAgrees() throws { try scenario("measured_by_the_tool") }
    @Test func aLostEventFailsTheVerdict() throws { try scenario("bench_finds_a_loss") }
    @Test func theSuiteHasARowForEveryTarget() throws { try scenario("bench_of_every_target") }
    @Test func aCrowdIsThereWhileItIsMeasured() throws { try scenario("bench_beside_a_crowd") }
    @Test func aMeasurementCanBeCutShort() throws { try scenario("bench_is_interrupted") }
}

struct DurabilityTests {
    @Test func twentyCrashesLoseNothingAndCountNothingTwice() throws { try scenario("killed_under_load") }
    @Test func aCleanStopKeepsEveryAcknowledgement() throws { try scenario("stopped_under_load") }
    @Test func openRequestsAreAnsweredBeforeTheEnd() throws { try scenario("replies_after_stop") }
    @Test func booksComeBackFromTheJournal() throws { try scenario("books_deleted") }
    @Test func aDamagedJournalIsRefused() throws { try scenario("damaged_journal") }
    @Test func aFailedSyncEndsTheDaemon() throws { try scenario("failing_sync") }
    @Test func aFullDiskIsAState() throws { try scenario("full_disk") }
    @Test func fiftyThousandEventsFromAFileAreExact() throws { try scenario("sent_by_the_tool") }
}

/// What an event may cost, as far as it can be counted and need not be timed.
struct CostTests {
    @Test func theDataPathAsksForNoMemoryPerEvent() throws { try scenario("allocations") }
}

/// What one disk can do to the real binary; rows S1 to S10 of the reliability page.
struct StorageTests {
    @Test func aFailedCallEndsTheDaemonOrIsGoneOnFrom() throws { try scenario("failing_journal") }
    @Test func commitsNeedNoRing() throws { try scenario("no_ring") }
    @Test func aFailureWhileStartingChangesNothing() throws { try scenario("failing_recovery") }
    @Test func keysThatCannotBeWrittenDownStayInMemory() throws { try scenario("failing_keys") }
    @Test func aSlowDiskOnlySlows() throws { try scenario("slow_disk") }
    @Test func aDiskThatStopsForSecondsLosesNothing() throws { try scenario("stalled_disk") }
    @Test func aDiskMayFillAndEmptyAgainAndAgain() throws { try scenario("full_disks") }
    @Test func crashesUnderEveryKindOfLoadLoseNothing() throws { try scenario("crash_cycles") }
    @Test func powerLostAtAnyMomentLosesNothing() throws { try scenario("power_lost") }
    @Test func aStartFromACheckpointKnowsWhatTheJournalTells() throws { try scenario("checkpoint") }
    @Test func damageBeforeTheCheckpointIsFoundBehindTheStart() throws { try scenario("old_damage") }
    @Test func leftoversBlockNothingThatIsNotDamage() throws { try scenario("leftovers") }
    @Test func aReaderMadeFromThePageFindsTheSame() throws { try scenario("read_by_the_page") }
    @Test func sealedSegmentsGiveEveryByteBack() throws { try scenario("sealed") }
    @Test func failuresOfSealingAffectNothingElse() throws { try scenario("failing_seals") }
}

/// books.db decides nothing; rows X1 to X3.
struct BooksTests {
    @Test func failuresOfTheBooksAreNotNoticedByIngestion() throws { try scenario("failing_books") }
    @Test func booksThatCannotBeUsedAreSaidAndMadeAnew() throws { try scenario("odd_books") }
    @Test func aKillInsideTheBooksCountsNothingTwice() throws { try scenario("killed_in_the_books") }
    @Test func readersOfTheBooksFindThemWhole() throws { try scenario("read_meanwhile") }
}

/// Once, to the last digit, everywhere; rows D2 and D6.
struct ExactnessTests {
    @Test func retriesAreAnsweredFromTheOriginal() throws { try scenario("retries") }
    @Test func oneJournalMeansTheSameInEveryProcess() throws { try scenario("same_everywhere") }
}

struct KeyTests {
    @Test func retriesOfKeysOnDiskAreAnsweredFromTheOriginal() throws { try scenario("keys_on_disk") }
    @Test func crashesWhileKeysGoToDiskLoseNone() throws { try scenario("killed_with_keys_on_disk") }
    @Test func eventsPastTheirRetentionStandInSums() throws { try scenario("events_past_their_retention") }
    @Test func aCrashWhileDroppingLosesNothing() throws { try scenario("killed_while_dropping") }
}

struct NetworkTests {
    @Test func whoeverSendsOnIsAnswered() throws { try scenario("sending_on") }
    @Test func peersMayVanishAtEveryByte() throws { try scenario("gone_at_every_byte") }
    @Test func peersMayVanishDuringASync() throws { try scenario("gone_during_a_sync") }
    @Test func slowPeersCostNothing() throws { try scenario("slow_peers") }
    @Test func aFloodStopsAtTheMark() throws { try scenario("flood") }
    @Test func oneGreedyClientDoesNotStarveTheOthers() throws { try scenario("greedy") }
    @Test func whoFindsNoDescriptorIsClosedAndCounted() throws { try scenario("few_descriptors") }
    @Test func aFailingAcceptHarmsNobody() throws { try scenario("accepting_fails") }
    @Test func descriptorsMayBeEaten() throws { try scenario("descriptors_are_eaten") }
    @Test func memoryStaysUnderItsBound() throws { try scenario("memory_bound") }
    @Test func tooLittleMemoryEndsTheStart() throws { try scenario("little_memory") }
}

struct ServiceTests {
    @Test func theServiceManagerIsTold() throws { try scenario("manager") }
    @Test func readyComesAfterTheJournalWasRead() throws { try scenario("slow_start") }
    @Test func signsOfLifeStopWhenSomethingHangs() throws { try scenario("signs_of_life") }
    @Test func twentyStopsKeepEveryAcknowledgement() throws { try scenario("stopped_again") }
    @Test func whatIsWrongShows() throws { try scenario("sick") }
    @Test func theWallClockMayJump() throws { try scenario("clocks") }
    @Test func aSuspendedDaemonWakesSane() throws { try scenario("suspended") }
    @Test func theSocketServesWhomTheListNames() throws { try scenario("socket_users") }
    @Test func aKeyIsNowhereButWhereItBelongs() throws { try scenario("keys_nowhere") }
}

struct DashboardTests {
    @Test func aBrowserSignsInWithAKeyOrALinkAndNobodyElseDoes() throws { try scenario("signing_in") }
    @Test func thePageComesWithItsRulesAndUnderItsOwnName() throws { try scenario("page_files") }
    @Test func theFirstFiveMinutesInABrowserGoAsTheyShould() throws { try scenario("page_story") }
    @Test func thePageWorksOutDecimalsAsPythonDoes() throws { try scenario("page_decimals") }
    @Test func anExportAddsUpToTheSameTotals() throws { try scenario("exported") }
    @Test func aStreamShowsEveryEventOnceAlsoAfterABreak() throws { try scenario("streamed") }
    @Test func theStatusAndThePricesAreWhatTheyAre() throws { try scenario("looked_at") }
}

/// What the units in `systemd/` rely on.
struct UnitTests {
    @Test func theLogIsForPeopleAndMachines() throws { try scenario("log_lines") }
    @Test func theStatusShowsLiveFigures() throws { try scenario("status_figures") }
    @Test func aKeyMayBeACredential() throws { try scenario("credential_key") }
    @Test func inheritedSocketsHaveNames() throws { try scenario("sockets_by_name") }
    @Test func theExampleConfigurationIsRight() throws { try scenario("example_configuration") }
    @Test func aJournalCanBeCopiedWhileItGrows() throws { try scenario("journal_copied") }
}

struct ProcessTests {
    @Test func theCommandLineSaysWhatIsWrong() throws { try scenario("command_line") }
    @Test func aBadConfigurationIsNamedByLine() throws { try scenario("configuration") }
    @Test func aSecondDaemonIsRefused() throws { try scenario("second_daemon") }
    @Test func remoteListenersNeedASetting() throws { try scenario("remote_listener") }
    @Test func aReloadTakesGoodSettingsAndRefusesBadOnes() throws { try scenario("reloaded") }
    @Test func inheritedSocketsAreServed() throws { try scenario("inherited_sockets") }
    @Test func theDaemonLinksNoFoundation() throws { try scenario("no_foundation") }
}
