// The answers to datagrams on their way out: those to one address stand together, for the kernel takes them together.

package import NIOCore

/// Answers in the order in which they are to be sent, gathered into runs.
///
/// To hand a datagram to the kernel costs more than all that was done before to answer it, and most of it is paid for
/// each call and not for each datagram. Answers of one length to one address can be handed over at once: the kernel
/// cuts them apart again. So a gateway that forwards for many devices is answered at a fraction of the price.
package struct DatagramOutbox: Sendable {
    /// Answers of one length to one address, from one of ours.
    package struct Run: Sendable {
        package var address: SocketAddress
        /// Which of our addresses was asked; nil when there is but one.
        package var source: NIOPacketInfo?
        /// Where the first of them starts in `bytes`, and how many bytes they are together.
        package var start: Int
        package var count: Int
        /// The length of each.
        package var segmentSize: Int

        package var range: Range<Int> { start..<(start + count) }
        package var isSingle: Bool { count == segmentSize }
    }

    package private(set) var bytes: [UInt8] = []
    package private(set) var runs: [Run] = []
    /// How many answers were added.
    package private(set) var count = 0
    /// The first run that has not been sent.
    package private(set) var next = 0

    package init() {}

    package var isEmpty: Bool { next == runs.count }
    package var first: Run? { isEmpty ? nil : runs[next] }

    /// - Parameter source: our address that the answer must leave from: a peer takes no answer from another one.
    package mutating func add(_ answer: [UInt8], to address: SocketAddress, from source: NIOPacketInfo? = nil) {
        guard !answer.isEmpty else { return }
        let last = runs.count - 1
        if last >= next, runs[last].segmentSize == answer.count,
            runs[last].count < TransportLimits.answersPerRun * answer.count,
            runs[last].count + answer.count <= TransportLimits.runBytes, runs[last].address == address,
            runs[last].source == source
        {
            runs[last].count += answer.count
        } else {
            runs.append(
                Run(
                    address: address, source: source, start: bytes.count, count: answer.count, segmentSize: answer.count
                ))
        }
        bytes += answer
        count += 1
    }

    /// The first `answers` of the first run have been sent, or given up.
    package mutating func remove(answers: Int) {
        runs[next].start += answers * runs[next].segmentSize
        runs[next].count -= answers * runs[next].segmentSize
        if runs[next].count == 0 { next += 1 }
    }

    /// Forgets everything, and keeps the memory.
    package mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        runs.removeAll(keepingCapacity: true)
        (count, next) = (0, 0)
    }

    /// Sends what there is, in order.
    ///
    /// - Parameter canSegment: whether the kernel cuts runs apart; set to false when it turns out that it does not.
    /// - Parameter send: hands a run to the kernel, which is to cut it into segments of the given length, or not (0).
    /// - Returns: whether everything was sent or given up; if not, the socket is full and the rest must wait.
    package mutating func flush(
        canSegment: inout Bool, send: (_ bytes: Span<UInt8>, _ segmentSize: Int, _ run: Run) -> SendOutcome
    ) -> Bool {
        while let run = first {
            let together = canSegment && !run.isSingle
            let range = together ? run.range : run.start..<(run.start + run.segmentSize)
            switch send(bytes.span.extracting(range), together ? run.segmentSize : 0, run) {
            case .sent: remove(answers: range.count / run.segmentSize)
            case .full: return false
            case .failed:
                // A route on which runs are not cut (IPsec, an old driver) must not lose the answers. An address that
                // cannot be reached is given up; its sender repeats what it needs to know.
                if together { canSegment = false } else { remove(answers: 1) }
            }
        }
        removeAll()
        return true
    }
}

/// What became of an attempt to send.
package enum SendOutcome: Sendable {
    case sent
    /// The socket's buffer is full.
    case full
    /// Never will be sent.
    case failed
}
