// Coverage: how often each thing that a run is for really happened. A fault that never comes proves nothing, so the counts are
// printed with every campaign.

public enum Occurrence: Int, CaseIterable, Sendable {
    // What clients did and were told.
    case eventsSent, recorded, duplicate, conflict, refused, storageFull, overloaded, replayed, malformedRequests, garbage, queries
    // The network.
    case connections, resets, halfOpen, halfCloses, pieces, glued, networkStalls, slowReaders, serverClosed, abandoned, timeouts
    // The disk.
    case readErrors, writeErrors, syncErrors, otherErrors, persistentErrors, shortWrites, noSpace, diskFilled, droppedPages, evictedPages
    case tornWrites, lostWrites, survivingWrites, lostNames, diskStalls
    // The process.
    case starts, failedStarts, kills, powerLosses, deathsInCall, deathsInStart, storageStops, cleanStops
    case commits, pacedTurns, marks, segments, preparationsRefused, recoveriesWithCut, cutHeaders, extended, blankRemoved
    case keyRunsWritten, keyRunsMerged, keyFailures, keyRunsRefused, keyReads, harmedFiles, removedFiles
    case checkpointsWritten, checkpointsUsed, checkpointsRefused, checkpointsFailed
    case stalledInput, clockForward, clockBack, sleeps, keysExpired, staleEvents, batchesReplayed, eventsReplayed
    case bookFolds, booksLost, booksSaved
}

public struct Coverage: Sendable, Equatable {
    private var counts = [UInt64](repeating: 0, count: Occurrence.allCases.count)

    public init() {}

    public subscript(_ what: Occurrence) -> UInt64 {
        get { counts[what.rawValue] }
        set { counts[what.rawValue] = newValue }
    }

    public static func += (sum: inout Coverage, other: Coverage) {
        for what in Occurrence.allCases { sum[what] += other[what] }
    }
}
