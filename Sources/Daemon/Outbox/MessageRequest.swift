// A message as its author writes it: what it may say, and what is told when it says something else.

import Bytes
package import Events
import Foundation
import Wire

/// Why a message is not sent, or not changed: a code, and cause and remedy in one line.
package struct MessageFault: Error, Sendable, Equatable, CustomStringConvertible {
    package var refusal: Refusal
    package var description: String

    package init(_ refusal: Refusal, _ text: String? = nil) {
        self.refusal = refusal
        description = text ?? refusal.explanation.description
    }
}

/// Whom a message is for, by names.
package enum MessageTarget: Sendable, Equatable {
    case product(String)
    case device(product: String, name: String)
    case devices(product: String, names: [String])
    case customer(product: String, name: String)
    /// The device that has sent a feedback.
    case feedback(Offset)
}

/// A message that was read and found in order, before any name is looked up.
package struct MessageRequest: Sendable, Equatable {
    package var kind = EventKind.notice
    package var target = MessageTarget.product("")
    package var terms = MessageTerms()
    /// The author's own id of it.
    package var key: String?
    package var aspect: String?
    /// Of a setting; nil when the aspect is to be the device's own again.
    package var value: JSONValue?
    package var unit: String?
    package var collapse: String?
    package var notBefore: Timestamp?
    package var expires: Timestamp?
    package var ifVersion: UInt32?
    package var isDryRun = false
    /// What devices get: JSON.
    package var payload: [UInt8] = []

    /// Reads a message.
    ///
    /// - Throws: 4014 and its like, with the place and the word.
    package init(_ json: [UInt8], now: Timestamp) throws(MessageFault) {
        var reader = try MessageReader(json, now: now)
        try reader.read(into: &self)
    }
}

/// Reads the object of a message, key by key.
struct MessageReader {
    private let json: [UInt8]
    private let now: Timestamp
    /// What is not read yet, and all of it.
    private var object: [String: JSONValue]
    private let whole: [String: JSONValue]
    private var payload: [String: JSONValue] = [:]

    init(_ json: [UInt8], now: Timestamp) throws(MessageFault) {
        guard json.count <= DaemonLimits.messageRequestBytes else { throw MessageFault(.messageTooBig) }
        (self.json, self.now) = (json, now)
        do {
            guard let object = try JSONDecoder().decode(JSONValue.self, from: Data(json)).object else {
                throw MessageFault(.badMessage, "a message is a JSON object: {\"type\":\"notice\",…}")
            }
            (self.object, whole) = (object, object)
        } catch let fault as MessageFault {
            throw fault
        } catch {
            throw MessageFault(.badMessage, explanation(of: .malformedJSON, line: json.span))
        }
    }

    mutating func read(into request: inout MessageRequest) throws(MessageFault) {
        let kinds: [EventKind] = [.reply, .notice, .question, .setting]
        guard let type = try text("type"), let kind = kinds.first(where: { "\($0.name)" == type }) else {
            throw fault("type", "one of \(list(kinds.map { "\($0.name)" }))")
        }
        request.kind = kind
        request.target = try target(kind)
        try readTerms(&request)
        try readTimes(&request)
        if kind == .setting { try readSetting(&request) } else { try readWords(kind) }
        if kind == .question { try readQuestion(&request) }
        for (key, limit) in [("actions", 4), ("data", 0)] {
            guard let value = object.removeValue(forKey: key) else { continue }
            guard limit == 0 || (value.array?.count ?? .max) <= limit, value.canonical.count <= 1_024 else {
                throw fault(key, "at most \(limit == 0 ? "" : "\(limit) of them, and ")1,024 bytes", value)
            }
            payload[key] = value
        }
        request.isDryRun = try flag("dry_run") ?? false
        for key in ["where", "share", "salt"] where object[key] != nil {
            throw MessageFault(.badCohort, "\(key) is not there yet; name a product, a device, devices or a customer")
        }
        if let key = object.keys.sorted().first {
            let known = Self.keys
            let hint = nearestWord(to: key, among: known).map { "; did you mean \($0)?" } ?? ""
            throw MessageFault(.badMessage, "\(place(of: key))the key \(shortened(key)) is not known\(hint)")
        }
        request.payload = JSONValue.object(payload).canonical
        guard request.payload.count <= MessageLimits.payloadBytes else {
            throw MessageFault(
                .messageTooBig, "the message has \(request.payload.count) bytes; at most \(MessageLimits.payloadBytes)")
        }
    }

