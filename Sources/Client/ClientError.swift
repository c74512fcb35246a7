// ClientError: everything that can go wrong between an application and the daemon, and what it means for events in flight.

public import Core
public import Frames

/// Why a call of `PurserClient` failed.
public enum ClientError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The text is neither `unix:PATH` nor `tcp:HOST:PORT`, or the host has no address.
    case badAddress(String)
    /// The system refused an operation. The connection is of no more use.
    case system(errno: Int32, operation: String)
    /// The deadline passed. A frame may be half sent or its answer on the way: the connection is of no more use.
    case deadline(operation: String)
    /// The server closed the connection. Whether unanswered frames count is unknown: send them again with the same keys.
    case closed
    /// The server sent what this library cannot read. The connection is of no more use.
    case protocolViolation(String)
    /// The server answered with an error frame. When `closes`, the connection is of no more use; otherwise only this request failed.
    case refused(ErrorFrame)
    /// `window` frames are sent whose answers the caller has not taken: call `receive` first. Nothing was sent.
    case windowFull
    /// An event that no frame can carry. Nothing was sent.
    case badEvent(index: Int, outcome: Outcome, field: EventField)
    /// More events than one frame carries, or too many bytes of them. Nothing was sent.
    case tooManyEvents
    /// There is nothing to wait for.
    case nothingPending

    public var description: String {
        switch self {
        case .badAddress(let text): "no address: \(text) (unix:PATH or tcp:HOST:PORT)"
        case .system(let number, let operation): "\(operation): \(systemMessage(number))"
        case .deadline(let operation): "\(operation): no answer in time"
        case .closed: "the server closed the connection"
        case .protocolViolation(let what): "the server sent \(what)"
        case .refused(let frame):
            "the server refused: \(frame.error.map { "\($0.name)" } ?? "error \(frame.code)"): \(frame.message)"
        case .windowFull: "as many frames are unanswered as the window allows"
        case .badEvent(let index, let outcome, let field): "event \(index): \(outcome.name): \(field.name)"
        case .tooManyEvents: "more events than one frame carries"
        case .nothingPending: "no answer is pending"
        }
    }
}
