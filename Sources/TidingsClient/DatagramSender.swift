// Sending datagrams so that each is acknowledged, sent again, or counted as lost.

package import Events
import NIOCore
import NIOPosix
import Wire

/// How a sender of datagrams behaves.
package struct DatagramOptions: Sendable, Hashable {
    /// Datagrams of all devices that may be in flight at once; what the receiver's socket buffer cannot hold is lost.
    package var window = 256
    /// How far the numbers of one device's unacknowledged events may lie apart; the daemon tells repeats by 64.
    package var deviceWindow = 48
    /// Events in one datagram at most.
    package var eventsPerDatagram = 48
    /// Bytes of one datagram at most.
    package var datagramBytes = Limits.datagramBytesRecommended
    /// The pause before a datagram is sent again; doubled each time up to 5 s.
    package var firstPauseMilliseconds: Int64 = 200
    /// After so many tries without any answer from the daemon its events are counted as lost; four times as many
    /// while it answers others.
    package var maxTries = 8
    /// The reset counter under which events without a number of their own are numbered.
    package var epoch = UInt32.random(in: 1...UInt32.max)
    /// A key, which datagrams are signed with; their epochs then have to rise (`risingEpoch`).
    package var credential: SenderCredential?

    package init() {}
}

/// The epoch that a sender of signed datagrams begins with: so no datagram of before can be taken for a new one.
///
/// - Parameters:
///   - last: the one that it began with before; 0 when there was none.
///   - unixSeconds: seconds since 1970 by its clock; 0 when it has none.
package func risingEpoch(after last: UInt32, unixSeconds: Int64) -> UInt32 {
    max(UInt32(clamping: unixSeconds - Limits.earliestTime.rawValue / 1_000), last == .max ? last : last + 1)
}

