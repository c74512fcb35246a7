// Service: questions to the daemon and what it answers, out of the envelope: `{"data":…,"success":true}` is the data,
// `{"error":{"code":…,"message":…},"success":false}` is a failure with status 1.

import Client

struct Service: ~Copyable {
    private var connection: HTTPConnection

    static let base = "/api/v1/client"

    /// Seconds that may pass until everything that was recorded has been looked at.
    static let longSeconds = 3600

    init(_ options: SharedOptions, seconds: Int = HTTPConnection.patience) throws { connection = try options.connection(seconds: seconds) }

    init(target: Target, key: APIKey?, seconds: Int = 30) { connection = HTTPConnection(target: target, key: key, seconds: seconds) }

    /// The data of a reply, or the refusal as a failure.
    mutating func data(_ request: HTTPRequest) throws -> Value {
        let answer = try answer(request)
        guard let refusal = answer.refusal else { return answer.data }
        throw Failure.refused(refusal)
    }

    /// The body of a reply that is not in the envelope, or the refusal as a failure.
    mutating func text(_ request: HTTPRequest) throws -> [UInt8] {
        let reply = try connection.ask(request)
        if (200..<300).contains(reply.status) { return reply.body }
        throw Failure.refused(try Service.open(reply).refusal ?? "HTTP status \(reply.status)")
    }

    struct Answer {
        var status: Int
        /// Null when there is none.
        var data: Value
        /// One sentence, when the server said no.
        var refusal: String?
    }

    mutating func answer(_ request: HTTPRequest) throws -> Answer {
        try Service.open(try connection.ask(request))
    }

    /// Takes a reply out of its envelope.
    static func open(_ reply: HTTPReply) throws -> Answer {
        guard let body = Value(json: reply.body) else {
            throw Failure.refused("the answer is not JSON (HTTP status \(reply.status)): is this purserd?")
        }
        let data = body["data"] ?? .null
        if (200..<300).contains(reply.status), body["success"] == .bool(true) {
            return Answer(status: reply.status, data: data)
        }
        let error = body["error"]
        var text = (error?["message"]?.string ?? "HTTP status \(reply.status)").printable
        // The number under which the daemon's side would look for it says nothing to a person, unless it is the daemon's fault.
        if reply.status < 500, let mark = text.start(ofLast: " (errorId=") { text = String(text[..<mark]) }
        if let code = error?["code"]?.string { text += " [\(code.printable)]" }
        if reply.status == 401 { text += "\n        give the API key with --key-file FILE or PURSER_API_KEY" }
        return Answer(status: reply.status, data: data, refusal: text)
    }
}

extension String {
    /// Where the last occurrence of a text begins.
    fileprivate func start(ofLast text: String) -> Index? {
        var index = endIndex
        while index > startIndex {
            index = self.index(before: index)
            if self[index...].hasPrefix(text) { return index }
        }
        return nil
    }
}
