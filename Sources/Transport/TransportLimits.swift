// The bounds of sockets and connections. When one is hit the peer is told or closed, and it is counted.

package import Admission
import Events
import TLS

/// What the Daemon's configuration sets; the defaults are those of `tidings.yaml`.
package struct TransportSettings: Sendable, Hashable {
    /// Connections at one time; the next one is told so and closed.
    package var maxConnections = 10_000
    /// A connection that sends nothing for so long, and waits for no ack, is closed; seconds.
    package var idleTimeoutSeconds: Int64 = 300
    /// A connection that has never sent anything is closed after so long; seconds.
    package var firstByteTimeoutSeconds: Int64 = 10
    /// A frame or line that has begun must be whole after so long; seconds.
    package var frameTimeoutSeconds: Int64 = 10
    package var quotas = QuotaSettings()
    /// Entries and bytes of one connection's string table.
    package var tableEntries = Limits.tableEntries
    package var tableBytes = Limits.tableBytes
    /// Whether properties that no schema knows are kept with their events.
    package var keepsUnknown = false
    /// Whether messages to topics of nobody here are acknowledged (MQTT); they are stored nowhere.
    package var acceptsForeignTopics = false
    /// Who may send without a credential.
    package var authMode = AuthMode.off
    /// Proxies whose word counts for from where a request comes: `192.0.2.0/24`, `2001:db8::/32`, or an address.
    package var trustedProxies: [AddressRange] = []

    /// Connections over the limit that may be told so at one time.
    package var refusedAtOnce = TransportLimits.refusedAtOnce
    /// Handshakes of TLS at one time, and how long each may take; seconds.
    package var handshakesAtOnce = TLSLimits.handshakes
    package var handshakeTimeoutSeconds = TLSLimits.handshakeSeconds

    package init() {}

    /// Takes no more connections than so many open files and sockets leave room for: a part of them is for the log, the
    /// summaries and the libraries beneath, some are for telling those who are refused.
    package mutating func fit(descriptors: Int) {
        let forFiles = max(TransportLimits.fewestDescriptorsForFiles, min(descriptors / 4, 128))
        refusedAtOnce = min(refusedAtOnce, descriptors / 8)
        maxConnections = max(1, min(maxConnections, descriptors - forFiles - refusedAtOnce))
    }
}

/// Bounds that are not configured.
package enum TransportLimits {
    /// Answers waiting for a peer that does not read them, bytes; beyond it the connection is closed.
    package static let unreadAnswerBytes = 1 << 20
    /// Refused lines that are answered one by one in one read; the rest are summed up in one answer.
    package static let answersPerRead = 64
    /// Keys that nobody knows of which one connection is told, and forms of lines that are looked through for them.
    package static let keysTold = 16
    package static let formsLookedAt = 64
    /// Verdicts on quarantined and stale events in one ack.
    package static let verdictsPerAck = 64
    /// Body of a PING, bytes.
    package static let pingBytes = 64
    /// How long a peer waits for the log while that cannot be written; then it is told, and its connection closed.
    static let storagePatienceSeconds: Int64 = 2
    /// Body of a HELLO, bytes.
    package static let helloBytes = 4 * 1024
    /// Body of an ACK from a device: 64 ids of messages, bytes.
    package static let receivedBytes = 1_024
    /// What a connection's reads may grow to, bytes: so much of one connection is taken before the next has its turn.
    package static let readBytes = 64 * 1024
    /// How long a refused peer may take to read why, seconds.
    package static let halfClosedSeconds: Int64 = 2
    /// How long a stopping daemon waits for the log to take what was read, seconds.
    package static let drainSeconds: Int64 = 5
    /// Connections over the limit that may be told so at one time.
    package static let refusedAtOnce = 256
    /// Keys of datagrams that are kept ready.
    package static let signersReady = 1 << 14
    /// The daemon's part in the proof of a key, bytes.
    package static let nonceBytes = 32
    /// Devices that are reached over datagrams, how long after they were heard, and the most that may go back to one
    /// for a datagram: so many times its bytes, and so many bytes.
    package static let datagramContacts = 1 << 14
    package static let datagramContactSeconds: Int64 = 10
    package static let datagramFactor = 3
    package static let datagramAnswerBytes = 1_200
    /// Datagrams in one system call.
    package static let datagramsPerRead = 64
    /// Such calls in one turn of the event loop.
    package static let readsPerTurn = 4
    /// Datagrams whose names are looked for together.
    package static let datagramsAtOnce = 32
    /// Datagrams that were read before the intake was full; beyond it they are refused.
    package static let datagramsDeferred = 1_024
    /// Datagrams that wait for their ack; beyond it a datagram is stored but not answered, and the sender repeats it.
    package static let datagramsAwaitingAck = 1 << 17
    /// Answers that are handed to the kernel at once, and their bytes; it takes no more than 64 and a datagram's size.
    package static let answersPerRun = 64
    package static let runBytes = 60_000
    /// Runs in one system call.
    package static let runsPerCall = 64
    /// What is asked of the kernel for a datagram socket's receive buffer, bytes; it gives no more than
    /// `net.core.rmem_max`.
    package static let datagramReceiveBuffer = 16 << 20
    /// Open files and sockets that are asked of the system, and the least that is kept for files.
    package static let descriptors = 1 << 17
    package static let fewestDescriptorsForFiles = 40
    /// A connection attempt that waits to be accepted.
    package static let acceptBacklog: Int32 = 1_024

    /// Connections of a device that are remembered beside the one on which it is sent to.
    package static let olderConnections = 4
}
