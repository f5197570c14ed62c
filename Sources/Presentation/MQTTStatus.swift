// What `tidings status` shows of MQTT.

/// Since the daemon started, but for the sessions.
package struct MQTTStatus: Codable, Sendable, Equatable {
    /// Clients that are connected, or whose sessions are kept.
    package var sessions = 0
    /// Connections that were closed because another one came with the same client id.
    package var takenOver: UInt64 = 0
    /// Messages and subscriptions for topics of no device that were acknowledged, and are nowhere.
    package var foreign: UInt64 = 0
    /// Wills that were published.
    package var wills: UInt64 = 0

    package init(sessions: Int = 0, takenOver: UInt64 = 0, foreign: UInt64 = 0, wills: UInt64 = 0) {
        (self.sessions, self.takenOver, self.foreign, self.wills) = (sessions, takenOver, foreign, wills)
    }

    enum CodingKeys: String, CodingKey {
        case sessions, foreign, wills
        case takenOver = "taken_over"
    }
}

func sessions(_ mqtt: MQTTStatus) -> [String] {
    ["\(grouped(UInt64(mqtt.sessions))) sessions", "\(grouped(mqtt.takenOver)) taken over"]
        + (mqtt.foreign > 0 ? ["\(grouped(mqtt.foreign)) for foreign topics"] : [])
        + (mqtt.wills > 0 ? ["\(grouped(mqtt.wills)) wills"] : [])
}
