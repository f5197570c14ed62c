// What a question lets devices answer, read from what it carries.

import Admission
import Events
import Foundation

/// The form of a question, with its choices as words that are not looked up yet.
struct QuestionForm: Sendable {
    private var form: KnownMessages.Form
    private var choices: [String] = []

    /// Nil for other messages, and for one that cannot be read any more.
    init?(_ payload: [UInt8], _ kind: EventKind) {
        guard kind == .question, !payload.isEmpty,
            let object = (try? JSONDecoder().decode(JSONValue.self, from: Data(payload)))?.object,
            let ask = object["ask"]?.text.flatMap({ KnownMessages.Form.Ask($0) })
        else { return nil }
        form = KnownMessages.Form(ask)
        for follow in object["then"]?.array ?? [] {
            if let ask = follow.object?["ask"]?.text.flatMap({ KnownMessages.Form.Ask($0) }) {
                form.follows.insert(ask)
            }
        }
        switch ask {
        case .yesNo, .text: break
        case .choice: choices = object["choices"]?.array?.compactMap(\.text) ?? []
        case .number:
            let (low, high) = (object["min"]?.number ?? -.infinity, object["max"]?.number ?? .infinity)
            if low <= high { form.bounds = low...high }
        case .scale:
            let parts = (object["scale"]?.text ?? "1-5").split(separator: "-").compactMap { Double($0) }
            if parts.count == 2, parts[0] <= parts[1] { form.bounds = parts[0]...parts[1] }
        }
    }

    /// The form as admission has it. The choices become words of the vocabulary, so that answers are compared by
    /// number; without room for all of them nothing can be said of an answer.
    func known(_ words: inout Vocabulary) -> KnownMessages.Form? {
        var known = form
        known.choices = choices.compactMap { words.ownSymbol(.value, $0) }
        return known.choices.count == choices.count ? known : nil
    }
}
