// What is asked of the daemon about messages, by a command or over HTTP, and what it answers.

package import Events
import Wire

/// A message to be sent, as its author writes it.
package struct MessageOrder: Codable, Sendable, Equatable {
    /// JSON, as docs/messages.md describes it.
    package var json: String
    /// Who sends it, as it is shown.
    package var author: String
    /// Whether the author may write to people who have not agreed to it.
    package var isAdmin: Bool
    /// Whose devices the author may write to; nil for all.
    package var scope: Scope?

    package init(_ json: String, author: String, isAdmin: Bool, scope: Scope? = nil) {
        (self.json, self.author, self.isAdmin, self.scope) = (json, author, isAdmin, scope)
    }

    private enum CodingKeys: CodingKey { case json, author }

    /// Over the control socket comes only the owner of the data folder.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        json = try container.decode(String.self, forKey: .json)
        author = try container.decode(String.self, forKey: .author)
        (isAdmin, scope) = (true, nil)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(json, forKey: .json)
        try container.encode(author, forKey: .author)
    }
}

/// Messages to be taken back: one by its id, or those of a collapse key.
package struct CancelOrder: Codable, Sendable, Equatable {
    package var message: String?
    package var collapse: String?

    package init(message: String? = nil, collapse: String? = nil) {
        (self.message, self.collapse) = (message, collapse)
    }
}

/// What has become of a message that was to be sent or cancelled.
package struct MessageAnswer: Codable, Sendable, Equatable {
    /// Its id; of a dry run there is none.
    package var id: String?
    package var isStored = false
    /// Whether the same author had sent it before under its own id: then nothing was done.
    package var isRepeated: Bool?
    /// Devices that it goes to, those among them that may not be written to, and those that the product has.
    package var addressed: Int?
    package var withheld: Int?
    package var devices: Int?
    /// The event of the log as of which they were found.
    package var asOf: UInt64?
    /// Of a dry run: some of those that it would go to.
    package var examples: [String]?
    /// Messages that were cancelled.
    package var cancelled: [String]?
    /// Why nothing was done: a code of docs/wire.md, and cause and remedy.
    package var code: Int?
    package var text: String?

    package init() {}

    package init(_ fault: MessageFault) {
        (code, text) = (Int(fault.refusal.rawValue), fault.description)
    }

    package var refusal: Refusal? { code.flatMap { UInt16(exactly: $0) }.flatMap { Refusal(rawValue: $0) } }

    private enum CodingKeys: String, CodingKey {
        case id
        case isStored = "stored"
        case isRepeated = "repeated"
        case addressed, withheld, devices
        case asOf = "as_of"
        case examples
        case cancelled, code, text
    }
}
