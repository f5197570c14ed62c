// Datagrams to a daemon, for a device or gateway in Swift.

import Events

/// Datagrams to a daemon, each acknowledged, sent again, or in the end counted as lost.
///
/// For devices that send little and can do without a connection. What one datagram of 1,200 bytes cannot hold has to go
/// over a `TidingsConnection`.
///
/// ```swift
/// let datagrams = TidingsDatagrams(host: "127.0.0.1", port: 7411)
/// try await datagrams.send([TidingsEvent(product: "kettle", device: "k-1", kind: .featureUsed, aspect: "boil")])
/// await datagrams.flush()
/// let lost = await datagrams.totals.lost
/// ```
///
/// **Isolation.** An actor: call it from any task; calls are carried out one after the other.
///
/// **Failure.** Only `send` throws, `SendError`, when an event cannot be sent or no socket can be opened; that a daemon
/// answers shows by `totals` alone. Events that were lost can be handed over again: with an `epoch` and `seq` of their
/// own they are counted once.
///
/// **Messages.** With a key, and made with `messagesFor`, it gets what is sent down to that device: for some seconds
/// after anything was sent, and when it asks:
///
/// ```swift
/// while let waiting = try await datagrams.poll(), waiting > 0 {}
/// for await message in datagrams.messages { try await datagrams.send([message.receipt(.applied)]) }
/// ```
///
/// What people are to read, and what is longer than a datagram, needs a `TidingsConnection`.
///
/// **Lifetime.** The socket is opened by the first `send`, and stays open until `close`. What has no verdict then is
/// neither sent again nor counted as lost: flush first.
public actor TidingsDatagrams {
    /// How many verdicts are kept until they are taken; beyond it the oldest are dropped.
    public static let verdictLimit = VerdictQueue.limit

    private let host: String
    private let port: Int
    private let options: DatagramOptions
    private var sender: DatagramSender?
    private let verdicts = VerdictQueue()
    private let inbox = MessageInbox()
    /// Whose messages are wanted.
    private let receiver: (product: String, name: String)?
    /// Events handed over so far.
    private var count: UInt64 = 0
    private let lock = FIFOLock()
    private var vocabulary = Vocabulary()

    /// A socket that is opened when it is first needed.
    ///
    /// - Parameters:
    ///   - host: a name or an address of either family, without brackets.
    ///   - port: the daemon's `listen.udp.port`.
    ///   - credential: a key, which the datagrams are signed with; with a token nothing can be sent here.
    ///   - epoch: with a key: under which events without numbers of their own are counted. It has to be higher at each
    ///     start: `epoch(after:unixSeconds:)` of the one before, which the caller keeps. When the daemon refuses it all
    ///     the same (4013), they are sent again under one more than the highest that it knows of their device.
    ///   - firstPauseMilliseconds: when a datagram is sent again if no ack came; doubled each time.
    ///   - tries: after so many without any answer from the daemon its events are counted as lost; four times as many
    ///     while it answers others.
    ///   - device: whose `messages` are wanted; nil for none. Needs a key.
    public init(
        host: String, port: Int, credential: SenderCredential? = nil, epoch: UInt32? = nil,
        firstPauseMilliseconds: Int64 = 2_000, tries: Int = 8,
        messagesFor device: (product: String, name: String)? = nil
    ) {
        receiver = device
        self.host = host
        self.port = port
        var options = DatagramOptions()
        options.credential = credential
        if let epoch { options.epoch = epoch }
        options.firstPauseMilliseconds = firstPauseMilliseconds
        options.maxTries = tries
        self.options = options
    }

    /// The epoch to begin with: the larger of the seconds since 2000 and one more than the last.
    ///
    /// - Parameters:
    ///   - last: the one of the start before; 0 when there was none.
    ///   - unixSeconds: seconds since 1970 by this device's clock; 0 when it has none.
    public static func epoch(after last: UInt32, unixSeconds: Int64) -> UInt32 {
        risingEpoch(after: last, unixSeconds: unixSeconds)
    }

    /// The highest epoch in use. With a key: what to keep for the next start.
    public var epoch: UInt32 { sender?.epoch ?? options.epoch }

    /// What became of the events so far. After a `flush`, `sent == acked + rejected + lost`.
    public var totals: SendTotals { sender?.totals ?? SendTotals() }

    /// What the daemon has said of single events since the last call, oldest first; see `TidingsConnection`.
    public func takeVerdicts() -> [SendVerdict] { verdicts.take() }

    /// How many verdicts were dropped because nobody took them.
    public var droppedVerdicts: UInt64 { verdicts.dropped }

    /// Sends events, each device's in datagrams of its own; suspends while too many are unacknowledged.
    ///
    /// - Throws: `SendError` when one of the events cannot be sent, or does not fit into a datagram, and then none of
    ///   them is: mend it, or send it over a connection. Or when no socket can be opened towards the daemon.
    public func send(_ events: [TidingsEvent]) async throws {
        await lock.lock()
        defer { lock.unlock() }
        try checkCredential()
        guard let batch = try batches(events, &vocabulary, size: .max).first else { return }
        try await open()
        let first = count + 1
        try await sender?.send(
            batch, vocabulary, origins: events.indices.map { EventOrigin(number: first + UInt64($0)) })
        count += UInt64(events.count)
    }

    private func checkCredential() throws(SendError) {
        if let credential = options.credential, credential.signer == nil {
            throw SendError(description: "a token cannot sign datagrams; use the key of a device, or a connection")
        }
    }

    private func open() async throws {
        guard sender == nil else { return }
        sender = try await DatagramSender(
            host: host, port: port, options: options, verdicts: verdicts, inbox: receiver == nil ? nil : inbox)
    }

    /// The messages to the device of `messagesFor`, each once; see `TidingsConnection.messages`.
    public nonisolated var messages: AsyncStream<TidingsMessage> { inbox.messages }

    /// Asks for the messages to the device of `messagesFor`: those that fit come within seconds, one at a time.
    ///
    /// - Returns: how many wait, as the daemon knew up to a second before; nil when it does not answer, or not know.
    /// - Throws: `SendError` without a key or a device, or when no socket can be opened towards the daemon.
    public func poll() async throws -> Int? {
        await lock.lock()
        defer { lock.unlock() }
        guard let receiver, options.credential != nil else {
            throw SendError(description: "over datagrams only a device with a key gets messages; name both")
        }
        try checkCredential()
        try await open()
        let product = vocabulary.symbol(.product, Array(receiver.product.utf8).span)
        guard let product, let device = vocabulary.device(product: product, name: Array(receiver.name.utf8).span) else {
            throw SendError(description: "the name of the device cannot be used; it has 1 to 128 bytes")
        }
        _ = vocabulary.takeDefinitions()
        return await sender?.poll(device, vocabulary).map { Int($0) }
    }

    /// Waits until every event has been acknowledged, refused or given up.
    public func flush() async {
        await lock.lock()
        defer { lock.unlock() }
        await sender?.flush()
    }

    /// Closes the socket. What has no verdict may be lost: flush first.
    public func close() async {
        await lock.lock()
        defer { lock.unlock() }
        await sender?.close()
        inbox.finish()
    }
}
