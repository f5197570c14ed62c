// The control messages as plain values, so that no other room needs SwiftProtobuf.
import Bytes
package import Events
import SwiftProtobuf

/// Body of HELLO: who the client is and where it stands.
package struct Hello: Hashable, Sendable {
    /// Version of the protocol; 1.
    package var version: UInt32 = 1
    /// UTF-8 of the device source (`product/serial` or a device URN); empty = each batch names its own.
    package var source: [UInt8] = []
    package var keyID: UInt32 = 0
    package var epoch: UInt32 = 0
    /// The lowest number that the client has still to send.
    package var next: UInt64 = 0
    /// The client's part in the proof of its key; empty when it proves nothing.
    package var nonce: [UInt8] = []
    package var token: String = ""
    /// Name and version of the client's software.
    package var agent: String = ""
    package var features: Features = []

    /// What the client can do, or wants.
    package struct Features: OptionSet, Hashable, Sendable, BitwiseCopyable {
        package let rawValue: UInt32
        package init(rawValue: UInt32) { self.rawValue = rawValue }
        /// It is sent the messages of its source, although it speaks for many.
        package static let messages = Features(rawValue: 1)
    }

    package init() {}

    /// - Throws: `.tooBig` over `WireLimits.controlBytes`, `.malformedBody`, `.unknownReference` when it asks for a
    ///   catalogue.
    package init(decoding body: Span<UInt8>) throws(Refusal) {
        let message: Tidings_Wire_V1_Hello = try decode(body)
        guard message.catalogue == 0 else { throw .unknownReference }
        version = message.proto
        source = Array(message.source.utf8)
        keyID = message.keyID
        epoch = message.epoch
        next = message.next
        nonce = Array(message.nonce)
        token = message.token
        agent = message.agent
        features = Features(rawValue: message.features)
    }

    package func encode() -> [UInt8] {
        var message = Tidings_Wire_V1_Hello()
        message.proto = version
        message.source = String(decoding: source, as: UTF8.self)
        message.keyID = keyID
        message.epoch = epoch
        message.next = next
        message.nonce = filled(nonce)
        message.token = token
        message.agent = agent
        message.features = features.rawValue
        return Wire.encode(message)
    }
}

/// Body of WELCOME: what the daemon already has, and what it takes.
package struct Welcome: Hashable, Sendable {
    /// What the client must prove its key with before anything else is said; empty when there is nothing to prove.
    package var nonce: [UInt8] = []
    /// Every number of `epoch` up to this one is durable; the client may forget them.
    package var durable: UInt64 = 0
    /// The daemon's clock, for clients that have none.
    package var time = Timestamp(rawValue: 0)
    /// Body of one frame, bytes.
    package var maxFrameBytes: UInt32 = 0
    package var maxBatchEvents: UInt32 = 0
    package var epoch: UInt32 = 0

    package init() {}

    /// - Throws: `.tooBig` over `WireLimits.controlBytes`, `.malformedBody`.
    package init(decoding body: Span<UInt8>) throws(Refusal) {
        let message: Tidings_Wire_V1_Welcome = try decode(body)
        nonce = Array(message.nonce)
        durable = message.durable
        time = Timestamp(rawValue: message.timeMs)
        maxFrameBytes = message.maxFrame
        maxBatchEvents = message.maxBatch
        epoch = message.epoch
    }

    package func encode() -> [UInt8] {
        var message = Tidings_Wire_V1_Welcome()
        message.nonce = filled(nonce)
        message.durable = durable
        message.timeMs = time.rawValue
        message.maxFrame = maxFrameBytes
        message.maxBatch = maxBatchEvents
        message.epoch = epoch
        return Wire.encode(message)
    }
}

/// Body of ERROR, and one entry of `Ack.rejects`: an input that was turned away, or an event that was quarantined.
package struct Reject: Hashable, Sendable {
    /// The first number concerned; 0 = none in particular.
    package var seq: UInt64 = 0
    /// A `Refusal`, or the code of a `Verdict`.
    package var code: UInt32 = 0
    package var text: String = ""
    /// The event's number in the count of its connection; 0 = not known.
    package var number: UInt64 = 0

    package init(seq: UInt64 = 0, code: UInt32, text: String, number: UInt64 = 0) {
        self.seq = seq
        self.code = code
        self.text = text
        self.number = number
    }

    /// The refusal behind `code`, if it is one.
    package var refusal: Refusal? { UInt16(exactly: code).flatMap(Refusal.init(rawValue:)) }

    /// - Throws: `.tooBig` over `WireLimits.controlBytes`, `.malformedBody`.
    package init(decoding body: Span<UInt8>) throws(Refusal) {
        self.init(try decode(body) as Tidings_Wire_V1_Reject)
    }

    package func encode() -> [UInt8] { Wire.encode(message) }

    fileprivate init(_ message: Tidings_Wire_V1_Reject) {
        seq = message.seq
        code = message.code
        text = message.text
        number = message.number
    }

    fileprivate var message: Tidings_Wire_V1_Reject {
        var message = Tidings_Wire_V1_Reject()
        message.seq = seq
        message.code = code
        message.text = text
        message.number = number
        return message
    }
}

