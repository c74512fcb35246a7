// Notice: what the operator should know of what the server did; the runtime logs it.

public struct Notice: Sendable {
    /// A word of this program, for filters.
    public var kind: String
    public var text: String
    public var isWarning = false
    /// Of the request it is about, as its answer has it.
    public var requestID: String?

    init(_ kind: String, _ text: String) {
        self.kind = kind
        self.text = text
    }
}

extension Server {
    /// Between two looks at them: who floods the daemon with requests that fail does not make it write as many lines.
    private static let mostRequestNotices = 16

    /// A request that failed for our own reasons, or that nobody with a key sent.
    mutating func noteRefusal(_ context: borrowing RequestContext, _ status: UInt16, _ code: StaticString) {
        guard notices.count < Server.mostRequestNotices else { return }
        let id = String(decoding: context.requestID, as: UTF8.self)
        var notice = Notice("\(code)", "request \(id) was answered \(status) \(code)")
        notice.isWarning = status >= 500
        notice.requestID = id
        notices.append(notice)
    }
}
