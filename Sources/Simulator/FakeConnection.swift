// FakeConnection: one stream between a client and the daemon, with a kernel on each side.
//
// Bytes arrive in the order they were sent and otherwise as it pleases the network: in pieces down to single bytes, glued, after
// seconds, or not at all. A reset loses what was on its way in both directions; each side learns of it when it next looks. A
// client may vanish without a word (half-open): the daemon's side stays until a deadline of its own. A client that does not read
// fills the daemon's side of the kernel, which then takes no more.

final class FakeConnection {
    let number: Int
    /// Sent by the client, not yet read by the daemon.
    var toServer: [UInt8] = []
    /// Given to the kernel by the daemon, not yet read by the client.
    var toClient: [UInt8] = []
    /// Times before which nothing moves in a direction.
    var toServerFrom: UInt64 = 0
    var toClientFrom: UInt64 = 0
    /// Nothing can be sent or received any more, and nobody was told.
    var isReset = false
    /// The client is gone without a word.
    var isAbandoned = false
    /// The client has ended its side, as `close` does after its last byte.
    var clientEnded = false
    /// The daemon has ended its side.
    var serverEnded = false
    /// The daemon's process has taken it, or closed it again.
    var isAccepted = false
    var isClosed = false

    init(_ number: Int) { self.number = number }

    /// The connection is gone for both.
    func reset() {
        isReset = true
        toServer = []
        toClient = []
    }
}
