// A message as a device gets it: one JSON object, the same over every transport.

import Bytes
package import Events

/// What is said of a message on its way, around the JSON that its author has written.
package struct DownMessage: Sendable {
    package var id: MessageID
    package var kind: EventKind
    package var priority: MessagePriority
    package var time: Timestamp
    package var expires: Timestamp?
    /// Of a setting: the highest number of the device that the daemon had (epoch and sequence number); a device that
    /// has a later choice of its own refuses.
    package var seen: (epoch: UInt32, seq: UInt64)?
    /// Messages that wait behind it.
    package var more: Int
    /// A JSON object.
    package var payload: [UInt8]

    package init(
        _ id: MessageID, _ kind: EventKind, priority: MessagePriority, time: Timestamp, expires: Timestamp?,
        seen: (epoch: UInt32, seq: UInt64)?, more: Int, payload: [UInt8]
    ) {
        (self.id, self.kind, self.priority, self.time) = (id, kind, priority, time)
        (self.expires, self.seen, self.more, self.payload) = (expires, seen, more, payload)
    }

    /// Appends the object, with the names of its device in front.
    package func write(product: Span<UInt8>, device: Span<UInt8>, to output: inout [UInt8]) {
        func add(_ text: StaticString) { output.append(contentsOf: text.description.utf8) }
        add("{\"product\":")
        appendJSONString(product, to: &output)
        add(",\"device\":")
        appendJSONString(device, to: &output)
        add(",\"id\":\"")
        id.append(to: &output)
        add("\",\"type\":\"")
        add(kind.name)
        add("\",\"time\":")
        appendTime(time, to: &output)
        if let expires {
            add(",\"expires\":")
            appendTime(expires, to: &output)
        }
        add(",\"priority\":\"")
        add(priority.name)
        add("\"")
        if let seen {
            add(",\"seen\":\"")
            appendDecimal(UInt64(seen.epoch), to: &output)
            add("-")
            appendDecimal(seen.seq, to: &output)
            add("\"")
        }
        if more > 0 {
            add(",\"more\":")
            appendDecimal(UInt64(more), to: &output)
        }
        if payload.count > 2 {
            add(",")
            output += payload.dropFirst().dropLast()
        }
        add("}")
    }
}