/// The sending end of a datagram socket. Used by one task at a time.
package final class DatagramSender {
    private let options: DatagramOptions
    private let window: DatagramSendWindow
    private let channel: any Channel
    private var encoder: NativeEncoder
    private let signer: DatagramSigner?
    private var counter = UInt32.random(in: 0...UInt32.max)
    private var unflushed = 0
    private var numbers: [UInt32: UInt64] = [:]
    private var bytes: [UInt8] = []

    /// Opens a socket towards a daemon. That there is one shows only by its acks.
    package init(
        host: String, port: Int, options: DatagramOptions, verdicts: VerdictQueue = VerdictQueue(),
        inbox: MessageInbox? = nil
    ) async throws {
        let window = DatagramSendWindow(options: options, verdicts: verdicts, inbox: inbox)
        self.options = options
        self.window = window
        signer = options.credential?.signer
        let room = options.datagramBytes - DatagramHeader.headerBytes - DatagramHeader.trailerBytes
        encoder = NativeEncoder(maxEvents: options.eventsPerDatagram, maxBodyBytes: room, keepsReferences: false)
        let bootstrap = DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.datagramVectorReadMessageCount, value: 32)
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 32 * 2_048))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(DatagramAnswerHandler(window: window))
                }
            }
        do {
            channel = try await bootstrap.connect(host: host, port: port).get()
        } catch {
            let (address, cause) = (hostAndPort(host, port), connectFailure(error))
            throw SendError(description: "cannot send datagrams to \(address): \(cause.isEmpty ? "\(error)" : cause)")
        }
    }

    package var totals: SendTotals { window.totals }

    /// The highest epoch in use: with a key the next start has to be above it.
    package var epoch: UInt32 { window.highestEpoch }

    /// Sends events, each device's in its own datagrams; returns when all have been sent once.
    ///
    /// - Parameter origins: by which numbers the events are told; empty = they are not told one by one.
    /// - Throws: `SendError` for an event that does not fit into a datagram; if the events are told one by one, before
    ///   any of them is sent.
    package func send(_ batch: EventBatch, _ vocabulary: Vocabulary, origins: [EventOrigin] = []) async throws {
        if !origins.isEmpty, let event = batch.events.first(where: { !mayFit($0, in: batch, vocabulary) }) {
            throw tooBig(event, vocabulary)
        }
        var sorted = batch
        var numbers = batch.events.map(number)
        for index in sorted.events.indices where sorted.events[index].identity == .none {
            sorted.events[index].identity = .sequence
            (sorted.events[index].epoch, sorted.events[index].seq) = (numbers[index].epoch, numbers[index].seq)
        }
        let order = sorted.events.indices.sorted {
            (sorted.events[$0].device, $0) < (sorted.events[$1].device, $1)
        }
        sorted.events = order.map { sorted.events[$0] }
        numbers = order.map { numbers[$0] }
        let sortedOrigins = origins.isEmpty ? [] : order.map { origins[$0] }
        var index = 0
        while index < sorted.count {
            index = try await sendOne(sorted, numbers, sortedOrigins, from: index, vocabulary)
        }
        flushSocket()
    }

    /// Whether an event fits into a datagram of its own; false may be said of one that would just about.
    package func mayFit(_ event: Event, in batch: EventBatch, _ vocabulary: Vocabulary) -> Bool {
        let room = options.datagramBytes - DatagramHeader.headerBytes - DatagramHeader.trailerBytes
        let fields = 128
        var count = Int(event.textLength) + namesCount(of: event, vocabulary) + fields
        if event.detail != 0 {
            let details = batch.details(of: event)
            count += vocabulary.text(.value, details.notice).count + vocabulary.text(.value, details.method).count
            count += Int(details.extra.length) + fields
        }
        return count <= room
    }

    /// The bytes of all names of an event.
    private func namesCount(of event: Event, _ vocabulary: Vocabulary) -> Int {
        var count = vocabulary.name(of: event.customer).count
        count +=
            deviceSource(
                product: vocabulary.text(.product, event.product), name: vocabulary.name(of: event.device)
            ).count
        count += vocabulary.text(.aspect, event.aspect).count
        count += vocabulary.text(.unit, event.unit).count + vocabulary.text(.language, event.language).count
        count += vocabulary.text(.type, event.type).count
        if case .symbol(let symbol) = event.value { count += vocabulary.text(.value, symbol).count }
        return count
    }

    private func tooBig(_ event: Event, _ vocabulary: Vocabulary) -> SendError {
        let product = String(decoding: vocabulary.text(.product, event.product), as: UTF8.self)
        let device = String(decoding: vocabulary.name(of: event.device), as: UTF8.self)
        return SendError(
            description: "an event of product \"\(product)\", device \"\(device)\" does not fit into a datagram of "
                + "\(options.datagramBytes) bytes; send it by tcp")
    }

    /// Asks for the messages that wait for a device.
    ///
    /// - Returns: how many the daemon says wait; nil when it says nothing.
    package func poll(_ device: DeviceID, _ vocabulary: Vocabulary) async -> UInt32? {
        counter &+= 1
        let (own, epoch) = (counter, window.epoch(of: device.rawValue))
        bytes.removeAll(keepingCapacity: true)
        let header = DatagramHeader(
            type: .batch, keyID: options.credential?.keyID ?? 0, epoch: epoch, counter: own)
        encoder.writePoll(device, header: header, bytes: options.datagramBytes / 3, vocabulary, into: &bytes)
        signer?.sign(&bytes, from: 0)
        let buffer = channel.allocator.buffer(bytes: bytes)
        window.track(
            InFlightDatagram(
                device: device.rawValue, epoch: epoch, seqs: 0...0, events: 0, bytes: buffer, sent: .now(),
                pause: .milliseconds(options.firstPauseMilliseconds)), counter: own)
        channel.writeAndFlush(buffer, promise: nil)
        return await window.waitForPending(own)
    }

    /// Waits until the daemon has stored what was sent of a device, or that is given up.
    package func waitUntilStored(_ device: DeviceID) async {
        flushSocket()
        await window.waitUntilStored(device.rawValue)
    }

    /// Counts what has no verdict as lost.
    package func abandon() { window.abandon() }

    /// Waits until everything that was sent has a verdict.
    package func flush() async {
        flushSocket()
        await window.wait(for: nil)
    }

    package func close() async { try? await channel.close() }

    private func sendOne(
        _ batch: EventBatch, _ numbers: [EventNumber], _ origins: [EventOrigin], from start: Int,
        _ vocabulary: Vocabulary
    ) async throws -> Int {
        let (event, first) = (batch.events[start], numbers[start])
        let device = event.device.rawValue
        counter &+= 1
        let header = DatagramHeader(
            type: .batch, keyID: options.credential?.keyID ?? 0, epoch: first.epoch, counter: counter)
        bytes.removeAll(keepingCapacity: true)
        let end = encoder.writeDatagram(
            batch, numbers, from: start, limit: options.eventsPerDatagram, header: header,
            oldest: event.identity == .hash ? 0 : window.oldest(of: device, sending: first.seq), vocabulary,
            into: &bytes)
        guard end > start else {
            throw tooBig(event, vocabulary)
        }
        signer?.sign(&bytes, from: 0)
        let lastSeq = numbers[end - 1].seq
        if !window.hasRoom(for: device, lastSeq: lastSeq) {
            flushSocket()
            await window.wait(for: device, lastSeq: lastSeq)
        }
        let buffer = channel.allocator.buffer(bytes: bytes)
        var datagram = InFlightDatagram(
            device: device, epoch: first.epoch, seqs: first.seq...lastSeq, events: end - start, bytes: buffer,
            sent: .now(), pause: .milliseconds(options.firstPauseMilliseconds), isNumberedHere: first.isOurs)
        if !origins.isEmpty {
            datagram.traced = (start..<end).map {
                TracedEvent(event: batch.events[$0], number: numbers[$0].seq, origin: origins[$0])
            }
        }
        window.track(datagram, counter: counter)
        channel.write(buffer, promise: nil)
        unflushed += 1
        let datagramsPerFlush = 32
        if unflushed >= datagramsPerFlush { flushSocket() }
        return end
    }

    private func flushSocket() {
        guard unflushed > 0 else { return }
        channel.flush()
        unflushed = 0
    }

    /// The event's own number, or one that it gets here. Those with ids of their own are counted in an epoch of their
    /// own: the daemon knows nothing of their numbers, so they may be no gaps in the others.
    private func number(_ event: Event) -> EventNumber {
        if event.identity == .sequence { return EventNumber(epoch: event.epoch, seq: event.seq) }
        let next = numbers[event.device.rawValue, default: 0] + 1
        numbers[event.device.rawValue] = next
        if event.identity == .hash { return EventNumber(epoch: options.epoch ^ 1, seq: next) }
        return EventNumber(epoch: window.epoch(of: event.device.rawValue), seq: next, isOurs: true)
    }
}

/// Reads acks and sends again what is due. Confined to its channel's event loop.
private final class DatagramAnswerHandler: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>

    private let window: DatagramSendWindow
    private var timer: RepeatedTask?

    init(window: DatagramSendWindow) { self.window = window }

    func channelActive(context: ChannelHandlerContext) {
        let (window, channel) = (window, context.channel)
        timer = context.eventLoop.scheduleRepeatedTask(
            initialDelay: .milliseconds(10), delay: .milliseconds(10)
        ) { _ in
            let buffers = window.due(.now())
            for buffer in buffers { channel.write(buffer, promise: nil) }
            if !buffers.isEmpty { channel.flush() }
        }
    }

    func channelInactive(context: ChannelHandlerContext) { timer?.cancel() }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data).data
        window.take(buffer.readableBytesUInt8Span)
        let outgoing = window.takeOutgoing()
        for bytes in outgoing { context.channel.write(context.channel.allocator.buffer(bytes: bytes), promise: nil) }
        if !outgoing.isEmpty { context.channel.flush() }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // Nobody listens there now (ICMP); what was sent is sent again until it is given up.
    }
}
