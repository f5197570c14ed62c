// The bounds of requests. When one is hit the request is answered so, or its connection closed, and it is counted.

import Events

package enum HTTPLimits {
    /// All fields of a head together, one of them, and how many there may be.
    package static let headBytes = 16 * 1024
    package static let fieldBytes = 8 * 1024
    package static let fields = 64
    /// What is asked for: path and query.
    package static let targetBytes = 4 * 1024
    /// A body of lines, inflated.
    package static let linesBytes = 64 << 20
    /// Any other body, inflated; it is read whole.
    package static let wholeBytes = Limits.frameBytes
    /// A body of one JSON object that is no event.
    package static let postedBytes = 64 * 1024
    /// A body that nobody reads, so that the connection need not be closed.
    package static let discardedBytes = 64 * 1024
    /// What chunks may cost besides what is in them: so much, and so many times the bytes of the body.
    package static let framingBytes = 16 * 1024
    package static let framingPerByte = 8
    /// Requests that wait for their answers; then the connection is not read. And the bytes of these answers.
    package static let pipelined = 16
    package static let answerBytes = 512 * 1024
    /// Parts of requests that were read and wait; beyond it the connection ends.
    package static let waitingParts = 4_096
    /// Events of one request that are named in its answer, and how many of these with a text of their own.
    package static let namedEvents = 1_000
    package static let explainedEvents = 64
    /// What all bodies together may hold in memory that are read whole or inflated, bytes.
    package static let heldBytes = 128 << 20
    /// The window of an inflater and what else it holds, bytes.
    package static let inflaterBytes = 48 * 1024
    /// What is inflated at once, bytes.
    package static let inflatedPiece = 64 * 1024
    /// For how long one request is inflated and read before others have their turn, nanoseconds: a packed body may
    /// hold a thousand times its bytes.
    package static let turnNanoseconds: UInt64 = 5_000_000
    /// How far ahead the next turn of such a request is, so that sockets are looked at before it, nanoseconds.
    static let turnGapNanoseconds: Int64 = 200_000
    /// Lines of one request that may be refused; the rest of it is then refused as a whole.
    package static let refusedLines = 65_536
    /// Members of one gzip body.
    package static let gzipMembers = 1_024
    /// What is read of one connection before the next has its turn, bytes.
    package static let readBytes = 32 * 1024
    /// A head must be whole after so long, a body may take as long and a second more for each KiB; seconds.
    package static let bodyBytesPerSecond = 1024
    /// A connection without a request is closed after so long; seconds.
    package static let idleSeconds: Int64 = 60
    /// How long a request waits for room in the daemon, or for its sender's quota; seconds.
    package static let patienceSeconds: Int64 = 2
    /// How long a request for messages waits for one, seconds; and how long it waits at least, so that what is there
    /// already gets to it, milliseconds.
    package static let pollSeconds = 55
    package static let leastPollMilliseconds: Int64 = 500
    /// A stream without a message says so often that it is still there, seconds.
    package static let heartbeatSeconds: Int64 = 25
    /// After how long a client whose stream is cut is to come again, milliseconds.
    package static let retryMilliseconds = 2_000...5_000
    /// Messages that the id of an event in a stream names, the last ones.
    package static let streamTokenIDs = 16
    /// Lines of a run, which is admitted together.
    static let linesPerRun = 256
    /// The origin of a web hook that is repeated to its sender, bytes.
    static let originBytes = 256
}
