// Sending over one TCP connection so that nothing is lost: what is not acknowledged is sent again on the next one.

package import Events
import NIOCore
import NIOPosix
import Wire

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// How a sender behaves.
package struct StreamOptions: Sendable {
    /// Events or lines that may be on their way; sending waits when there are more.
    package var window = 16_384
    /// How many connections in a row may fail to come up, or end before anything on them got its verdict.
    package var maxAttempts = 10
    /// The first pause before a connection is made anew; doubled each time up to 5 s, and the first again once
    /// something got its verdict.
    package var firstPause = Duration.milliseconds(50)
    /// Whether bodies of 512 bytes and more are deflated.
    package var deflates = false
    /// The reset counter under which events without a number of their own are numbered.
    package var epoch = UInt32.random(in: 1...UInt32.max)
    package var isNative = true
    /// Nil for plain text.
    package var tls: TidingsTLS?
    package var credential: SenderCredential?
    /// The source of the device that messages are received for; empty = for none.
    package var source: [UInt8] = []

    package init() {}
}

/// The sending end of a connection that is made anew whenever it breaks. Used by one task at a time.
package final class StreamSender {
    private let host: String
    private let port: Int
    private let options: StreamOptions
    private let window: StreamSendWindow
    private var encoder = NativeEncoder()
    private var channel: (any Channel)?
    package private(set) var nextSeq: UInt64 = 1
    private var frames: [UInt8] = []
    /// The first event that is kept and was not written, because the connection's table is full.
    private var unwritten: UInt64?
    /// Nothing has been written to the connection yet.
    private var isFresh = true
    private var backoff: Backoff
    /// Connections since anything got its verdict.
    private var attempts = 0
    /// Whether one of them came up.
    private var wasUp = false
    private var hasConnected = false
    /// Whether something took the last connection.
    private var isReached = false
    /// Why the last one failed.
    private var lastMessage = ""
    /// Where messages go.
    private let inbox: MessageInbox?
    /// It waits for messages: a connection on which nothing was sent is none that has failed.
    private var isListening = false
    /// The connection was left because its table is full: the next one need not wait.
    private var isLeaving = false

    package init(
        host: String, port: Int, options: StreamOptions, verdicts: VerdictQueue = VerdictQueue(),
        inbox: MessageInbox? = nil
    ) {
        self.inbox = inbox
        self.host = host
        self.port = port
        self.options = options
        window = StreamSendWindow(verdicts: verdicts)
        backoff = Backoff(first: options.firstPause)
    }

    package var totals: SendTotals { window.totals }

    /// Hands over events; returns when they are written to the socket, after waiting for room in the window.
    ///
    /// - Parameter origins: by which numbers the events are told; empty = by their place among all handed over.
    /// - Returns: the number of the last event in the sender's own count.
    /// - Throws: `SendError` when the daemon cannot be reached or refuses for good.
    @discardableResult package func send(
        _ batch: EventBatch, _ vocabulary: Vocabulary, origins: [EventOrigin] = []
    ) async throws -> UInt64 {
        guard !batch.isEmpty else { return nextSeq - 1 }
        if options.isNative {
            try await send(.events(batch), count: batch.count, vocabulary, origins)
        } else {
            var lines: [UInt8] = []
            for event in batch.events {
                writeJSONLine(event, in: batch, vocabulary, into: &lines)
            }
            try await sendLines(lines, count: batch.count, origins: origins)
        }
        return nextSeq - 1
    }

    /// Hands over JSON lines, each with its newline; see `send`.
    package func sendLines(_ lines: [UInt8], count: Int, origins: [EventOrigin] = []) async throws {
        guard count > 0 else { return }
        try await send(.lines(lines), count: count, Vocabulary(), origins)
    }

    /// Waits until everything that was handed over has a verdict.
    package func flush(_ vocabulary: Vocabulary) async throws {
        while window.outstanding > 0 {
            try await recover(vocabulary)
            await window.wait(orDeferred: true) { outstanding, health in outstanding == 0 || health != .up }
        }
    }

    /// Waits until the daemon has dealt with everything up to an event, by its number in the sender's own count.
    package func waitUntilHandled(through seq: UInt64, _ vocabulary: Vocabulary) async throws {
        while window.oldestSeq <= seq {
            try await connectIfDown(vocabulary)
            await window.wait(untilOldest: seq + 1)
        }
    }

    /// Makes the connection anew if it broke while something waits for its verdict, and sends again what the daemon
    /// wanted to have later.
    package func recover(_ vocabulary: Vocabulary) async throws {
        guard window.outstanding > 0 else { return }
        try await connectIfDown(vocabulary)
        guard let (lines, origins) = window.takeDeferred() else { return }
        let batch = InFlightBatch(content: .lines(lines), count: origins.count, firstSeq: nextSeq, origins: origins)
        nextSeq += UInt64(origins.count)
        window.trackAgain(batch)
        try await Task.sleep(for: backoff.next())
        // If the connection broke meanwhile, the next one begins with all that is kept.
        if window.health == .up { _ = write(batch, vocabulary) }
    }

    /// Makes the connection if there is none, and shows the daemon that this side is still there.
    package func listen(_ vocabulary: Vocabulary) async throws {
        isListening = true
        let wasUp = window.health == .up
        try await connectIfDown(vocabulary)
        guard wasUp, options.isNative, let channel else { return }
        var ping: [UInt8] = []
        writeFrame(.ping, body: [UInt8]().span, into: &ping)
        channel.writeAndFlush(channel.allocator.buffer(bytes: ping), promise: nil)
    }

    /// Counts what has no verdict as lost.
    package func abandon() { window.abandon() }

    /// Sends BYE and closes. What has not been flushed may be lost.
    package func close() async {
        if options.isNative, let channel, channel.isActive {
            var bye: [UInt8] = []
            writeFrame(.bye, body: [UInt8]().span, into: &bye)
            try? await channel.writeAndFlush(channel.allocator.buffer(bytes: bye))
        }
        try? await channel?.close()
        channel = nil
    }

    private func send(
        _ content: InFlightBatch.Content, count: Int, _ vocabulary: Vocabulary, _ origins: [EventOrigin]
    ) async throws {
        let room = max(options.window - count, 0)
        while true {
            try await connectIfDown(vocabulary)
            try await recover(vocabulary)
            if window.outstanding <= room { break }
            await window.wait(orDeferred: true) { outstanding, health in outstanding <= room || health != .up }
        }
        let batch = InFlightBatch(content: content, count: count, firstSeq: nextSeq, origins: origins)
        nextSeq += UInt64(count)
        window.track(batch)
        if unwritten == nil, !write(batch, vocabulary) { unwritten = batch.firstSeq }
    }

    /// Writes a batch to the connection.
    ///
    /// - Returns: false when the connection's table has no room for its names.
    private func write(_ batch: InFlightBatch, _ vocabulary: Vocabulary) -> Bool {
        guard let channel else { return true }
        switch batch.content {
        case .lines(let bytes): channel.writeAndFlush(channel.allocator.buffer(bytes: bytes), promise: nil)
        case .events(let events):
            frames.removeAll(keepingCapacity: true)
            let fits = encoder.writeFrames(
                events, epoch: options.epoch, firstSeq: batch.firstSeq, deflate: options.deflates, vocabulary,
                into: &frames)
            guard fits else { return false }
            channel.writeAndFlush(channel.allocator.buffer(bytes: frames), promise: nil)
        }
        isFresh = false
        return true
    }

    /// Leaves a connection whose table is full, once everything that was written to it is acknowledged.
    private func leaveFullConnection(_ unwritten: UInt64, _ vocabulary: Vocabulary) async throws {
        if window.oldestSeq == unwritten, isFresh {
            // Not even alone does it fit. Event by event it does: some on this connection, the others on the next.
            guard window.splitOldest() else {
                throw SendError(description: "an event has more names than a connection's string table holds")
            }
            encoder.reset()
            writeAll(window.batches, vocabulary)
            return
        }
        if window.oldestSeq < unwritten {
            await window.wait(untilOldest: unwritten)
        } else {
            isLeaving = true
            await close()
            await window.wait { _, health in health != .up }
        }
    }

    private func connectIfDown(_ vocabulary: Vocabulary) async throws {
        while true {
            switch window.health {
            case .up:
                guard let unwritten else { return }
                try await leaveFullConnection(unwritten, vocabulary)
            case .refused(let text):
                throw SendError(description: "the daemon at \(address) refuses: \(text)")
            case .connecting: await window.wait { _, health in health != .connecting }
            case .down:
                try await pauseBeforeReconnecting()
                attempts += 1
                await connect(vocabulary)
            }
        }
    }

    /// Waits before every connection but the first, unless the one before was left on purpose.
    private func pauseBeforeReconnecting() async throws {
        let outcome = window.takeOutcome()
        if outcome.hasProgress {
            backoff.reset()
            (attempts, wasUp) = (0, false)
        }
        wasUp = wasUp || outcome.wasUp
        if isListening, outcome.wasUp { attempts = 0 }
        if !outcome.lastMessage.isEmpty { lastMessage = outcome.lastMessage }
        defer { isLeaving = false }
        guard hasConnected, !isLeaving else { return }
        // A daemon that asks to wait is there, and is waited for.
        if outcome.isAskedToWait { attempts = 0 }
        guard attempts < options.maxAttempts else { throw SendError(description: failure) }
        try await Task.sleep(for: backoff.next())
    }

    private var address: String { hostAndPort(host, port) }

    /// Why it goes on no longer.
    private var failure: String {
        let word = lastMessage.isEmpty ? "" : " (\(lastMessage))"
        if wasUp {
            return "the daemon at \(address) ended \(attempts) connections in a row without an ack\(word); see its log"
        }
        if isReached {
            let certificate = options.tls == nil ? "" : "; it may refuse this sender's certificate"
            return lastMessage.isEmpty
                ? "the daemon at \(address) ended \(attempts) connections without an answer\(certificate); see its log"
                : "the daemon at \(address) does not serve this sender after \(attempts) attempts: \(lastMessage)"
        }
        if lastMessage.isEmpty {
            return "no daemon answers at \(address) after \(attempts) attempts; start one with: tidings serve"
        }
        return "no daemon answers at \(address) after \(attempts) attempts\(word); check the address"
    }

    /// One attempt: connects, greets, and repeats what has not been acknowledged.
    private func connect(_ vocabulary: Vocabulary) async {
        (hasConnected, isReached) = (true, false)
        let generation = window.connecting()
        let (window, isNative, tls, host, greeting) = (window, options.isNative, options.tls, host, greeting())
        let inbox = inbox
        let agreed = tls.map { _ in MultiThreadedEventLoopGroup.singleton.next().makePromise(of: Void.self) }
        let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(.seconds(5))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls, let agreed {
                        try tls.addHandlers(to: channel.pipeline.syncOperations, host: host, done: agreed)
                    }
                    try channel.pipeline.syncOperations.addHandler(
                        StreamAnswerHandler(
                            window: window, generation: generation, isNative: isNative, greeting: greeting,
                            inbox: inbox))
                }
            }
        do {
            let channel = try await bootstrap.connect(host: host, port: port).get()
            self.channel = channel
            isReached = true
            try await agreed?.futureResult.get()
            if !greeting.bytes.isEmpty {
                channel.writeAndFlush(channel.allocator.buffer(bytes: greeting.bytes), promise: nil)
            }
            if isNative {
                while window.health == .connecting { await window.wait { _, health in health != .connecting } }
            }
        } catch {
            agreed?.fail(error)
            lastMessage = connectFailure(error)
            window.down(generation)
            return
        }
        repeatUnacknowledged(vocabulary)
    }

    private func repeatUnacknowledged(_ vocabulary: Vocabulary) {
        encoder.reset()
        isFresh = true
        writeAll(window.batchesToRepeat(), vocabulary)
    }

    /// Writes batches until the connection's table is full.
    private func writeAll(_ batches: [InFlightBatch], _ vocabulary: Vocabulary) {
        unwritten = batches.first { !write($0, vocabulary) }?.firstSeq
    }

    private func greeting() -> Greeting {
        guard options.isNative else { return Greeting(lines: options.credential) }
        var hello = Hello()
        hello.epoch = options.epoch
        hello.next = nextSeq
        hello.agent = "TidingsClient"
        hello.source = options.source
        if !options.source.isEmpty { hello.features = .messages }
        return Greeting(hello, options.credential, isEncrypted: options.tls != nil)
    }
}

/// Why a connection did not come up, if there is more to say than that nobody listens there.
func connectFailure(_ error: any Error) -> String {
    guard let error = error as? NIOConnectionError else { return cause(error) }
    if error.connectionErrors.isEmpty { return "the name \(error.host) has no address" }
    let causes = error.connectionErrors.map { cause($0.error) }
    return causes.contains("") ? "" : causes.joined(separator: "; ")
}

private func cause(_ error: any Error) -> String {
    if let told = tlsFailure(error) { return told }
    if let error = error as? ChannelError, case .eof = error { return "the daemon closed before TLS was agreed on" }
    if let error = error as? ChannelError, case .connectTimeout = error { return "no answer within 5 seconds" }
    if let error = error as? IOError, error.errnoCode == ECONNREFUSED { return "" }
    return "\(error)"
}
