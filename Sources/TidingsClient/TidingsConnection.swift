// A connection to a daemon, for a device or gateway in Swift.

import Events
import Wire

/// A TCP connection to a daemon that delivers every event at least once, and so effectively once.
///
/// Events that the daemon has not acknowledged are kept, and sent again whenever the connection has to be made anew. An
/// ack means that the event is on the daemon's disk.
///
/// ```swift
/// let connection = TidingsConnection(host: "127.0.0.1", port: 7411)
/// var event = TidingsEvent(product: "kettle", device: "k-1", kind: .preferenceSet, aspect: "temperature")
/// event.value = .whole(92)
/// try await connection.send([event])
/// try await connection.flush()
/// await connection.close()
/// ```
///
/// **Isolation.** An actor: call it from any task, and from many at once. Calls of `send`, `flush` and `close` are
/// carried out one after the other, in the order in which they came; the events of two calls do not mix.
///
/// **Failure.** `send` and `flush` throw `SendError`, one line with cause and remedy. When an event could not be sent,
/// mend it and go on. When no daemon could be reached, or it refuses for good, this connection is over, and every
/// further call throws the same: mend what the error says, make another connection, and hand over again what had no
/// verdict (`totals.outstanding` of them). Events with an `epoch` and `seq` of their own are counted once, however
/// often they are sent. That single events are refused or kept apart is no failure of a call: `totals` counts them,
/// `takeVerdicts` names them.
///
/// **Messages.** One that was made with `messagesFor` gets what is sent down to that device, while it is connected:
///
/// ```swift
/// try await connection.connect()
/// for await message in connection.messages {
///     if message.kind == .notice { show(message.text()) }
///     try await connection.send([message.receipt(.shown)])
/// }
/// ```
///
/// **Lifetime.** The socket is opened by the first call that needs it, and stays open until `close`: a connection that
/// is merely let go of remains until the daemon ends it. What has not been acknowledged is kept in memory only: `flush`
/// before the process ends, or send those events again later.
public actor TidingsConnection {
    /// How the connection speaks.
    public enum Format: Sendable {
        /// Frames: compact and fast.
        case native
        /// JSON lines: readable with any tool.
        case json
    }

    /// How many verdicts are kept until they are taken; beyond it the oldest are dropped.
    public static let verdictLimit = VerdictQueue.limit

    private let sender: StreamSender
    private let verdicts = VerdictQueue()
    private let inbox = MessageInbox()
    private let lock = FIFOLock()
    private var vocabulary = Vocabulary()

    /// A connection that is made when it is first needed.
    ///
    /// - Parameters:
    ///   - host: a name or an address of either family, without brackets.
    ///   - port: the daemon's `listen.tcp.port`.
    ///   - format: frames, unless people shall be able to read along.
    ///   - credential: what the daemon is shown; nil for one that asks for nothing.
    ///   - window: how many events may wait for their ack; `send` suspends when there are more.
    ///   - attempts: how many connections in a row may fail to come up, or end without an ack, before `send` and
    ///     `flush` throw. Between them there are pauses that grow from 50 ms to 5 s.
    ///   - tls: how TLS is spoken, where `listen.tcp.tls` is on; nil for plain text.
    ///   - device: whose `messages` come over this connection; nil for none. With `native` only.
    public init(
        host: String, port: Int, format: Format = .native, credential: SenderCredential? = nil, window: Int = 16_384,
        attempts: Int = 10, tls: TidingsTLS? = nil, messagesFor device: (product: String, name: String)? = nil
    ) {
        var options = StreamOptions()
        if let device {
            options.source = deviceSource(product: Array(device.product.utf8)[...], name: Array(device.name.utf8)[...])
        }
        options.credential = credential
        options.window = window
        options.maxAttempts = attempts
        options.isNative = format == .native
        options.tls = tls
        sender = StreamSender(host: host, port: port, options: options, verdicts: verdicts, inbox: inbox)
    }

    /// What became of the events so far. After a `flush` that has not thrown, `sent == acked + rejected`.
    public var totals: SendTotals { sender.totals }

    /// What the daemon has said of single events since the last call, oldest first: which were refused, quarantined or
    /// stale, and why. `SendVerdict.number` is the event's place among all that were handed over, from 1.
    ///
    /// The totals count every event; the daemon does not name all of very many. At most `verdictLimit` are kept.
    public func takeVerdicts() -> [SendVerdict] { verdicts.take() }

    /// How many verdicts were dropped because nobody took them.
    public var droppedVerdicts: UInt64 { verdicts.dropped }

    /// The messages to the device of `messagesFor`, each once: one that comes again is known by its id. The last 16 ids
    /// are kept, in memory; after a restart of the process a message may come once more.
    ///
    /// The daemon has been told that a message is here when it comes out; what became of it here is for the caller to
    /// send: `TidingsMessage.receipt`, `TidingsMessage.answer`. At most 64 wait to be taken; others stay at the daemon.
    public nonisolated var messages: AsyncStream<TidingsMessage> { inbox.messages }

    /// Makes the connection, if it is not there, so that messages come although nothing is sent.
    ///
    /// Call it again from time to time, about once a minute: that keeps the connection open, or makes it anew.
    ///
    /// - Throws: `SendError` when the daemon cannot be reached or refuses for good.
    public func connect() async throws {
        await lock.lock()
        defer { lock.unlock() }
        try await sender.listen(vocabulary)
    }

    /// Hands over events, in order; returns when they are on their way and kept until they are acknowledged.
    ///
    /// Suspends while `window` events wait for their acks, and while the connection is made anew.
    ///
    /// - Throws: `SendError` when one of the events cannot be sent, and then none of them is: mend it, or leave it out.
    ///   Or when the daemon cannot be reached or refuses for good: the connection is over.
    public func send(_ events: [TidingsEvent]) async throws {
        await lock.lock()
        defer { lock.unlock() }
        for batch in try batches(events, &vocabulary, size: Limits.batchEvents) {
            try await sender.send(batch, vocabulary)
        }
    }

    /// Waits until every event handed over is stored or refused.
    ///
    /// - Throws: `SendError` when the daemon cannot be reached or refuses for good: the connection is over.
    public func flush() async throws {
        await lock.lock()
        defer { lock.unlock() }
        try await sender.flush(vocabulary)
    }

    /// Closes the connection, and ends `messages`. What has not been acknowledged may be lost: flush first.
    public func close() async {
        await lock.lock()
        defer { lock.unlock() }
        await sender.close()
        inbox.finish()
    }
}
