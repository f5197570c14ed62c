// What a device that asks for its messages has been given: a set of ids, in words that fit into an address.

import Bytes
package import Events

/// The messages of an answer, which the next request brings back: then the device has them. It is a set and no place in
/// a list, for what is urgent overtakes; and it cannot be made up, for it has the tags of the ids.
package struct DownToken: Hashable, Sendable {
    package private(set) var ids: [MessageID] = []

    package init() {}

    /// Takes a token apart: ids with a point between each two.
    ///
    /// - Returns: nil when it is none, or has more than `WireLimits.tokenIDs`.
    package init?(_ text: Span<UInt8>) {
        var at = 0
        while at < text.count {
            let end = min(text.first(UInt8(ascii: "."), from: at), text.count)
            var details = EventDetails()
            guard ids.count < WireLimits.tokenIDs, end > at, end < text.count - 1 || end == text.count,
                details.setCause(text.extracting(at..<end)), let id = details.message
            else { return nil }
            ids.append(id)
            at = end + 1
        }
    }

    /// Adds an id; beyond so many the oldest goes.
    package mutating func insert(_ id: MessageID, most: Int = WireLimits.tokenIDs) {
        guard !ids.contains(id) else { return }
        if ids.count >= most { ids.removeFirst() }
        ids.append(id)
    }

    package func append(to output: inout [UInt8]) {
        for (index, id) in ids.enumerated() {
            if index > 0 { output.append(UInt8(ascii: ".")) }
            id.append(to: &output)
        }
    }
}
