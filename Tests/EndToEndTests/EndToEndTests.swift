// The built binaries, driven from outside by the scenarios in `drivers/`: Python, the standard library only, sharing no code
// with what it judges. Each scenario has a state directory and sockets of its own and ends its daemons in every case.
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

private func scenario(_ name: String) throws {
    let python = Process()
    python.executableURL = URL(fileURLWithPath: "/usr/bin/python3")
    python.arguments = ["-I", drivers.appendingPathComponent("run.py").path, "--bin", try binaries().path, name]
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
    @Test(.timeLimit(.minutes(5))) func onlyGoodKeysGetIn() throws { try scenario("keys_and_scopes") }
    @Test(.timeLimit(.minutes(5))) func unknownPathsAndWrongMethodsAreNamed() throws { try scenario("paths_and_methods") }
    @Test(.timeLimit(.minutes(5))) func aRequestHasOneReading() throws { try scenario("framing") }
    @Test(.timeLimit(.minutes(5))) func onlyAllowedOriginsAreAnswered() throws { try scenario("cross_origin") }
    @Test(.timeLimit(.minutes(5))) func everySizeHasALimit() throws { try scenario("limits") }
    @Test(.timeLimit(.minutes(5))) func halfARequestHangsAlone() throws { try scenario("half_open_requests") }
    @Test(.timeLimit(.minutes(5))) func aRepeatedRequestGetsItsFirstReply() throws { try scenario("replayed_requests") }
    @Test(.timeLimit(.minutes(5))) func peersMayVanish() throws { try scenario("vanishing_peers") }
    @Test(.timeLimit(.minutes(5))) func theDescriptionIsSound() throws { try scenario("description") }
}

struct EventTests {
    @Test(.timeLimit(.minutes(5))) func theQuickstartWorksAsWritten() throws { try scenario("quickstart") }
    @Test(.timeLimit(.minutes(5))) func badEventsAreNamedAndNotRecorded() throws { try scenario("bad_events") }
    @Test(.timeLimit(.minutes(5))) func textIsData() throws { try scenario("hostile_names") }
    @Test(.timeLimit(.minutes(5))) func everyEventOfABatchStandsAlone() throws { try scenario("batches") }
    @Test(.timeLimit(.minutes(5))) func aKeyCountsOnce() throws { try scenario("duplicates") }
    @Test(.timeLimit(.minutes(5))) func eventsAndCustomersAreFound() throws { try scenario("events_and_customers") }
    @Test(.timeLimit(.minutes(5))) func marginsEqualTheOracle() throws { try scenario("margins") }
    @Test(.timeLimit(.minutes(5))) func badFramesEndTheirConnectionOnly() throws { try scenario("bad_frames") }
}

struct WireScenarioTests {
    @Test(.timeLimit(.minutes(5))) func everyRequestVectorGetsOneReplyOrNone() throws { try scenario("request_vectors") }
    @Test(.timeLimit(.minutes(5))) func everyJSONVectorIsReadOneWay() throws { try scenario("json_vectors") }
    @Test(.timeLimit(.minutes(5))) func everySizeIsTakenUpToItsLimit() throws { try scenario("around_every_limit") }
    @Test(.timeLimit(.minutes(5))) func whatHasNoEndIsRefusedInBoundedMemory() throws { try scenario("without_end") }
    @Test(.timeLimit(.minutes(10))) func aWrongTypeNamesItsField() throws { try scenario("wrong_types") }
    @Test(.timeLimit(.minutes(10))) func naughtyStringsAreStoredAsTheyAreOrRefused() throws { try scenario("naughty_strings") }
    @Test(.timeLimit(.minutes(5))) func theMetricsPageIsWellFormedWhateverComes() throws { try scenario("metrics_page") }
}

struct PriceTests {
    @Test(.timeLimit(.minutes(5))) func totalsFollowEveryCorrectionToTheLastDigit() throws { try scenario("corrections") }
    @Test(.timeLimit(.minutes(5))) func aSimulationEqualsTheOracle() throws { try scenario("simulated") }
    @Test(.timeLimit(.minutes(5))) func aRunCutShortCanBeFinished() throws { try scenario("reprice_killed") }
}

