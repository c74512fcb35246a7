// Limits: every bound there is, with its unit and its reason. `protocol/limits.md` lists the same names and values, and a
// test compares the two.

public enum Limits {
    // An event's own fields. Text is counted in Unicode scalars, as Tanso counts characters; four bytes each at most.
    public static let eventNameScalars = 128
    public static let idempotencyKeyScalars = 64
    public static let customerReferenceScalars = 256
    public static let featureKeyScalars = 128
    public static let modelScalars = 128
    public static let modelProviderScalars = 64
    public static let flowIdScalars = 64
    public static let identifierScalars = 128
    public static let regionScalars = 64
    public static let metaBytes = 16 * 1024
    public static let usageObjectBytes = 8 * 1024
    /// Kinds of usage one event may carry.
    public static let usageLines = 32
    public static let customerFieldScalars = 100
    public static let emailScalars = 254

    // Requests.
    public static let batchEvents = 10_000
    public static let httpHeadBytes = 16 * 1024
    public static let httpHeaders = 64
    public static let httpTargetBytes = 8 * 1024
    public static let httpBodyBytes = 4 * 1024 * 1024
    public static let httpChunkLineBytes = 256
    /// Of a chunked body as it came: its data, and what the chunks add to it.
    public static let httpChunkedBytes = 8 * 1024 * 1024
    public static let httpTrailerBytes = 1024
    public static let jsonDepth = 16
    /// Values in one JSON document, or in one event of a batch.
    public static let jsonValues = 65_536
    /// Fields of one event object, or of one object of a usage object, that are not known: telling repeated ones takes the square of it.
    public static let jsonUnknownFields = 64
    public static let headerKeyScalars = 255
    public static let framePayloadBytes = 1024 * 1024
    public static let frameEvents = 8_192
    public static let frameStrings = 8_192
    /// Payload of a frame before the hello was accepted.
    public static let helloBytes = 1024
    public static let helloKeyBytes = 255
    public static let helloNameBytes = 255
    public static let pingBytes = 64
    public static let queryLimit = 1_000
    public static let queryDefaultLimit = 50

    // Time.
    public static let headSeconds = 10
    public static let bodySeconds = 30
    public static let idleSeconds = 300
    public static let writeSeconds = 60
    /// What of its answers a peer must take in such a time, unless it is owed less.
    public static let writeBytes = 64 * 1024
    /// A commit or the projection that makes no progress for so long is called stalled.
    public static let stallSeconds = 10

    // The daemon.
    /// Of a record of a checkpoint that could be of any length, and of what is read of one at a time.
    public static let checkpointRecordBytes = 64 * 1024
    public static let checkpointFrameBytes = 16 * 1024 * 1024
    /// Journal that a start reads before it writes a checkpoint.
    public static let checkpointJournalBytes = 16 * 1024 * 1024
    public static let connections = 12_000
    /// Entries of `unix_allow`.
    public static let socketRules = 100
    /// Descriptors that connections leave for files, the loop and whoever inherits some.
    public static let reservedDescriptors = 48
    /// Peers taken in at a time, between two looks at those that are there.
    public static let acceptsPerTurn = 64
    /// Peers whose time is up that are ended at a time, between two looks at the others.
    public static let endsPerTurn = 16
    /// Bytes read from one peer before the others get their turn.
    public static let turnBytes = 64 * 1024
    public static let smallestRead = 4 * 1024
    /// What each of a connection's buffers may hold without being counted.
    public static let connectionBufferBytes = 2 * 1024
    /// What a connection takes, its small buffers included.
    public static let connectionBytes = 8 * 1024
    /// Buffers of all connections together: what came in and is incomplete or waits, and what was not taken yet.
    public static let inputBytes = 128 * 1024 * 1024
    public static let outputBytes = 64 * 1024 * 1024
    /// Of each of them, what peers may hold together that showed no key.
    public static let strangerBytes = 16 * 1024 * 1024
    /// Bodies and frames beyond this leave a quarter of `inputBytes` to smaller ones.
    public static let largeBodyBytes = 64 * 1024
    /// Queries that wait for their answer.
    public static let pendingQueries = 1_000
    /// Those of one key, or of one user of the socket.
    public static let pendingQueriesPerKey = 250
    /// What they hold.
    public static let pendingQueryBytes = 16 * 1024 * 1024
    /// Answers of the projection that the loop has not taken.
    public static let answersWaitingBytes = 8 * 1024 * 1024
    /// Where a listing ends, with a cursor or marked as truncated; the last item may go beyond it.
    public static let answerBytes = 8 * 1024 * 1024
    public static let outputHighWater = 4 * 1024 * 1024
    /// The same for a peer that showed no key.
    public static let strangerHighWater = 64 * 1024
    public static let pendingJournalBytes = 32 * 1024 * 1024
    public static let segmentBytes = 64 * 1024 * 1024
    /// What `segment_size` may say.
    public static let smallestSegmentBytes = 1024 * 1024
    public static let largestSegmentBytes = 1024 * 1024 * 1024
    public static let batchBytes = 4 * 1024 * 1024
    /// Of the journal as it became durable last, in memory, where retries look first.
    public static let recentJournalBytes = 8 * 1024 * 1024
    /// From the beginning of a commit of less than `paceBytes` to that of the next, while events keep coming.
    public static let paceMicroseconds = 1000
    public static let paceBytes = 8 * 1024
    /// No event fact, with the definitions of its names, is larger; batches and segments keep this much in hand.
    public static let largestEventBytes = 64 * 1024
    public static let internedStrings = 16_777_216
    /// All of them together.
    public static let internedBytes = 1024 * 1024 * 1024
    /// The program, the prices in force and the ones that take their place, SQLite, and what one request is worked on in.
    public static let baseBytes = 128 * 1024 * 1024
    public static let apiKeys = 1_000
    /// Browsers signed in to the dashboard.
    public static let sessions = 256
    /// Since the last request of one.
    public static let sessionHours = 12
    /// Links that sign in once.
    public static let signInLinks = 64
    public static let signInLinkMinutes = 15
    /// Body of a sign-in: nobody has shown a key before it.
    public static let signInBytes = 1024
    /// Wrong keys at a sign-in before others are refused, and seconds until one of them is forgotten.
    public static let signInFailures = 10
    public static let signInSeconds = 6
    public static let dashboardOrigins = 16
    /// Readers of new events.
    public static let streams = 32
    /// Shown of them in a second.
    public static let streamEvents = 50
    /// Of journal, looked at for one of them at a time.
    public static let streamScanBytes = 1024 * 1024
    /// That wait for one of them, before it is shown nothing more.
    public static let streamBytes = 256 * 1024
    /// Until one that takes nothing is over.
    public static let streamSeconds = 10
    public static let exports = 16
    public static let exportPageBytes = 256 * 1024
    /// Groups of a margins export that nobody reads on are let go.
    public static let exportIdleSeconds = 30
    /// Who sent what: rows, and how long one is shown.
    public static let sources = 64
    public static let sourceMinutes = 10
    public static let rejectionExamples = 5
    public static let ownPrices = 10_000
    /// The text of a catalogue, whether built in, loaded or on its way.
    public static let catalogueBytes = 4 * 1024 * 1024
    /// A stretch of it in one fact.
    public static let cataloguePartBytes = 48 * 1024
    /// A price of one's own as TOML.
    public static let ownPriceBytes = 32 * 1024
    /// All prices set through the API: they are read as a whole whenever one changes.
    public static let ownPricesBytes = 1024 * 1024
    public static let ownPriceVariants = 64
    public static let storedResponses = 100_000
    public static let storedResponseBytes = 64 * 1024
    public static let dedupWindowDays = 35
    /// Keys in memory before they are written to disk: two such tables take 17 MB.
    public static let dedupHotKeys = 360_000
    /// Tables that wait to be written.
    public static let dedupSealedTables = 8
    /// Keys in memory, when the disk does not take them.
    public static let dedupMemoryKeys = 8_000_000
    /// Files of keys.
    public static let dedupRuns = 512
    /// Files of keys that become one at a time.
    public static let dedupMergeRuns = 16
    public static let dedupRetrySeconds = 10
    /// Shortest retention of the journal: replies to an `Idempotency-Key` are kept for a day.
    public static let retentionHours = 25
    /// Cells whose sums are held while segments are condensed: 16 MB.
    public static let condensedCells = 65_536
    /// A piece of retention that failed is tried again after this.
    public static let retentionRetrySeconds = 60

