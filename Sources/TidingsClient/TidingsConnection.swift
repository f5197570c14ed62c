// What a device or gateway in Swift sends its events with: a connection, or datagrams.

import Events
import Wire

/// A TCP connection to a daemon that delivers every event at least once, and so effectively once.
///
/// Events that the daemon has not acknowledged are kept and sent again whenever the connection has to be made anew.
/// An ack means that the event is on the daemon's disk.
///
/// ```swift
/// let connection = TidingsConnection(host: "127.0.0.1", port: 7411)
/// var event = TidingsEvent(product: "kettle", device: "k-1", kind: .preferenceSet, aspect: "temperature")
/// event.value = .whole(92)
/// try await connection.send([event])
/// try await connection.flush()
/// await connection.close()
/// ```
public actor TidingsConnection {
    /// How the connection speaks.
    public enum Format: Sendable {
        /// Frames: compact and fast.
        case native
        /// JSON lines: readable with any tool.
        case json
    }

    /// How many verdicts are kept until they are taken; beyond it the oldest are dropped.
    public static let verdictLimit = VerdictBook.limit

    private let sender: StreamSender
    private let book = VerdictBook()
    private let turns = Turns()
    private var vocabulary = Vocabulary()

    /// A connection that is made when it is first needed.
    ///
    /// - Parameters:
    ///   - window: how many events may wait for their ack; `send` suspends when there are more.
    ///   - attempts: how many connections in a row may fail to come up, or end without an ack, before `send` and
    ///     `flush` throw. Between them there are pauses that grow from 50 ms to 5 s.
    public init(host: String, port: Int, format: Format = .native, window: Int = 16_384, attempts: Int = 10) {
        var options = StreamOptions()
        options.window = window
        options.maxAttempts = attempts
        options.isNative = format == .native
        sender = StreamSender(host: host, port: port, options: options, book: book)
    }

    /// What became of the events so far.
    public var totals: SendTotals { sender.totals }

    /// What the daemon has said of single events since the last call, oldest first: which were refused, quarantined or
    /// stale, and why. `SendVerdict.number` is the event's place among all that were handed over, from 1.
    ///
    /// The totals count every event; the daemon does not name all of very many. At most `verdictLimit` are kept.
    public func takeVerdicts() -> [SendVerdict] { book.take() }

    /// How many verdicts were dropped because nobody took them.
    public var droppedVerdicts: UInt64 { book.dropped }

    /// Hands over events, in order; returns when they are on their way and kept until they are acknowledged.
    ///
    /// - Throws: `SendError` when one of the events cannot be sent, and then none of them is; or when the daemon cannot
    ///   be reached or refuses for good.
    public func send(_ events: [TidingsEvent]) async throws {
        await turns.enter()
        defer { turns.leave() }
        for batch in try batches(events, &vocabulary, size: Limits.batchEvents) {
            try await sender.send(batch, vocabulary)
        }
    }

    /// Waits until every event handed over is stored or refused.
    public func flush() async throws {
        await turns.enter()
        defer { turns.leave() }
        try await sender.flush(vocabulary)
    }

    /// Closes the connection. Flush first, or what has not been acknowledged is lost.
    public func close() async {
        await turns.enter()
        defer { turns.leave() }
        await sender.close()
    }
}

/// Datagrams to a daemon, each acknowledged, sent again, or in the end counted as lost.
public actor TidingsDatagrams {
    /// How many verdicts are kept until they are taken; beyond it the oldest are dropped.
    public static let verdictLimit = VerdictBook.limit

    private let host: String
    private let port: Int
    private let options: DatagramOptions
    private var sender: DatagramSender?
    private let book = VerdictBook()
    /// Events handed over so far.
    private var count: UInt64 = 0
    private let turns = Turns()
    private var vocabulary = Vocabulary()

    /// A socket that is opened when it is first needed.
    ///
    /// - Parameters:
    ///   - firstPauseMilliseconds: when a datagram is sent again if no ack came; doubled each time.
    ///   - tries: after so many without any answer from the daemon its events are counted as lost; four times as many
    ///     while it answers others.
    public init(host: String, port: Int, firstPauseMilliseconds: Int64 = 2_000, tries: Int = 8) {
        self.host = host
        self.port = port
        var options = DatagramOptions()
        options.firstPauseMilliseconds = firstPauseMilliseconds
        options.maxTries = tries
        self.options = options
    }

    /// What became of the events so far.
    public var totals: SendTotals { sender?.totals ?? SendTotals() }

    /// What the daemon has said of single events since the last call, oldest first; see `TidingsConnection`.
    public func takeVerdicts() -> [SendVerdict] { book.take() }

    /// How many verdicts were dropped because nobody took them.
    public var droppedVerdicts: UInt64 { book.dropped }

    /// Sends events, each device's in datagrams of its own; suspends while too many are unacknowledged.
    ///
    /// - Throws: `SendError` when one of the events cannot be sent, or does not fit into a datagram, and then none of
    ///   them is.
    public func send(_ events: [TidingsEvent]) async throws {
        await turns.enter()
        defer { turns.leave() }
        guard let batch = try batches(events, &vocabulary, size: .max).first else { return }
        if sender == nil { sender = try await DatagramSender(host: host, port: port, options: options, book: book) }
        let first = count + 1
        try await sender?.send(
            batch, vocabulary, origins: events.indices.map { EventOrigin(number: first + UInt64($0)) })
        count += UInt64(events.count)
    }

    /// Waits until every event has been acknowledged, refused or given up.
    public func flush() async {
        await turns.enter()
        defer { turns.leave() }
        await sender?.flush()
    }

    /// Closes the socket.
    public func close() async {
        await turns.enter()
        defer { turns.leave() }
        await sender?.close()
    }
}

/// The events in batches of up to `size`.
///
/// - Throws: `SendError` for one that cannot be sent: nothing is left half done.
private func batches(
    _ events: [TidingsEvent], _ vocabulary: inout Vocabulary, size: Int
) throws(SendError) -> [EventBatch] {
    var batches: [EventBatch] = []
    for (index, event) in events.enumerated() {
        if batches.last.map({ $0.count >= size }) ?? true {
            batches.append(EventBatch(capacity: min(events.count - index, size)))
        }
        do throws(TidingsEvent.Unusable) {
            try event.append(to: &batches[batches.count - 1], vocabulary: &vocabulary)
        } catch {
            throw SendError(
                description: "event \(index + 1) of \(events.count), product \"\(event.product)\", device "
                    + "\"\(event.device)\", cannot be sent: \(error.cause)")
        }
    }
    _ = vocabulary.takeDefinitions()
    return batches
}

/// Lets the calls of one actor through one after the other, in the order in which they came, although each suspends.
private final class Turns {
    private var isTaken = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

    func enter() async {
        guard isTaken else {
            isTaken = true
            return
        }
        await withCheckedContinuation { waiting.append($0) }
    }

    func leave() {
        if waiting.isEmpty { isTaken = false } else { waiting.removeFirst().resume() }
    }
}
