// UsageOptions: model and usage as a person types them; shared by `send` and `price`. They become the same JSON an
// application would send, so that what is typed is judged by the same rules.

import ArgumentParser

struct UsageOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The model's name, as the provider or a gateway writes it.", valueName: "name"))
    var model: String?

    @Option(help: ArgumentHelp("Whose model: openai, anthropic, google, bedrock …", valueName: "name"))
    var provider: String?

    @Option(help: ArgumentHelp("Input tokens, cached ones included.", valueName: "tokens"))
    var input: String?

    @Option(help: ArgumentHelp("Output tokens, reasoning included.", valueName: "tokens"))
    var output: String?

    @Option(help: ArgumentHelp("Of the input: read from a cache.", valueName: "tokens"))
    var cacheRead: String?

    @Option(help: ArgumentHelp("Of the input: written to a cache that lives five minutes.", valueName: "tokens"))
    var cacheWrite: String?

    @Option(
        name: .customLong("cache-write-1h"),
        help: ArgumentHelp("Of the input: written to a cache that lives one hour.", valueName: "tokens"))
    var cacheWrite1h: String?

    @Option(help: ArgumentHelp("Of the output: reasoning.", valueName: "tokens"))
    var reasoning: String?

    @Option(help: ArgumentHelp("The provider's own usage object instead: JSON, @FILE or - for standard input.", valueName: "json"))
    var usage: String?

    @Option(help: ArgumentHelp("How to read --usage, where its keys do not tell.", valueName: "name"))
    var usageFormat: String?

    @Option(help: ArgumentHelp("As served: standard, batch, flex, priority, fast.", valueName: "name"))
    var tier: String?

    @Option(help: ArgumentHelp("Where it was served.", valueName: "name"))
    var region: String?

    @Option(help: ArgumentHelp("When it happened: an instant, a date or an age such as 90m.", valueName: "time"))
    var at: String?

    /// The event's `costInput`.
    func costInput() throws -> Value {
        .fields(
            ("model", model.map { .string($0) }),
            ("modelProvider", provider.map { .string($0) }),
            ("inputTokens", try number(input, "--input")),
            ("outputTokens", try number(output, "--output")),
            ("cacheReadTokens", try number(cacheRead, "--cache-read")),
            ("cacheWriteTokens", try number(cacheWrite, "--cache-write")),
            ("cacheWrite1hTokens", try number(cacheWrite1h, "--cache-write-1h")),
            ("reasoningTokens", try number(reasoning, "--reasoning")),
            ("usage", try object(usage, "--usage")),
            ("usageFormat", usageFormat.map { .string($0) }),
            ("serviceTier", tier.map { .string($0) }),
            ("region", region.map { .string($0) })
        )
    }

    func occurredAt() throws -> Value? { try Instant.query(at, option: "--at", now: Instant.now).map { .string($0) } }
}

/// A decimal as typed, or a usage error that names the option.
func number(_ text: String?, _ option: String) throws -> Value? {
    guard let text else { return nil }
    guard let value = Value(json: text), case .number = value else {
        throw Failure.usage("\(option) takes a number, not \(text.printable)")
    }
    return value
}

/// A JSON object as typed, from a file (`@FILE`) or from standard input (`-`).
func object(_ text: String?, _ option: String) throws -> Value? {
    guard let text else { return nil }
    var json = Array(text.utf8)
    if text == "-" || text.hasPrefix("@") {
        let path = text == "-" ? "-" : String(text.dropFirst())
        guard let bytes = readFile(path, limit: 4 * 1024 * 1024) else {
            throw Failure.usage("cannot read \(path.printable): \(systemError())")
        }
        json = bytes
    }
    guard let value = Value(json: json), case .object = value else {
        throw Failure.usage("\(option) takes a JSON object, @FILE or -")
    }
    return value
}
