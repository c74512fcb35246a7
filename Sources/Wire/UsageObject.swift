// UsageObject: a provider's own usage object, flattened into paths and numbers.
//
// `{"prompt_tokens":9,"prompt_tokens_details":{"cached_tokens":4}}` gives `prompt_tokens` 9 and
// `prompt_tokens_details.cached_tokens` 4. Elements of an array that are objects go by their index, as in Gemini's
// `promptTokensDetails.0.modality` "AUDIO" and `promptTokensDetails.0.tokenCount` 12. Numbers and texts are handed out with
// their path; everything else is passed over. Refuses repeated keys, because one of the two counts would be lost.

import CSimdjson
public import Core

/// A reusable reader of usage objects.
public struct UsageObject: ~Copyable {
    private var reader = JSONReader()
    private var path = ByteWriter(capacity: 256)

    public init() {}

    /// Reads the JSON object `raw`. `number` is called for each number and `text` for each string, with its path; both in
    /// document order, with buffers that are valid during the call only.
    /// `.recorded` when all was read; `.malformed`, `.fieldInvalid` (repeated or too many keys) or `.amountOutOfRange` (a
    /// negative number, or one beyond `Quantity`) when the event must be refused.
    public mutating func read(
        _ raw: UnsafeRawBufferPointer,
        number: (_ path: UnsafeRawBufferPointer, _ value: Quantity) -> Void,
        text: (_ path: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Void
    ) -> Outcome {
        guard reader.document(raw, depth: Limits.jsonDepth, values: Limits.jsonValues) == 0,
            reader.nodes[0].kind == JSONNodeKind.object
        else { return .malformed }
        path.reset()
        return object(0, number, text)
    }

    private mutating func object(
        _ index: Int, _ number: (UnsafeRawBufferPointer, Quantity) -> Void,
        _ text: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Void
    ) -> Outcome {
        guard keysDiffer(index) else { return .fieldInvalid }
        let end = Int(reader.nodes[index].end)
        let before = path.count
        var i = index + 1
        while i < end {
            let node = reader.nodes[i]
            let key = reader.key(node)
            var outcome = Outcome.recorded
            push(key)
            switch node.kind {
            case JSONNodeKind.number: outcome = report(node, number)
            case JSONNodeKind.object: outcome = object(i, number, text)
            case JSONNodeKind.array: outcome = list(i, number, text)
            case JSONNodeKind.string: text(path.bytes, reader.value(node))
            default: break
            }
            path.truncate(to: before)
            guard outcome == .recorded else { return outcome }
            i = Int(node.end)
        }
        return .recorded
    }

    /// `[{"modality":"AUDIO","tokenCount":12}, …]`: the elements that are objects, each under its index.
    private mutating func list(
        _ index: Int, _ number: (UnsafeRawBufferPointer, Quantity) -> Void,
        _ text: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Void
    ) -> Outcome {
        let end = Int(reader.nodes[index].end)
        let before = path.count
        var position: UInt64 = 0
        var i = index + 1
        while i < end {
            let element = reader.nodes[i]
            if element.kind == JSONNodeKind.object {
                guard position < UInt64(Limits.jsonUnknownFields) else { return .fieldInvalid }
                path.append(0x2E)
                path.append(unsigned: position)
                let outcome = object(i, number, text)
                path.truncate(to: before)
                guard outcome == .recorded else { return outcome }
            }
            position += 1
            i = Int(element.end)
        }
        return .recorded
    }

    private func report(_ node: JSONReader.Node, _ number: (UnsafeRawBufferPointer, Quantity) -> Void) -> Outcome {
        guard case .value(let value) = DecimalText.read(reader.value(node), places: Quantity.scale), value >= 0 else {
            return .amountOutOfRange
        }
        number(path.bytes, Quantity(millionths: value))
        return .recorded
    }

    private mutating func push(_ key: UnsafeRawBufferPointer) {
        if path.count > 0 { path.append(0x2E) }
        path.append(bytes: key)
    }

    /// Compares every key with those before it; an object with more than `Limits.jsonUnknownFields` of them is refused.
    private func keysDiffer(_ object: Int) -> Bool {
        let end = Int(reader.nodes[object].end)
        var count = 0
        var i = object + 1
        while i < end {
            count += 1
            if count > Limits.jsonUnknownFields { return false }
            var j = object + 1
            while j < i {
                if sameBytes(reader.key(reader.nodes[j]), reader.key(reader.nodes[i])) { return false }
                j = Int(reader.nodes[j].end)
            }
            i = Int(reader.nodes[i].end)
        }
        return true
    }
}
