// The parts of text that an event may have beside its text, as they are numbered in a block.

package import Events

/// What a part is; raw values are part of the log format (schemas/log/v1/block.proto).
package enum PartTag: UInt8, CaseIterable, Sendable {
    /// The text itself, when it is sealed; a plain one is told by its length alone.
    case text = 0
    case extra = 1
    case raw = 2
    case payload = 3
    case personalValue = 4

    /// Which of an event's parts it is.
    package var part: WritableKeyPath<EventDetails, TextPart> {
        switch self {
        case .text: \.sealedText
        case .extra: \.extra
        case .raw: \.raw
        case .payload: \.payload
        case .personalValue: \.personalValue
        }
    }

    /// How a part is written in the column `part`.
    func code(of part: TextPart) -> UInt64 {
        UInt64(rawValue) | UInt64(part.codec.rawValue) << 4 | (part.isCut ? 1 << 7 : 0)
    }

    /// Reads what `code(of:)` wrote.
    ///
    /// - Throws: `Malformed` for a tag or a codec that this release does not know.
    static func read(_ code: UInt64) throws(Malformed) -> (tag: PartTag, part: TextPart) {
        guard code < 256, let tag = PartTag(rawValue: UInt8(code & 15)),
            let codec = PartCodec(rawValue: UInt8(code >> 4 & 7))
        else { throw .block }
        var part = TextPart()
        part.codec = codec
        part.isCut = code & 1 << 7 != 0
        return (tag, part)
    }
}
