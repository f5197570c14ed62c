// What the client reads of a daemon's answers, and the daemon of its control socket.

import Daemon
import Events
import NIOCore
import TidingsClient
import Wire

/// The first byte says what comes: lines, a stream of frames, or frames and datagrams whose checksums are right.
func readAnswers(_ input: [UInt8]) {
    guard input.count > 2 else { return }
    let rest = Array(input[2...])
    switch input[0] & 3 {
    case 0: readStreamAnswers(rest, cut: Int(input[1]), isNative: false)
    case 1: readStreamAnswers(rest, cut: Int(input[1]), isNative: true)
    case 2: readStreamAnswers(framed(rest), cut: Int(input[1]), isNative: true)
    default:
        readDatagramAnswers(rest, nil)
        readDatagramAnswers(rest, SenderCredential(keyID: 7, key: String(repeating: "A", count: 43)))
    }
}

/// A type, a length and so many bytes, again and again.
private func pieces(_ input: [UInt8]) -> [(type: FrameType, body: ArraySlice<UInt8>)] {
    var pieces: [(FrameType, ArraySlice<UInt8>)] = []
    var at = 0
    while at + 2 <= input.count {
        let end = min(at + 2 + Int(input[at + 1]), input.count)
        if let type = FrameType(rawValue: input[at] & 15) { pieces.append((type, input[(at + 2)..<end])) }
        at = end
    }
    return pieces
}

private func framed(_ input: [UInt8]) -> [UInt8] {
    var bytes: [UInt8] = []
    for piece in pieces(input) { writeFrame(piece.type, body: piece.body.span, into: &bytes) }
    return bytes
}

private func readStreamAnswers(_ bytes: [UInt8], cut: Int, isNative: Bool) {
    let window = StreamSendWindow()
    var seq: UInt64 = 1
    for count in [3, 1, 7] {
        let lines = Array(String(repeating: "{}\n", count: count).utf8)
        var batch = EventBatch()
        batch.events = Array(repeating: Event(), count: count)
        window.track(InFlightBatch(content: isNative ? .events(batch) : .lines(lines), count: count, firstSeq: seq))
        seq += UInt64(count)
    }
    let generation = window.connecting()
    let inbox = MessageInbox()
    var answers = StreamAnswers(window: window, generation: generation, isNative: isNative, inbox: inbox)
    var tail: [UInt8] = []
    for read in [bytes.prefix(cut), bytes.dropFirst(cut)] {
        tail += read
        let given = tail
        tail.removeFirst(answers.take(given.span))
    }
    // The next connection begins with what is left.
    _ = window.connecting()
    let totals = window.totals
    precondition(totals.sent == totals.acked + totals.rejected + UInt64(window.outstanding))
    precondition(totals.quarantined + totals.stale <= totals.sent)
}

private func readDatagramAnswers(_ input: [UInt8], _ credential: SenderCredential?) {
    var options = DatagramOptions()
    options.credential = credential
    let window = DatagramSendWindow(options: options, inbox: MessageInbox())
    // Numbers may be chosen by whoever writes the events: the last ones that there are, too.
    let seqs: [ClosedRange<UInt64>] = [1...4, 5...5, 9...20, (.max - 3)...(.max)]
    for (counter, seqs) in seqs.enumerated() {
        window.track(
            InFlightDatagram(
                device: 1, epoch: 1, seqs: seqs, events: seqs.count, bytes: ByteBuffer(), sent: .now(),
                pause: .hours(1)), counter: UInt32(counter))
    }
    for piece in pieces(input) where !piece.body.isEmpty {
        let header = DatagramHeader(
            type: piece.type, keyID: credential?.keyID ?? 0, epoch: 1, counter: UInt32(piece.body.first ?? 0) & 7)
        let body = Array(piece.body.dropFirst())
        var bytes: [UInt8] = []
        header.write(body: body.span, into: &bytes)
        credential?.signer?.sign(&bytes, from: 0)
        window.take(bytes.span)
        // Only who can prove itself is told what has come.
        let told = window.takeOutgoing()
        precondition(told.isEmpty || credential != nil && piece.type == .push)
    }
    let totals = window.totals
    precondition(totals.acked + totals.rejected <= totals.sent && totals.outstanding <= totals.sent)
}

/// Requests come in any pieces, and must then be the same.
func readRequests(_ input: [UInt8]) {
    func requests(_ pieces: [ArraySlice<UInt8>]) -> [String]? {
        var reader = ControlRequests()
        var found: [String] = []
        for piece in pieces {
            guard let requests = try? reader.take(piece) else { return nil }
            found += requests.map(\.command.rawValue)
        }
        return found
    }
    let cut = Int(input[0]) % input.count
    precondition(requests([input[...]]) == requests([input[..<cut], input[cut...]]))
}
