// The answers to datagrams on their way out: those to one address stand together, for the kernel takes them together.

/// Answers in the order in which they are to be sent, gathered into runs.
///
/// To hand a datagram to the kernel costs more than all that was done before to answer it, and most of it is paid for
/// each run and not for each datagram. Answers of one length to one address are one run: the kernel cuts them apart
/// again. So a gateway that forwards for many devices is answered at a fraction of the price. Many runs leave with one
/// call.
package struct DatagramOutbox: Sendable {
    /// Answers of one length to one address, from one of ours.
    package struct Run: Sendable, BitwiseCopyable {
        package var address: DatagramAddress
        /// Which of our addresses was asked; nil when there is but one.
        package var source: DatagramSource?
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

    /// - Parameter source: our address that the answer must leave from: a peer takes no answer from another one.
    package mutating func add(_ answer: [UInt8], to address: DatagramAddress, from source: DatagramSource? = nil) {
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

    /// Forgets everything, and keeps the memory.
    package mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        runs.removeAll(keepingCapacity: true)
        (count, next) = (0, 0)
    }

    /// Sends what there is, in order.
    ///
    /// - Parameter canSegment: whether the kernel cuts runs apart; set to false when it turns out that it does not.
    /// - Parameter send: hands the first of some runs to the kernel, as many as it takes.
    /// - Returns: whether everything was sent or given up; if not, the socket is full and the rest must wait.
    package mutating func flush(
        canSegment: inout Bool, send: (_ bytes: Span<UInt8>, _ runs: Span<Run>) -> SendOutcome
    ) -> Bool {
        if !canSegment { split() }
        while !isEmpty {
            let end = min(next + TransportLimits.runsPerCall, runs.count)
            switch send(bytes.span, runs.span.extracting(next..<end)) {
            case .sent(let count): next += max(1, min(count, end - next))
            case .full: return false
            case .failed where runs[next].isSingle: next += 1
            case .failed:
                canSegment = false
                split()
            }
        }
        removeAll()
        return true
    }

    /// Makes each answer that has not been sent a run of its own.
    private mutating func split() {
        guard runs[next...].contains(where: { !$0.isSingle }) else { return }
        var single: [Run] = []
        for var run in runs[next...] {
            for start in stride(from: run.start, to: run.range.upperBound, by: run.segmentSize) {
                (run.start, run.count) = (start, run.segmentSize)
                single.append(run)
            }
        }
        (runs, next) = (single, 0)
    }
}

/// What became of an attempt to send.
package enum SendOutcome: Sendable {
    /// So many runs, at least one, are on their way.
    case sent(Int)
    /// The socket's buffer is full.
    case full
    /// The first run cannot be sent: its address cannot be reached, or it would have to be cut apart on a route on
    /// which that is not done (IPsec, an old driver). The latter must not cost the answers; whoever lacks one because
    /// of the former repeats what it needs to know.
    case failed
}