    private static let keys = [
        "type", "id", "to", "title", "text", "lang", "priority", "expires", "at", "collapse", "basis", "confirm",
        "aspect", "ask", "choices", "scale", "min", "max", "unit", "value", "policy", "if_version", "live", "actions",
        "data", "dry_run", "then",
    ]

    // MARK: To whom

    private mutating func target(_ kind: EventKind) throws(MessageFault) -> MessageTarget {
        guard let to = object.removeValue(forKey: "to")?.object else {
            throw fault("to", "an object: {\"product\":…} and perhaps \"device\", \"devices\" or \"customer\"")
        }
        if kind == .reply {
            guard let offset = to["feedback"]?.whole, offset >= 0, to.count == 1 else {
                throw fault("to", "{\"feedback\":OFFSET} for a reply")
            }
            return .feedback(Offset(rawValue: UInt64(offset)))
        }
        guard let product = to["product"]?.text, !product.isEmpty else {
            throw fault("product", "the name of a product")
        }
        for key in ["where", "share", "salt", "live"] where to[key] != nil {
            throw MessageFault(.badCohort, "\(key) is not there yet; name a product, a device, devices or a customer")
        }
        guard to.count <= 2 else { throw fault("to", "one of device, devices and customer beside product") }
        if let device = to["device"]?.text { return .device(product: product, name: device) }
        if let customer = to["customer"]?.text { return .customer(product: product, name: customer) }
        if let devices = to["devices"]?.array {
            let names = devices.compactMap(\.text)
            guard names.count == devices.count, !names.isEmpty else { throw fault("devices", "an array of names") }
            return .devices(product: product, names: names)
        }
        if let other = to.keys.first(where: { $0 != "product" }) {
            throw fault(other, "one of device, devices and customer, as a name")
        }
        return .product(product)
    }

    // MARK: On which terms

    private mutating func readTerms(_ request: inout MessageRequest) throws(MessageFault) {
        request.key = try text("id", most: MessageLimits.keyBytes)
        request.collapse = try text("collapse", most: MessageLimits.keyBytes)
        request.terms.priority = try word("priority", [.low, .normal, .high, .urgent], \.name) ?? .normal
        request.terms.basis = try word("basis", MessageBasis.allCases, \.name) ?? .consent
        if request.terms.priority == .urgent, request.terms.basis == .consent, request.kind != .setting {
            throw fault("priority", "another priority, or another basis than consent")
        }
        let confirm = try text("confirm")
        guard confirm == nil || confirm == "app" || confirm == "transport" else {
            throw fault("confirm", "one of transport, app", confirm.map { .text($0) })
        }
        request.terms.awaitsApp = confirm.map { $0 == "app" } ?? (request.kind == .question)
        switch request.target {
        case .product: request.terms.scope = .product
        case .device, .feedback: request.terms.scope = .device
        case .devices: request.terms.scope = .list
        case .customer: request.terms.scope = .customer
        }
        let isLive = try flag("live")
        if isLive == true, request.terms.scope != .product { throw fault("live", "only for a whole product") }
        request.terms.isLive = isLive ?? (request.kind == .setting && request.terms.scope == .product)
    }

    private mutating func readTimes(_ request: inout MessageRequest) throws(MessageFault) {
        request.notBefore = try time("at")
        let start = max(request.notBefore ?? now, now)
        let most = start.rawValue + Int64(MessageLimits.expiryDays) * 86_400_000
        let days: Int? =
            switch request.kind {
            case .question: MessageLimits.questionDays
            case .reply: MessageLimits.replyDays
            case .notice: MessageLimits.noticeDays
            default: nil
            }
        request.expires = days.map { Timestamp(rawValue: start.rawValue + Int64($0) * 86_400_000) }
        let expires = try time("expires")
        guard let expires else { return }
        guard expires > start, expires.rawValue <= most else {
            throw MessageFault(
                .badMessage, "expires must lie ahead of now and at, and at most \(MessageLimits.expiryDays) days")
        }
        request.expires = expires
    }

