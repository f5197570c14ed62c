// What all connections and the datagram socket of the ingest loop share.

package import Admission
import Events
import NIOCore
package import Wire

/// The intake, the settings and the scratch memory of one ingest event loop. Confined to that loop.
package final class Reception {
    package let intake: any Intake
    package let settings: TransportSettings
    /// The body of the deflated frame that is being read.
    package var inflated: [UInt8] = []
    /// The answers of the read that is being dealt with.
    package var output: [UInt8] = []
    /// The JSON lines that are being decoded.
    package var window = EventLineWindow()
    /// Whose bytes are being read; nil when nobody knows, and then no quota of an address holds.
    package var sender: SenderAddress?
    /// Nil when there is none.
    package var quotas: Quotas?
    let limitsEvents: Bool
    let limitsNames: Bool
    /// The new names that the sender at hand was granted; nil when it is not limited.
    var grantedNames: Int?
    /// The clock of the quotas; tests set their own.
    package var uptime: () -> Uptime = { NIODeadline.now().uptimeNanoseconds }

    package init(intake: any Intake, settings: TransportSettings) {
        self.intake = intake
        self.settings = settings
        limitsEvents = settings.quotas.limitsEvents
        limitsNames = settings.quotas.limitsNames
        quotas = limitsEvents || limitsNames ? Quotas(settings.quotas) : nil
    }
}

/// How far a session got with the bytes that it was given.
package struct Progress: Hashable, Sendable {
    /// Bytes that have been dealt with; the rest must be given again, with more behind it.
    package var consumed: Int
    package var next: Next

    package enum Next: Hashable, Sendable {
        /// The rest is incomplete.
        case needsMore
        /// The intake is full: the same bytes must be given again after `resume`.
        case needsRoom
        /// The sender is over its quota: the same bytes must be given again when the reception's clock is there.
        case needsTime(Uptime)
        /// The session has said its last word; once its acks are out the connection is to be closed.
        case ends
    }

    package init(consumed: Int, next: Next) {
        self.consumed = consumed
        self.next = next
    }
}
