// JSON, written by hand: keys in a fixed order, no dependencies.

import Bytes
import Events

/// A JSON text under construction.
struct JSONWriter {
    private(set) var text = ""
    private var needsComma = false

    private mutating func separate() {
        if needsComma { text += "," }
        needsComma = true
    }

    mutating func object(_ key: String? = nil, _ body: (inout JSONWriter) -> Void) { nest(key, "{", "}", body) }
    mutating func array(_ key: String? = nil, _ body: (inout JSONWriter) -> Void) { nest(key, "[", "]", body) }

    private mutating func nest(_ key: String?, _ open: String, _ close: String, _ body: (inout JSONWriter) -> Void) {
        label(key)
        text += open
        needsComma = false
        body(&self)
        text += close
        needsComma = true
    }

    private mutating func label(_ key: String?) {
        separate()
        if let key { text += jsonString(key) + ":" }
    }

    mutating func add(_ key: String? = nil, _ number: some BinaryInteger) {
        label(key)
        text += String(number)
    }

    mutating func add(_ key: String? = nil, _ flag: Bool) {
        label(key)
        text += flag ? "true" : "false"
    }

    /// JSON has no infinity and no NaN; both become null.
    mutating func add(_ key: String? = nil, _ number: Double?) {
        label(key)
        if let number, number.isFinite { text += "\(number)" } else { text += "null" }
    }

    mutating func add(_ key: String? = nil, _ string: String?) {
        label(key)
        text += string.map(jsonString) ?? "null"
    }

    mutating func add(_ key: String? = nil, _ time: Timestamp?) { add(key, time.map(rfc3339)) }

    /// One object on a line of its own.
    static func line(_ body: (inout JSONWriter) -> Void) -> String {
        var json = JSONWriter()
        json.object(nil, body)
        return json.text + "\n"
    }

    /// Leaves the key out when there is no number.
    mutating func addIfKnown(_ key: String, _ number: Int?) {
        if let number { add(key, number) }
    }
}
