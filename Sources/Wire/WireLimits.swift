// The bounds of what is read and written on the wire that are not part of the event model (`Limits`).

import Events

package enum WireLimits {
    /// The body of a control message, bytes.
    package static let controlBytes = 4 * 1024
    /// A message as a device gets it: what its author has written, and what is said around it; bytes.
    package static let downBytes = 8 * 1024
    /// Ids of messages that one frame or datagram may say its device has.
    package static let receivedIDs = 64
    /// Bodies below this are never worth deflating, bytes.
    package static let deflatedBytes = 512
    /// Keys and bytes of a value that are looked at for a message about a line.
    static let explainedKeys = 2 * Limits.jsonKeys + EventKey.allCases.count
    static let explainedBytes = 48
    /// What is read of the user properties of an MQTT packet; the others are passed over.
    package static let mqttUserProperties = 32
    /// A client id of MQTT, and the reason that an answer tells in words, bytes.
    package static let mqttClientIDBytes = 256
    package static let mqttReasonBytes = 512
    /// Ids in a token of messages that were given to a device.
    package static let tokenIDs = 64
}
