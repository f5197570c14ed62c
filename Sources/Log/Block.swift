// A block: the unit in which the log is written, read, checked and followed.

package import Events

/// Consecutive events of the log, decoded, and the words that were recorded with them.
///
/// A plain value; whoever holds it owns it.
package struct Block: Sendable {
    /// The offset of the first event; the others follow without a gap.
    package var firstOffset: Offset
    package var batch: EventBatch
    /// The words (`symbols`) that the segment records from this block on. Words that an earlier segment already
    /// had come again, under the same numbers. Names of devices and customers are in the identity store, not here.
    package var definitions: Definitions
    /// False when a damaged block before this one made the predicted fields (product, customer, epoch, seq) doubtful.
    package var isIdentityCertain: Bool

    package init(
        firstOffset: Offset, batch: EventBatch, definitions: Definitions = Definitions(), isIdentityCertain: Bool = true
    ) {
        self.firstOffset = firstOffset
        self.batch = batch
        self.definitions = definitions
        self.isIdentityCertain = isIdentityCertain
    }

    /// The number of events.
    package var count: Int { batch.count }
    /// The offset after the last event.
    package var endOffset: Offset { firstOffset + batch.count }
}