    // Price lists.
    /// Cards of a catalogue, once more for every region: 64 MB of them.
    public static let catalogueCards = 1_000_000
    /// A price list or a catalogue as it is read: four times the longest there is.
    public static let priceListBytes = 16 * 1024 * 1024
    public static let priceListDepth = 32
    public static let priceListValues = 2_000_000
    /// Until a server that is asked for a price list has answered the call.
    public static let fetchConnectSeconds = 10
    public static let fetchSeconds = 60
    public static let fetchRedirects = 5

    // The log.
    /// Lines of one kind in `logSeconds`; the next one that is written says how many were left out.
    public static let logLines = 20
    public static let logSeconds = 10

    // The projection.
    /// Cells of the delta that begin a flush: 42 MB.
    public static let projectionCells = 500_000
    /// Cells that are gathered while a flush is under way, before folding waits for it: 65 MB, and as much for those under way.
    public static let projectionCellsMost = 750_000
    /// The same two for new names and customers, and for corrections.
    public static let projectionNames = 100_000
    public static let projectionNamesMost = 250_000
    /// Buckets of hours that are not summed up: some 70 bytes each, on two connections. Rows of further ones are summed up at once.
    public static let projectionBuckets = 65_536
    /// Descriptions of chunks (16 KiB each, one for a MiB of journal or 10,000 events) that make it flush at once.
    public static let projectionChunks = 256
    /// What twice `projectionCellsMost`, sorting them, twice `projectionChunks`, `projectionBuckets` and one query of `marginGroups` take
    /// together.
    public static let projectionBytes = 208 * 1024 * 1024
    /// One long query with its groups and sums.
    public static let longQueryBytes = 64 * 1024 * 1024
    /// Groups of one margins answer that are listed; the totals are over all.
    public static let marginItems = 10_000
    /// Further groupings that one margins query may ask for.
    public static let marginsAlso = 4
    /// Groups of one margins query: 34 MB while it runs.
    public static let marginGroups = 250_000
    /// Corrections computed, and then written, at a time: about half a mebibyte of journal.
    public static let correctionBlock = 4_096
    /// Journal that is read at most for one block of corrections, or for one step of a long query, before others get their turn.
    public static let correctionScanBytes = 8 * 1024 * 1024
    /// Long queries that are worked off at a time; others wait their turn.
    public static let longQueries = 2
    /// Corrections of one event that are shown with it, the newest.
    public static let correctionsShown = 100
    /// Text of the reason for a void.
    public static let reasonScalars = 256
    /// Runs of corrections that are remembered.
    public static let correctionRuns = 10_000
    /// Journal that one page of events reads before it is answered as it is, with a cursor to go on from.
    public static let eventScanBytes = 512 * 1024 * 1024
}
