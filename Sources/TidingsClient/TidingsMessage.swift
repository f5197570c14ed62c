// A message that came down to a device, and what the device may say of it.

import Bytes
package import Events
import Wire

/// A message to a device.
public struct TidingsMessage: Hashable, Sendable {
    /// What it is for.
    public enum Kind: String, Hashable, Sendable, CaseIterable {
        /// Something is told.
        case notice
        /// Something is asked: `question` says how.
        case question
        /// An answer to the customer's own words.
        case reply
        /// How an aspect should stand.
        case setting
    }

    /// What kind of answer is wanted.
    public enum Question: Hashable, Sendable {
        /// A flag.
        case yesNo
        /// A whole number of these.
        case scale(ClosedRange<Int64>)
        /// One of these words.
        case choice([String])
        /// Any number.
        case number
        /// The customer's own words.
        case text
    }

    /// What a setting does where the customer has chosen otherwise.
    public enum Policy: String, Hashable, Sendable, CaseIterable {
        /// It holds until the customer chooses after it.
        case offer
        /// It holds where the customer has chosen nothing.
        case `default`
        /// It holds whatever the customer chooses.
        case require
    }

    /// Names the message in receipts and answers: `m17-9f31c2aa`.
    public var id: String
    /// Whose device it is for, and which.
    public var product: String
    /// The device's name among those of its product.
    public var device: String
    /// What it is for.
    public var kind: Kind
    /// What it is about; of settings always there.
    public var aspect: String?
    /// Of a question: how it is to be answered.
    public var question: Question?
    /// Of a setting: how the aspect should stand; nil gives it back to the device.
    public var value: TidingsEvent.Value?
    /// The unit of the value, or of the number that is asked for.
    public var unit: String?
    /// Of a setting: what it does where the customer has chosen otherwise.
    public var policy: Policy?
    /// Of a setting: the epoch of the highest number of this device that the daemon had. A device whose customer has
    /// chosen the aspect after that one refuses.
    public var seenEpoch: UInt32?
    /// Of a setting: that number.
    public var seenSeq: UInt64?
    /// How many messages wait behind it.
    public var more: Int
    /// The whole message: one JSON object.
    public var json: [UInt8]
    private var titles: [String: String]
    private var texts: [String: String]

    /// The line above the text.
    ///
    /// - Parameter language: a BCP 47 tag; for what is not said in it, another language takes its place.
    public func title(in language: String = "en") -> String? { Self.pick(titles, language) }

    /// What is said.
    ///
    /// - Parameter language: a BCP 47 tag; for what is not said in it, another language takes its place.
    public func text(in language: String = "en") -> String? { Self.pick(texts, language) }

    /// What became of the message here: shown, applied, refused.
    ///
    /// - Parameter reason: why it was refused, or failed.
    public func receipt(_ stage: TidingsEvent.Stage, reason: String? = nil) -> TidingsEvent {
        var event = TidingsEvent(product: product, device: device, kind: .receipt(stage, .app))
        (event.cause, event.text) = (id, reason)
        return event
    }

    /// An answer to a question: a rating for a scale, words for a text, else a preference.
    public func answer(_ value: TidingsEvent.Value, customer: String? = nil) -> TidingsEvent {
        var event = TidingsEvent(product: product, device: device, kind: .preferenceSet, aspect: aspect, value: value)
        (event.cause, event.customer, event.unit) = (id, customer, unit)
        switch (question, value) {
        case (.scale(let range), _):
            event.kind = .ratingGiven
            event.scale = range == 0...10 ? 10 : range == 0...1 ? 1 : 0
        case (.text, .choice(let words)):
            (event.kind, event.value, event.text) = (.feedbackText, nil, words)
        default: break
        }
        return event
    }

    /// Nil for what is no message.
    package init?(_ json: Span<UInt8>) {
        guard let members = try? readDown(json), let id = members["id"]?.text, let product = members["product"]?.text,
            let device = members["device"]?.text, let kind = members["type"]?.text.flatMap(Kind.init)
        else { return nil }
        (self.id, self.product, self.device, self.kind) = (id, product, device, kind)
        self.json = Array(copying: json)
        (titles, texts) = (Self.words(members["title"], members), Self.words(members["text"], members))
        aspect = members["aspect"]?.text
        unit = members["unit"]?.text
        policy = members["policy"]?.text.flatMap(Policy.init)
        more = Int(clamping: members["more"]?.whole ?? 0)
        if kind == .setting { value = Self.value(members["value"]) }
        if kind == .question { question = Self.question(members) }
        let seen = members["seen"]?.text?.split(separator: "-") ?? []
        if seen.count == 2 { (seenEpoch, seenSeq) = (UInt32(seen[0]), UInt64(seen[1])) }
        guard number != nil else { return nil }
    }

    /// The id as the native format has it; nil when it is none, or has no tag.
    package var number: MessageID? {
        var details = EventDetails()
        guard details.setCause(Array(id.utf8).span) else { return nil }
        return details.message
    }

    private static func value(_ said: DownValue?) -> TidingsEvent.Value? {
        switch said {
        case .whole(let number): .whole(number)
        case .real(let number): .real(number)
        case .flag(let flag): .flag(flag)
        case .text(let word): .choice(word)
        case .null, .list, .texts, .other, nil: nil
        }
    }

    private static func question(_ members: [String: DownValue]) -> Question? {
        switch members["ask"]?.text {
        case "yes_no": return .yesNo
        case "number": return .number
        case "text": return .text
        case "choice":
            guard case .list(let words) = members["choices"] else { return nil }
            return .choice(words)
        case "scale":
            let ends = members["scale"]?.text?.split(separator: "-").compactMap { Int64($0) } ?? []
            return .scale(ends.count == 2 && ends[0] < ends[1] ? ends[0]...ends[1] : 1...5)
        default: return nil
        }
    }

    private static func words(_ said: DownValue?, _ members: [String: DownValue]) -> [String: String] {
        switch said {
        case .text(let text): [members["lang"]?.text ?? "": text]
        case .texts(let texts): texts
        default: [:]
        }
    }

    /// In the language itself, in what it is a form of, in English, in whatever there is.
    private static func pick(_ texts: [String: String], _ language: String) -> String? {
        let base = language.split(separator: "-").first.map(String.init) ?? language
        return texts[language] ?? texts[base] ?? texts[""] ?? texts["en"]
            ?? texts.sorted { $0.key < $1.key }.first?.value
    }
}
