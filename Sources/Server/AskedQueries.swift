// AskedQueries: the queries and corrections that wait for their answer, and whose they are. Their number and their bytes are
// bounded, and nobody may have more than a share of either: one that asks without end is refused before the others are. Those of
// peers that are gone count until they are answered, because they are worked on all the same.

internal import Core

struct AskedQueries {
    private struct Asked {
        var principal: UInt64
        var bytes: Int
    }

    private struct Share {
        var count = 0
        var bytes = 0
    }

    private var open: [ConnectionID: Asked] = [:]
    private var shares: [UInt64: Share] = [:]
    private(set) var bytes = 0
    var count: Int { open.count }

    /// Takes a query in, if there is room for it and its principal has not had its share; a connection asks one at a time.
    mutating func admit(_ id: ConnectionID, principal: UInt64, bytes: Int) -> Bool {
        var share = shares[principal] ?? Share()
        guard open.count < Limits.pendingQueries, self.bytes + bytes <= Limits.pendingQueryBytes,
            share.count < Limits.pendingQueriesPerKey, share.count == 0 || share.bytes + bytes <= Limits.pendingQueryBytes / 2
        else { return false }
        share.count += 1
        share.bytes += bytes
        shares[principal] = share
        self.bytes += bytes
        open[id] = Asked(principal: principal, bytes: bytes)
        return true
    }

    /// It was answered, or never will be.
    mutating func close(_ id: ConnectionID) {
        guard let asked = open.removeValue(forKey: id), var share = shares[asked.principal] else { return }
        bytes -= asked.bytes
        share.count -= 1
        share.bytes -= asked.bytes
        shares[asked.principal] = share.count == 0 ? nil : share
    }
}
