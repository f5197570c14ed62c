// Events of a caller as batches: numbered by a vocabulary, and all of them checked before any is sent.

import Events

/// The events in batches of up to `size`.
///
/// - Throws: `SendError` for one that cannot be sent: nothing is left half done.
func batches(
    _ events: [TidingsEvent], _ vocabulary: inout Vocabulary, size: Int
) throws(SendError) -> [EventBatch] {
    var batches: [EventBatch] = []
    for (index, event) in events.enumerated() {
        if batches.last.map({ $0.count >= size }) ?? true {
            batches.append(EventBatch(capacity: min(events.count - index, size)))
        }
        do throws(TidingsEvent.Unusable) {
            try event.append(to: &batches[batches.count - 1], vocabulary: &vocabulary)
        } catch {
            throw SendError(
                description: "event \(index + 1) of \(events.count), product \"\(event.product)\", device "
                    + "\"\(event.device)\", cannot be sent: \(error.cause)")
        }
    }
    _ = vocabulary.takeDefinitions()
    return batches
}
