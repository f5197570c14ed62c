// A block as it is stored: the bytes, and what its row says of them.

package import Events

/// How a block is written, and what its chain covers.
package enum BlockFormat: Int, CaseIterable, Sendable {
    /// Releases up to 0.1.0. Its texts stand in the body.
    case two = 2
    /// Texts apart from the body, the chain covers their digest; what few events say (`EventDetails`); a keyframe names
    /// its offset.
    case three = 3

    /// That of every new segment.
    package static let newest = BlockFormat.three
}

/// Where a block came from, when it came through a relay.
package struct RelayPosition: Sendable, Equatable {
    /// The message's number in its stream, from 1.
    package var sequence: UInt64
    /// Who wrote it there: 16 bytes.
    package var writer: [UInt8]
    /// The message's number among those of its writer, from 1.
    package var number: UInt64

    package init(sequence: UInt64, writer: [UInt8], number: UInt64) {
        self.sequence = sequence
        self.writer = writer
        self.number = number
    }
}

/// A block ready to be stored, or as it was found.
package struct EncodedBlock: Sendable {
    package var format = BlockFormat.newest
    package var stored: EncodedBody
    /// Nil when none of its events has a text, and in format 2.
    package var text: EncodedText?
    package var count: Int
    package var times: ClosedRange<Timestamp>
    package var arrivals: ClosedRange<Timestamp>
    package var relay: RelayPosition?

    package init(
        stored: EncodedBody, text: EncodedText? = nil, count: Int, times: ClosedRange<Timestamp>,
        arrivals: ClosedRange<Timestamp>
    ) {
        self.stored = stored
        self.text = text
        self.count = count
        self.times = times
        self.arrivals = arrivals
    }

    /// The bytes that it takes up, but for its row.
    package var storedBytes: Int { stored.body.count + (text?.stored.body.count ?? 0) }

    /// Whether body and texts have their checksums.
    package var isIntact: Bool {
        stored.isIntact && text.map { $0.isMissing || $0.stored.isIntact } ?? true
    }

    /// What the block may have been before one byte of its body, of its texts or of a checksum changed; only itself
    /// when both have their checksums. The digest of the texts is that of their bytes.
    package var originals: [EncodedBlock] {
        stored.originals.flatMap { body in
            texts.map { text in
                var original = self
                (original.stored, original.text) = (body, text)
                return original
            }
        }
    }

    private var texts: [EncodedText?] {
        guard let text, !text.isMissing else { return [text] }
        return text.stored.originals.map { EncodedText($0) }
    }
}
