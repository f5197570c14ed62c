// Answers as JSON lines: what became of lines, with the words that Wire has for it.

import Bytes
import Events
import Wire

/// `{"ack":N}` and a newline.
func writeLineAck(_ count: UInt64, into output: inout [UInt8]) {
    append("{\"ack\":", to: &output)
    append(count, to: &output)
    append("}\n", to: &output)
}

/// What became of a line, when it was not simply stored.
enum LineVerdict: Sendable {
    case refused(Refusal)
    case told(Verdict)

    /// The key that the answer begins with.
    var key: StaticString {
        switch self {
        case .refused: "error"
        case .told(.quarantined): "quarantined"
        case .told(.stale): "stale"
        }
    }

    var code: UInt16 {
        switch self {
        case .refused(let refusal): refusal.rawValue
        case .told(let verdict): verdict.code
        }
    }

    /// Its name; nil for the one that the key names already.
    var reason: StaticString? {
        switch self {
        case .refused(let refusal): refusal.name
        case .told(.quarantined(let reason)): reason.name
        case .told(.stale): nil
        }
    }
}

/// `{"error":{"line":3,"code":4012,"reason":"no_product","text":"..."}}` and a newline; in place of `error` the key of
/// another verdict. A `line` of 0 and an empty text are left out.
func writeLineVerdict(_ verdict: LineVerdict, line: UInt64, text: String, into output: inout [UInt8]) {
    append("{\"", to: &output)
    append(verdict.key, to: &output)
    append("\":{", to: &output)
    if line > 0 {
        append("\"line\":", to: &output)
        append(line, to: &output)
        append(",", to: &output)
    }
    append("\"code\":", to: &output)
    append(UInt64(verdict.code), to: &output)
    if let reason = verdict.reason {
        append(",\"reason\":\"", to: &output)
        append(reason, to: &output)
        append("\"", to: &output)
    }
    if !text.isEmpty {
        append(",\"text\":", to: &output)
        appendJSONString(Array(text.utf8).span, to: &output)
    }
    append("}}\n", to: &output)
}

/// `{"error":{"code":4012}}` and a newline: the shortest form of a verdict.
func writeShortVerdict(_ verdict: LineVerdict, into output: inout [UInt8]) {
    append("{\"", to: &output)
    append(verdict.key, to: &output)
    append("\":{\"code\":", to: &output)
    append(UInt64(verdict.code), to: &output)
    append("}}\n", to: &output)
}

/// A refusal that concerns the whole connection or datagram.
func writeError(_ refusal: Refusal, into output: inout [UInt8]) {
    writeLineVerdict(.refused(refusal), line: 0, text: refusal.explanation.description, into: &output)
}

/// `{"error":{"more":7}}` and a newline: so many lines were refused besides those that were answered one by one; the
/// same for the other verdicts. Nothing when there are none.
func writeMore(_ count: Int, _ key: StaticString, into output: inout [UInt8]) {
    guard count > 0 else { return }
    append("{\"", to: &output)
    append(key, to: &output)
    append("\":{\"more\":", to: &output)
    append(UInt64(count), to: &output)
    append("}}\n", to: &output)
}

/// `{"note":{"line":1,"key":"timestamp","text":"..."}}` and a newline: the line is stored, one of its keys is not.
func writeNote(key: String, line: UInt64, into output: inout [UInt8]) {
    append("{\"note\":{\"line\":", to: &output)
    append(line, to: &output)
    append(",\"key\":", to: &output)
    appendJSONString(Array(key.utf8).span, to: &output)
    append(",\"text\":", to: &output)
    appendJSONString(Array(explanation(ofUnknownKey: key).utf8).span, to: &output)
    append("}}\n", to: &output)
}

private func append(_ text: StaticString, to output: inout [UInt8]) {
    output.append(contentsOf: text.description.utf8)
}

private func append(_ number: UInt64, to output: inout [UInt8]) {
    output.append(contentsOf: String(number).utf8)
}
