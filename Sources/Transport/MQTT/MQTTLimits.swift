// The bounds of MQTT. When one is hit the client is told by a reason code, or its connection closed, and it is counted.

import Events
import Wire

package enum MQTTLimits {
    /// A packet behind its first bytes; every client of MQTT 5 is told.
    package static let packetBytes = MQTTWriter.maximumPacketBytes
    /// The payload of one message.
    package static let messageBytes = Limits.frameBytes
    /// Messages of a run, which are admitted together.
    static let messagesPerRun = 256
    /// Sessions of clients that are not connected; beyond it the one that has waited for the longest time is forgotten.
    package static let sessions = 65_536
    /// How long such a session is kept at most, seconds.
    package static let sessionSeconds: UInt32 = 86_400
    /// Filters that one session subscribes to, and the bytes of one.
    package static let filters = 16
    package static let filterBytes = 1_024
    /// Messages that are under way to one client; fewer if it says so.
    package static let underWay = 64
    /// How long a client whose session goes on may take to subscribe anew before it is sent messages, nanoseconds.
    package static let resumeNanoseconds: UInt64 = 2_000_000_000
    /// Topics and payloads of all wills together, bytes; one alone is at most 64 KiB.
    package static let heldWillBytes = 64 << 20
    /// When a client id is taken over twice within so many seconds, the second client has to wait.
    static let takeoverSeconds: UInt64 = 5
    /// And so long it waits for that answer, so that it does not come again at once; nanoseconds.
    static let refusalNanoseconds: UInt64 = 1_000_000_000
    /// How long a client of MQTT 3.1.1 that announces no keep-alive may be silent, seconds.
    static let silentSeconds: Int64 = 86_400
    /// How often a message of QoS 2 may come again before it is released; the next time is a fault of the client.
    static let repetitions = 2
}
