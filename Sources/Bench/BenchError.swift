// BenchError: why a run cannot begin or cannot go on, as one sentence.

import Glibc

public struct BenchError: Error, Equatable {
    public enum Kind: Sendable {
        /// Nobody answers, or the connection broke.
        case unreachable
        /// The server answered, and the answer is no.
        case refused
        /// What was asked for cannot be done here.
        case usage
    }

    public var kind: Kind
    public var message: String

    public init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }
}

func systemError(_ number: Int32 = errno) -> String { String(cString: strerror(number)) }