/// Body of ACK: what is committed to the log.
package struct Ack: Hashable, Sendable {
    /// Numbers above `durable`: `missing` of them have not arrived, then `present` of them are durable.
    package struct Range: Hashable, Sendable {
        package var missing: UInt32
        package var present: UInt32

        package init(missing: UInt32, present: UInt32) {
            self.missing = missing
            self.present = present
        }
    }

    package var durable: UInt64 = 0
    package var ranges: [Range] = []
    package var epoch: UInt32 = 0
    /// Not 0: the sender waits this long before it sends more.
    package var retryAfterMilliseconds: UInt32 = 0
    package var rejects: [Reject] = []
    package var push: UInt64 = 0
    /// Of a device: messages that it has. Never cumulative.
    package var received: [MessageID] = []
    /// How many messages wait for the device: with 0 it may go to sleep. Nil when that is not known.
    package var pending: UInt32?
    /// How many of the events that this ack is the first to cover are kept apart, and how many were stale, in all.
    package var quarantined: UInt32 = 0
    package var stale: UInt32 = 0

    package init(durable: UInt64 = 0) { self.durable = durable }

    /// - Throws: `.tooBig` over `Limits.frameBytes`, `.malformedBody` (also for half a range).
    package init(decoding body: Span<UInt8>) throws(Refusal) {
        let message: Tidings_Wire_V1_Ack = try decode(body, limit: Limits.frameBytes)
        guard message.ranges.count.isMultiple(of: 2) else { throw .malformedBody }
        durable = message.durable
        for index in stride(from: 0, to: message.ranges.count, by: 2) {
            ranges.append(Range(missing: message.ranges[index], present: message.ranges[index + 1]))
        }
        epoch = message.epoch
        retryAfterMilliseconds = message.retryAfterMs
        rejects = message.rejects.map { Reject($0) }
        push = message.push
        received = message.received.map { MessageID(rawValue: $0) }
        pending = message.hasPending ? message.pending : nil
        quarantined = message.quarantined
        stale = message.stale
    }

    package func encode() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(32)
        write(into: &bytes)
        return bytes
    }

    package func write(into bytes: inout [UInt8]) {
        if rejects.isEmpty {
            // Every frame and datagram is answered with one of these: written by hand, at a tenth of the price.
            appendField(AckTag.durable, durable, to: &bytes)
            if !ranges.isEmpty { appendRanges(to: &bytes) }
            appendField(AckTag.epoch, UInt64(epoch), to: &bytes)
            appendField(AckTag.retryAfter, UInt64(retryAfterMilliseconds), to: &bytes)
            appendField(AckTag.push, push, to: &bytes)
            appendReceived(AckTag.received, received, to: &bytes)
            if let pending {
                appendVarint(AckTag.pending, to: &bytes)
                appendVarint(UInt64(pending), to: &bytes)
            }
            appendField(AckTag.quarantined, UInt64(quarantined), to: &bytes)
            appendField(AckTag.stale, UInt64(stale), to: &bytes)
            return
        }
        var message = Tidings_Wire_V1_Ack()
        message.durable = durable
        message.ranges = ranges.flatMap { [$0.missing, $0.present] }
        message.epoch = epoch
        message.retryAfterMs = retryAfterMilliseconds
        message.rejects = rejects.map(\.message)
        message.push = push
        message.received = received.map(\.rawValue)
        if let pending { message.pending = pending }
        message.quarantined = quarantined
        message.stale = stale
        bytes += Wire.encode(message)
    }

    private func appendRanges(to bytes: inout [UInt8]) {
        var packed: [UInt8] = []
        for range in ranges {
            appendVarint(UInt64(range.missing), to: &packed)
            appendVarint(UInt64(range.present), to: &packed)
        }
        appendHeader(AckTag.ranges, count: packed.count, to: &bytes)
        bytes += packed
    }
}

private func decode<M: Message>(_ body: Span<UInt8>, limit: Int = WireLimits.controlBytes) throws(Refusal) -> M {
    guard body.count <= limit else { throw .tooBig }
    do {
        return try M(serializedBytes: Array(copying: body))
    } catch {
        throw .malformedBody
    }
}

/// Bytes in whatever the generated messages keep them in.
private func filled<Bytes: RangeReplaceableCollection<UInt8>>(_ bytes: [UInt8]) -> Bytes { Bytes(bytes) }

/// Encoding fails only for required fields and messages over 2 GB; these messages have neither.
private func encode(_ message: some Message) -> [UInt8] {
    (try? message.serializedBytes()) ?? []
}
