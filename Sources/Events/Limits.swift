// Every bound of the event model, in one place. When one is hit the input is refused or quarantined, counted and
// answered; nothing grows without one of these.

/// The bounds of an event and of the units it travels in (schemas/wire/v1, section "limits").
package enum Limits {
    /// One event as JSON, bytes.
    package static let jsonEventBytes = 64 * 1024
    /// One native event, bytes.
    package static let nativeEventBytes = 8 * 1024
    /// Free text of one event, bytes of UTF-8.
    package static let textBytes = 4 * 1024
    /// What is kept of an event that cannot be read as one, bytes of UTF-8.
    package static let rawBytes = 4 * 1024
    /// Properties of one event that no schema knows, and the bytes of one of them, key and value.
    package static let extraProperties = 16
    package static let extraBytes = 256
    /// An aspect, bytes; and the words in its dotted path.
    package static let aspectBytes = 64
    package static let aspectWords = 8
    /// A string value (a choice, a fault code), bytes.
    package static let valueBytes = 256
    /// Different words that the values of an aspect may be; from the next one on they are personal.
    package static let valuesOfAspect = 1_000
    /// A device or customer name, bytes.
    package static let deviceBytes = 128
    package static let customerBytes = 64
    /// A product name, bytes.
    package static let productBytes = 128
    /// A source, bytes: a product of which every byte is escaped, a slash, a device.
    package static let sourceBytes = 3 * productBytes + 1 + deviceBytes
    /// A unit or language tag, bytes.
    package static let unitBytes = 32
    /// A sender's own id string, bytes.
    package static let idBytes = 64
    /// Events in one native batch or frame.
    package static let batchEvents = 1_000
    /// The body of one frame, before and after inflation, bytes.
    package static let frameBytes = 1 << 20
    /// A datagram: what is accepted, and what a sender should keep to.
    package static let datagramBytes = 8 * 1024
    package static let datagramBytesRecommended = 1_200
    /// Nesting of JSON.
    package static let jsonDepth = 16
    /// Keys in one JSON object.
    package static let jsonKeys = 64
    /// Entries and bytes of one connection's string table (defaults of the configuration).
    package static let tableEntries = 4_096
    package static let tableBytes = 64 * 1024
    /// Events in one block of the log.
    package static let blockEvents = 16_384
    /// Text of all kinds in one block of the log, bytes. Beside what one native frame may bring, `unitTextBytes`, there
    /// is room for as much as most blocks have.
    package static let blockTextBytes = 8 << 20
    /// Text of all kinds that one unit may bring, bytes: a native frame of the most events, each kept as it came
    /// (`rawBytes`), and every byte of the frame a text or an extra property besides. 256 JSON lines, which are read at
    /// a time, bring less.
    package static let unitTextBytes = batchEvents * rawBytes + frameBytes
    /// Words in each vocabulary (product, aspect, value, unit, language, type).
    package static let symbols = 1 << 20
    /// Devices and customers that may have names.
    package static let devices = 1 << 26
    package static let customers = 1 << 27
    /// The earliest believable time: 2000-01-01T00:00:00Z, milliseconds.
    package static let earliestTime = Timestamp(rawValue: 946_684_800_000)
    /// How far a device's clock may run ahead of arrival, milliseconds.
    package static let clockAheadMilliseconds: Int64 = 86_400_000
}
