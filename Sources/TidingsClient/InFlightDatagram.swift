// A datagram that has been sent and not acknowledged.

import Events
package import NIOCore
import Wire

/// What is kept of a datagram until the daemon has dealt with it.
package struct InFlightDatagram: Sendable {
    /// By its number in the sender's vocabulary.
    var device: UInt32
    var epoch: UInt32
    /// Its events' numbers among those of their device.
    var seqs: ClosedRange<UInt64>
    var events: Int
    var bytes: ByteBuffer
    var tries = 1
    /// When it is sent again.
    var due: NIODeadline
    /// Twice as long after every try.
    var pause: TimeAmount
    /// Its events, and where each comes from; empty for those that are not told one by one.
    var traced: [TracedEvent] = []
    /// Stored, as the ack of another datagram says; its own ack, which says how, is still awaited for a while.
    var isStored = false
    /// Whether its events have no numbers but those that the sender has given them.
    var isNumberedHere = false
    /// How often its events were put under another epoch.
    private(set) var moves = 0

    /// - Parameters:
    ///   - sent: when it has been sent for the first time.
    ///   - pause: after which it is sent again.
    package init(
        device: UInt32, epoch: UInt32, seqs: ClosedRange<UInt64>, events: Int, bytes: ByteBuffer, sent: NIODeadline,
        pause: TimeAmount, isNumberedHere: Bool = false
    ) {
        self.isNumberedHere = isNumberedHere
        self.device = device
        self.epoch = epoch
        self.seqs = seqs
        self.events = events
        self.bytes = bytes
        self.due = sent + pause
        self.pause = pause
    }

    /// Puts its events under another epoch; it is due at once.
    mutating func move(to epoch: UInt32, _ signer: DatagramSigner, now: NIODeadline) {
        var datagram = Array(bytes.readableBytesView)
        DatagramHeader.replaceEpoch(in: &datagram, with: epoch)
        signer.sign(&datagram, from: 0)
        bytes = ByteBuffer(bytes: datagram)
        (self.epoch, due, tries) = (epoch, now, 0)
        moves += 1
    }

    /// What an answer says of the event that it names.
    func verdict(_ reject: Reject, now: Timestamp?) -> SendVerdict {
        let seqs = [reject.seq, reject.number]
        let one = traced.first { seqs.contains($0.number) } ?? (traced.count == 1 ? traced[0] : nil)
        return SendVerdict(reject, of: one?.event, one?.origin, now: now)
    }
}

/// An event, and where it comes from.
struct TracedEvent: Sendable {
    var event: Event
    /// Its number in the count of its datagram.
    var number: UInt64
    var origin: EventOrigin
}