struct ToolTests {
    @Test(.timeLimit(.minutes(5))) func theCommandsForPricesWorkAsWritten() throws { try scenario("prices_of_the_readme") }
    @Test(.timeLimit(.minutes(5))) func aPriceIsWhatTheDaemonBooks() throws { try scenario("prices_by_the_tool") }
    @Test(.timeLimit(.minutes(5))) func nobodyIsCorrectedUnasked() throws { try scenario("corrections_by_the_tool") }
}

struct BenchTests {
    @Test(.timeLimit(.minutes(5))) func everyWayOfSendingIsMeasuredAndAgrees() throws { try scenario("measured_by_the_tool") }
    @Test(.timeLimit(.minutes(5))) func aLostEventFailsTheVerdict() throws { try scenario("bench_finds_a_loss") }
    @Test(.timeLimit(.minutes(5))) func theSuiteHasARowForEveryTarget() throws { try scenario("bench_of_every_target") }
    @Test(.timeLimit(.minutes(5))) func aMeasurementCanBeCutShort() throws { try scenario("bench_is_interrupted") }
}

struct DurabilityTests {
    @Test(.timeLimit(.minutes(10))) func twentyCrashesLoseNothingAndCountNothingTwice() throws { try scenario("killed_under_load") }
    @Test(.timeLimit(.minutes(10))) func aCleanStopKeepsEveryAcknowledgement() throws { try scenario("stopped_under_load") }
    @Test(.timeLimit(.minutes(5))) func openRequestsAreAnsweredBeforeTheEnd() throws { try scenario("replies_after_stop") }
    @Test(.timeLimit(.minutes(5))) func booksComeBackFromTheJournal() throws { try scenario("books_deleted") }
    @Test(.timeLimit(.minutes(5))) func aDamagedJournalIsRefused() throws { try scenario("damaged_journal") }
    @Test(.timeLimit(.minutes(5))) func aFailedSyncEndsTheDaemon() throws { try scenario("failing_sync") }
    @Test(.timeLimit(.minutes(5))) func aFullDiskIsAState() throws { try scenario("full_disk") }
    @Test(.timeLimit(.minutes(10))) func fiftyThousandEventsFromAFileAreExact() throws { try scenario("sent_by_the_tool") }
}

/// What one disk can do to the real binary; rows S1 to S10 of the reliability page.
struct StorageTests {
    @Test(.timeLimit(.minutes(5))) func aFailedCallEndsTheDaemonOrIsGoneOnFrom() throws { try scenario("failing_journal") }
    @Test(.timeLimit(.minutes(5))) func aFailureWhileStartingChangesNothing() throws { try scenario("failing_recovery") }
    @Test(.timeLimit(.minutes(5))) func keysThatCannotBeWrittenDownStayInMemory() throws { try scenario("failing_keys") }
    @Test(.timeLimit(.minutes(5))) func aSlowDiskOnlySlows() throws { try scenario("slow_disk") }
    @Test(.timeLimit(.minutes(5))) func aDiskMayFillAndEmptyAgainAndAgain() throws { try scenario("full_disks") }
    @Test(.timeLimit(.minutes(5))) func crashesUnderEveryKindOfLoadLoseNothing() throws { try scenario("crash_cycles") }
    @Test(.timeLimit(.minutes(5))) func powerLostAtAnyMomentLosesNothing() throws { try scenario("power_lost") }
    @Test(.timeLimit(.minutes(5))) func leftoversBlockNothingThatIsNotDamage() throws { try scenario("leftovers") }
    @Test(.timeLimit(.minutes(5))) func aReaderMadeFromThePageFindsTheSame() throws { try scenario("read_by_the_page") }
}

/// books.db decides nothing; rows X1 to X3.
struct BooksTests {
    @Test(.timeLimit(.minutes(5))) func failuresOfTheBooksAreNotNoticedByIngestion() throws { try scenario("failing_books") }
    @Test(.timeLimit(.minutes(5))) func booksThatCannotBeUsedAreSaidAndMadeAnew() throws { try scenario("odd_books") }
    @Test(.timeLimit(.minutes(5))) func aKillInsideTheBooksCountsNothingTwice() throws { try scenario("killed_in_the_books") }
    @Test(.timeLimit(.minutes(5))) func readersOfTheBooksFindThemWhole() throws { try scenario("read_meanwhile") }
}

/// Once, to the last digit, everywhere; rows D2 and D6.
struct ExactnessTests {
    @Test(.timeLimit(.minutes(5))) func retriesAreAnsweredFromTheOriginal() throws { try scenario("retries") }
    @Test(.timeLimit(.minutes(5))) func oneJournalMeansTheSameInEveryProcess() throws { try scenario("same_everywhere") }
}

