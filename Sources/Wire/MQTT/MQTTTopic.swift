// The topics that mean something here: a device's own, by its long name or by the short one.

import Bytes
package import Events

/// What a topic says.
package enum MQTTTopic: Hashable, Sendable {
    /// `tidings/v1/<product>/<device>/event` and `…/batch`: ranges of the topic, as they stand in it.
    case device(product: Range<Int>, device: Range<Int>, Leaf)
    /// `t/e` and `t/b`: of the device that the connection speaks for.
    case own(Leaf)
    /// None of these.
    case foreign

    /// What the last word of a topic, or of a filter, is.
    package enum Leaf: Hashable, Sendable {
        case event
        case batch
        /// What comes down to a device; only in filters.
        case down
        case state
    }

    package init(_ topic: Span<UInt8>) {
        self = .foreign
        if topic.count == 3, topic[0] == UInt8(ascii: "t"), topic[1] == UInt8(ascii: "/") {
            switch topic[2] {
            case UInt8(ascii: "e"): self = .own(.event)
            case UInt8(ascii: "b"): self = .own(.batch)
            default: break
            }
            return
        }
        guard let (product, device, rest) = Self.split(topic) else { return }
        let leaf = topic.extracting(rest)
        if equals(leaf, eventWord) { self = .device(product: product, device: device, .event) }
        if equals(leaf, batchWord) { self = .device(product: product, device: device, .batch) }
    }

    /// What a filter of a subscription asks for: `…/down/#`, `…/down/+`, `…/down/<id>` or `…/state`.
    package init(filter: Span<UInt8>) {
        self = .foreign
        guard let (product, device, rest) = Self.split(filter) else { return }
        guard !hasWildcard(filter.extracting(0..<rest.lowerBound)) else { return }
        let leaf = filter.extracting(rest)
        if equals(leaf, stateWord) { self = .device(product: product, device: device, .state) }
        if leaf.count > downWord.count, equals(leaf.extracting(0..<downWord.count), downWord) {
            self = .device(product: product, device: device, .down)
        }
    }

    /// The product, the device and what follows them.
    private static func split(
        _ topic: Span<UInt8>
    ) -> (product: Range<Int>, device: Range<Int>, rest: Range<Int>)? {
        let start = topicPrefix.count
        guard topic.count > start, equals(topic.extracting(0..<start), topicPrefix) else { return nil }
        let middle = topic.first(UInt8(ascii: "/"), from: start)
        guard middle > start, middle < topic.count else { return nil }
        let end = topic.first(UInt8(ascii: "/"), from: middle + 1)
        guard end > middle + 1, end < topic.count else { return nil }
        return (start..<middle, (middle + 1)..<end, (end + 1)..<topic.count)
    }
}

private let topicPrefix = Array("tidings/v1/".utf8)
private let eventWord = Array("event".utf8)
private let batchWord = Array("batch".utf8)
private let downWord = Array("down/".utf8)
private let stateWord = Array("state".utf8)

/// The names of the device that a topic names, plain: `%25`, `%2F`, `%2B` and `%23` stand for the characters that no
/// level of a topic can hold.
package func topicNames(
    _ topic: Span<UInt8>, product: Range<Int>, device: Range<Int>
) -> (product: [UInt8], device: [UInt8]) {
    (NameEscapes.topic.decoded(topic.extracting(product)), NameEscapes.topic.decoded(topic.extracting(device)))
}

/// The device that a topic names; nothing is given out.
///
/// - Throws: what `NamedDevice` throws.
package func topicDevice(
    _ topic: Span<UInt8>, product: Range<Int>, device: Range<Int>, in vocabulary: borrowing Vocabulary
) throws(Refusal) -> NamedDevice {
    let (plainProduct, plainDevice) = (topic.extracting(product), topic.extracting(device))
    if !NameEscapes.topic.areIn(plainProduct), !NameEscapes.topic.areIn(plainDevice) {
        return try NamedDevice(product: plainProduct, name: plainDevice, in: vocabulary)
    }
    let names = topicNames(topic, product: product, device: device)
    return try NamedDevice(product: names.product.span, name: names.device.span, in: vocabulary)
}

/// The level of a topic that stands for a name.
package func topicLevel(of name: ArraySlice<UInt8>) -> [UInt8] {
    var level: [UInt8] = []
    NameEscapes.topic.append(name, to: &level)
    return level
}
