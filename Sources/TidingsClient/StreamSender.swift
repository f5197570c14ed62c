// Sending over one TCP connection so that nothing is lost: what is not acknowledged is sent again on the next one.

import Events
import NIOCore
import NIOPosix
import Wire

/// How a sender behaves.
package struct StreamOptions: Sendable {
    /// Events or lines that may be on their way; sending waits when there are more.
    package var window = 16_384
    /// How often in a row a connection may fail to come up.
    package var maxAttempts = 10
    /// The first pause between attempts; doubled each time up to 5 s.
    package var firstPause = Duration.milliseconds(50)
    /// Whether bodies of 512 bytes and more are deflated.
    package var deflates = false
    /// The reset counter under which events without a number of their own are numbered.
    package var epoch = UInt32.random(in: 1...UInt32.max)
    package var isNative = true

    package init() {}
}

/// The sending end of a connection that is made anew whenever it breaks. Used by one task at a time.
final class StreamSender {
    private let host: String
    private let port: Int
    private let options: StreamOptions
    private let link = StreamLink()
    private var encoder = NativeEncoder()
    private var channel: (any Channel)?
    private var nextSeq: UInt64 = 1
    private var frames: [UInt8] = []
    /// The first event that is kept and was not written, because the connection's table is full.
    private var unwritten: UInt64?
    /// Nothing has been written to the connection yet.
    private var isFresh = true

    init(host: String, port: Int, options: StreamOptions) {
        self.host = host
        self.port = port
        self.options = options
    }

    var totals: SendTotals { link.totals }

    /// Hands over events; returns when they are written to the socket, after waiting for room in the window.
    ///
    /// - Throws: `SendError` when the daemon cannot be reached or refuses for good.
    func send(_ batch: EventBatch, _ vocabulary: Vocabulary) async throws {
        guard !batch.isEmpty else { return }
        if options.isNative {
            try await send(.events(batch), count: batch.count, vocabulary)
        } else {
            var lines: [UInt8] = []
            for event in batch.events {
                writeInputLine(event, text: batch.text(of: event), vocabulary, into: &lines)
            }
            try await sendLines(lines, count: batch.count)
        }
    }

    /// Hands over JSON lines, each with its newline; see `send`.
    func sendLines(_ lines: [UInt8], count: Int) async throws {
        guard count > 0 else { return }
        try await send(.lines(lines), count: count, Vocabulary())
    }

    /// Waits until everything that was handed over has a verdict.
    func flush(_ vocabulary: Vocabulary) async throws {
        while link.outstanding > 0 {
            try await connectIfDown(vocabulary)
            await link.wait { outstanding, health in outstanding == 0 || health != .up }
        }
    }

    /// Says goodbye and closes. What has not been flushed may be lost.
    func close() async {
        if options.isNative, let channel, channel.isActive {
            var bye: [UInt8] = []
            writeFrame(.bye, body: [UInt8]().span, into: &bye)
            try? await channel.writeAndFlush(channel.allocator.buffer(bytes: bye))
        }
        try? await channel?.close()
        channel = nil
    }

    private func send(_ content: Parcel.Content, count: Int, _ vocabulary: Vocabulary) async throws {
        let room = max(options.window - count, 0)
        while true {
            try await connectIfDown(vocabulary)
            if link.outstanding <= room { break }
            await link.wait { outstanding, health in outstanding <= room || health != .up }
        }
        let parcel = Parcel(content: content, count: count, firstSeq: nextSeq)
        nextSeq += UInt64(count)
        link.keep(parcel)
        if unwritten == nil, !write(parcel, vocabulary) { unwritten = parcel.firstSeq }
    }

    /// Writes a parcel to the connection.
    ///
    /// - Returns: false when the connection's table has no room for its names.
    private func write(_ parcel: Parcel, _ vocabulary: Vocabulary) -> Bool {
        guard let channel else { return true }
        switch parcel.content {
        case .lines(let bytes): channel.writeAndFlush(channel.allocator.buffer(bytes: bytes), promise: nil)
        case .events(let batch):
            frames.removeAll(keepingCapacity: true)
            let fits = encoder.writeFrames(
                batch, epoch: options.epoch, firstSeq: parcel.firstSeq, deflate: options.deflates, vocabulary,
                into: &frames)
            guard fits else { return false }
            channel.writeAndFlush(channel.allocator.buffer(bytes: frames), promise: nil)
        }
        isFresh = false
        return true
    }

    /// Leaves a connection whose table is full, once everything that was written to it is acknowledged.
    private func leaveFullConnection(_ unwritten: UInt64) async throws {
        if link.oldestSeq == unwritten, isFresh {
            throw SendError(
                description: "one batch has more distinct names than a connection's string table holds; "
                    + "send smaller batches")
        }
        if link.oldestSeq < unwritten {
            await link.wait(untilOldest: unwritten)
        } else {
            await close()
            await link.wait { _, health in health != .up }
        }
    }

    private func connectIfDown(_ vocabulary: Vocabulary) async throws {
        var pause = options.firstPause
        var attempt = 0
        while true {
            switch link.health {
            case .up:
                guard let unwritten else { return }
                try await leaveFullConnection(unwritten)
            case .refused(let text):
                throw SendError(description: "the daemon at \(host):\(port) refuses: \(text)")
            case .connecting: await link.wait { _, health in health != .connecting }
            case .down:
                attempt += 1
                if attempt > 1 {
                    guard attempt <= options.maxAttempts else {
                        throw SendError(
                            description: "no daemon answers at \(host):\(port) after \(options.maxAttempts) attempts; "
                                + "start one with: tidings serve")
                    }
                    try await Task.sleep(for: pause)
                    pause = min(pause * 2, .seconds(5))
                }
                await connect(vocabulary)
            }
        }
    }

    /// One attempt: connects, greets, and repeats what has not been acknowledged.
    private func connect(_ vocabulary: Vocabulary) async {
        let generation = link.connecting()
        let (link, isNative) = (link, options.isNative)
        let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(.seconds(5))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        StreamHandler(link: link, generation: generation, isNative: isNative))
                }
            }
        do {
            let channel = try await bootstrap.connect(host: host, port: port).get()
            self.channel = channel
            if isNative {
                channel.writeAndFlush(channel.allocator.buffer(bytes: greeting()), promise: nil)
                await link.wait { _, health in health != .connecting }
            }
        } catch {
            link.down(generation)
            return
        }
        repeatUnacknowledged(vocabulary)
    }

    private func repeatUnacknowledged(_ vocabulary: Vocabulary) {
        encoder.reset()
        unwritten = nil
        isFresh = true
        let parcels = link.parcelsToRepeat()
        link.startLines(after: (parcels.first?.firstSeq ?? nextSeq) - 1)
        for parcel in parcels where !write(parcel, vocabulary) {
            unwritten = parcel.firstSeq
            return
        }
    }

    private func greeting() -> [UInt8] {
        var hello = Hello()
        hello.epoch = options.epoch
        hello.next = nextSeq
        hello.agent = "TidingsClient"
        var bytes = streamMagic
        writeFrame(.hello, body: hello.encode().span, into: &bytes)
        return bytes
    }
}