struct KeyTests {
    @Test(.timeLimit(.minutes(5))) func retriesOfKeysOnDiskAreAnsweredFromTheOriginal() throws { try scenario("keys_on_disk") }
    @Test(.timeLimit(.minutes(10))) func crashesWhileKeysGoToDiskLoseNone() throws { try scenario("killed_with_keys_on_disk") }
    @Test(.timeLimit(.minutes(5))) func eventsPastTheirRetentionStandInSums() throws { try scenario("events_past_their_retention") }
    @Test(.timeLimit(.minutes(5))) func aCrashWhileDroppingLosesNothing() throws { try scenario("killed_while_dropping") }
}

struct NetworkTests {
    @Test(.timeLimit(.minutes(5))) func peersMayVanishAtEveryByte() throws { try scenario("gone_at_every_byte") }
    @Test(.timeLimit(.minutes(5))) func peersMayVanishDuringASync() throws { try scenario("gone_during_a_sync") }
    @Test(.timeLimit(.minutes(5))) func slowPeersCostNothing() throws { try scenario("slow_peers") }
    @Test(.timeLimit(.minutes(5))) func aFloodStopsAtTheMark() throws { try scenario("flood") }
    @Test(.timeLimit(.minutes(5))) func oneGreedyClientDoesNotStarveTheOthers() throws { try scenario("greedy") }
    @Test(.timeLimit(.minutes(5))) func whoFindsNoDescriptorIsClosedAndCounted() throws { try scenario("few_descriptors") }
    @Test(.timeLimit(.minutes(5))) func aFailingAcceptHarmsNobody() throws { try scenario("accepting_fails") }
    @Test(.timeLimit(.minutes(5))) func descriptorsMayBeEaten() throws { try scenario("descriptors_are_eaten") }
    @Test(.timeLimit(.minutes(5))) func memoryStaysUnderItsBound() throws { try scenario("memory_bound") }
    @Test(.timeLimit(.minutes(5))) func tooLittleMemoryEndsTheStart() throws { try scenario("little_memory") }
}

struct ServiceTests {
    @Test(.timeLimit(.minutes(5))) func theServiceManagerIsTold() throws { try scenario("manager") }
    @Test(.timeLimit(.minutes(5))) func readyComesAfterTheJournalWasRead() throws { try scenario("slow_start") }
    @Test(.timeLimit(.minutes(5))) func signsOfLifeStopWhenSomethingHangs() throws { try scenario("signs_of_life") }
    @Test(.timeLimit(.minutes(5))) func twentyStopsKeepEveryAcknowledgement() throws { try scenario("stopped_again") }
    @Test(.timeLimit(.minutes(5))) func whatIsWrongShows() throws { try scenario("sick") }
    @Test(.timeLimit(.minutes(5))) func theWallClockMayJump() throws { try scenario("clocks") }
    @Test(.timeLimit(.minutes(5))) func aSuspendedDaemonWakesSane() throws { try scenario("suspended") }
    @Test(.timeLimit(.minutes(5))) func theSocketServesWhomTheListNames() throws { try scenario("socket_users") }
    @Test(.timeLimit(.minutes(5))) func aKeyIsNowhereButWhereItBelongs() throws { try scenario("keys_nowhere") }
}

struct ProcessTests {
    @Test(.timeLimit(.minutes(5))) func theCommandLineSaysWhatIsWrong() throws { try scenario("command_line") }
    @Test(.timeLimit(.minutes(5))) func aBadConfigurationIsNamedByLine() throws { try scenario("configuration") }
    @Test(.timeLimit(.minutes(5))) func aSecondDaemonIsRefused() throws { try scenario("second_daemon") }
    @Test(.timeLimit(.minutes(5))) func remoteListenersNeedASetting() throws { try scenario("remote_listener") }
    @Test(.timeLimit(.minutes(5))) func aReloadTakesGoodSettingsAndRefusesBadOnes() throws { try scenario("reloaded") }
    @Test(.timeLimit(.minutes(5))) func inheritedSocketsAreServed() throws { try scenario("inherited_sockets") }
    @Test(.timeLimit(.minutes(5))) func theDaemonLinksNoFoundation() throws { try scenario("no_foundation") }
}