    /// A time: RFC 3339, or how long from now, as 30m, 12h, 7d.
    private mutating func time(_ key: String) throws(MessageFault) -> Timestamp? {
        guard let said = try text(key) else { return nil }
        if let time = readRFC3339(Array(said.utf8).span) { return Timestamp(rawValue: time) }
        let units: [Character: Int64] = ["s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000]
        if let unit = said.last.flatMap({ units[$0] }), let count = Int64(said.dropLast()),
            (1...100_000).contains(count)
        {
            return Timestamp(rawValue: now.rawValue + count * unit)
        }
        throw fault(key, "a time such as 7d, 12h or 2026-12-24T08:00:00Z", .text(said))
    }

    // MARK: What it says

    private mutating func readSetting(_ request: inout MessageRequest) throws(MessageFault) {
        request.aspect = try aspect(isNeeded: true)
        request.terms.policy = try word("policy", SettingPolicy.allCases, \.name) ?? .offer
        if request.terms.policy == .require, whole["confirm"] == nil { request.terms.awaitsApp = true }
        if let version = object.removeValue(forKey: "if_version") {
            guard let number = version.whole.flatMap({ UInt32(exactly: $0) }) else {
                throw fault("if_version", "the version of a setting, a whole number", version)
            }
            request.ifVersion = number
        }
        request.unit = try text("unit", most: Limits.unitBytes)
        guard let value = object.removeValue(forKey: "value") else {
            throw fault("value", "a number, a word or true or false; null for the device's own")
        }
        switch value {
        case .null: break
        case .text(let word):
            guard (1...Limits.valueBytes).contains(word.utf8.count) else {
                throw fault("value", "a word of 1 to \(Limits.valueBytes) bytes", value)
            }
            request.value = value
        case .real(let number) where !number.isFinite: throw fault("value", "a finite number", value)
        case .flag, .whole, .real: request.value = value
        case .array, .object: throw fault("value", "a number, a word or true or false", value)
        }
        payload["aspect"] = request.aspect.map { .text($0) }
        payload["value"] = value
        payload["policy"] = .text("\(request.terms.policy.name)")
        if let unit = request.unit { payload["unit"] = .text(unit) }
    }

    private mutating func readWords(_ kind: EventKind) throws(MessageFault) {
        for (key, most) in [("title", MessageLimits.titleBytes), ("text", MessageLimits.payloadBytes)] {
            guard let value = object.removeValue(forKey: key) else { continue }
            payload[key] = try words(key, value, most: most)
        }
        if let language = try text("lang", most: Limits.unitBytes) { payload["lang"] = .text(language) }
        guard payload["text"] != nil else { throw fault("text", "what is to be said") }
    }

    /// A text, or one for each language.
    private func words(_ key: String, _ value: JSONValue, most: Int) throws(MessageFault) -> JSONValue {
        let texts = value.object.map { Array($0.values) } ?? [value]
        guard !texts.isEmpty, texts.count <= MessageLimits.languages,
            texts.allSatisfy({ (1...most).contains($0.text?.utf8.count ?? 0) })
        else { throw fault(key, "a text of 1 to \(most) bytes, or an object with one for each language", value) }
        return value
    }

    private mutating func readQuestion(_ request: inout MessageRequest) throws(MessageFault) {
        request.aspect = try aspect(isNeeded: false)
        let forms = ["yes_no", "scale", "choice", "number", "text"]
        guard let ask = try text("ask"), forms.contains(ask) else { throw fault("ask", "one of \(list(forms))") }
        if ask != "text", request.aspect == nil { throw fault("aspect", "what the question is about") }
        payload["ask"] = .text(ask)
        payload["aspect"] = request.aspect.map { .text($0) }
        let choices = object.removeValue(forKey: "choices")
        if ask == "choice" {
            let words = choices?.array?.compactMap(\.text) ?? []
            let isGood = words.allSatisfy { (1...MessageLimits.choiceBytes).contains($0.utf8.count) }
            guard (2...MessageLimits.choices).contains(words.count), isGood, words.count == choices?.array?.count else {
                throw fault(
                    "choices", "2 to \(MessageLimits.choices) words of at most \(MessageLimits.choiceBytes) bytes",
                    choices)
            }
            payload["choices"] = choices
        } else if choices != nil {
            throw fault("choices", "nothing but with \"ask\":\"choice\"", choices)
        }
        if ask == "scale" {
            let scale = try text("scale") ?? "1-5"
            guard ["0-1", "1-5", "0-10"].contains(scale) else {
                throw fault("scale", "one of 0-1, 1-5, 0-10", .text(scale))
            }
            payload["scale"] = .text(scale)
        }
        if ask == "number" {
            for key in ["min", "max"] {
                guard let value = object.removeValue(forKey: key) else { continue }
                guard value.number != nil else { throw fault(key, "a number", value) }
                payload[key] = value
            }
            if let unit = try text("unit", most: Limits.unitBytes) { payload["unit"] = .text(unit) }
        }
        if let then = object.removeValue(forKey: "then") {
            guard let follow = then.array, follow.count <= 4, follow.allSatisfy({ $0.object?["ask"] != nil }) else {
                throw fault("then", "up to 4 of {\"if\":…,\"ask\":…,\"text\":…}", then)
            }
            payload["then"] = then
        }
    }

    private mutating func aspect(isNeeded: Bool) throws(MessageFault) -> String? {
        guard let name = try text("aspect", most: Limits.aspectBytes) else {
            if isNeeded { throw fault("aspect", "a dotted path such as sound.ready") }
            return nil
        }
        let words = name.split(separator: ".", omittingEmptySubsequences: false)
        let isGood = words.allSatisfy { word in
            !word.isEmpty && word.utf8.allSatisfy { $0 == 95 || (48...57).contains($0) || (97...122).contains($0) }
        }
        guard isGood, words.count <= Limits.aspectWords else {
            throw fault("aspect", "a dotted path of [a-z0-9_] words", .text(name))
        }
        return name
    }

    // MARK: Values

    private mutating func text(_ key: String, most: Int = 256) throws(MessageFault) -> String? {
        guard let value = object.removeValue(forKey: key), value != .null else { return nil }
        guard let text = value.text, (1...most).contains(text.utf8.count) else {
            throw fault(key, "a text of 1 to \(most) bytes", value)
        }
        return text
    }

    private mutating func flag(_ key: String) throws(MessageFault) -> Bool? {
        guard let value = object.removeValue(forKey: key), value != .null else { return nil }
        guard let flag = value.flag else { throw fault(key, "true or false", value) }
        return flag
    }

    private mutating func word<Word>(
        _ key: String, _ words: [Word], _ name: (Word) -> StaticString
    ) throws(MessageFault) -> Word? {
        guard let said = try text(key) else { return nil }
        if let word = words.first(where: { "\(name($0))" == said }) { return word }
        throw fault(key, "one of \(list(words.map { "\(name($0))" }))", .text(said))
    }

    private func list(_ words: [String]) -> String { words.joined(separator: ", ") }

    private func fault(_ key: String, _ wanted: String, _ value: JSONValue? = nil) -> MessageFault {
        let said = value ?? whole[key]
        return MessageFault(
            .badMessage,
            said.map { "\(place(of: key))\(key) is \($0.shown); send \(wanted)" } ?? "\(key) is missing; send \(wanted)"
        )
    }

    /// Where a key stands, as `at byte 17: `.
    private func place(of key: String) -> String {
        let wanted = Array("\"\(key)\"".utf8)
        guard json.count >= wanted.count else { return "" }
        for start in 0...(json.count - wanted.count) where Array(json[start..<start + wanted.count]) == wanted {
            return "at byte \(start + 1): "
        }
        return ""
    }
}
