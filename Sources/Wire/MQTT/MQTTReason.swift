// The reason codes of MQTT that this daemon gives or reads.

/// What became of a packet or a connection; the raw value is the code of MQTT 5.0 (section 2.4). From 0x80 on it is
/// a failure.
package enum MQTTReason: UInt8, Error, Sendable, BitwiseCopyable {
    case success = 0x00
    case disconnectWithWill = 0x04
    case noMatchingSubscribers = 0x10
    case noSubscriptionExisted = 0x11
    /// Nothing that can be told to the peer.
    case unspecifiedError = 0x80
    case malformedPacket = 0x81
    case protocolError = 0x82
    case unsupportedVersion = 0x84
    case badClientID = 0x85
    case badCredentials = 0x86
    case notAuthorized = 0x87
    case serverUnavailable = 0x88
    case serverBusy = 0x89
    case shuttingDown = 0x8B
    case badAuthenticationMethod = 0x8C
    case keepAliveTimeout = 0x8D
    case takenOver = 0x8E
    case badTopicFilter = 0x8F
    case badTopicName = 0x90
    case receiveMaximumExceeded = 0x93
    case badTopicAlias = 0x94
    case packetTooLarge = 0x95
    case rateTooHigh = 0x96
    case quotaExceeded = 0x97
    case administrativeAction = 0x98
    case badPayload = 0x99

    package var isFailure: Bool { rawValue >= 0x80 }
}

/// The versions that are spoken; the raw value stands in CONNECT.
package enum MQTTVersion: UInt8, Sendable, BitwiseCopyable {
    case v31 = 3
    case v311 = 4
    case v5 = 5
}
