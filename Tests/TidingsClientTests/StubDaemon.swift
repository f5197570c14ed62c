// A daemon of a few lines: reads with Wire, remembers what it has seen, and can be rude.

import Events
import NIOCore
import NIOPosix
import Synchronization
import Wire

/// What a stub daemon has stored, and how it behaves.
final class StubDaemon: Sendable {
    /// How it mistreats its clients.
    struct Manners: Sendable {
        /// Every so many batches the connection is closed instead of acknowledging; 0 = never.
        var hangsUpEvery = 0
        /// Of 100 datagrams and acks so many are dropped.
        var dropsPercent: UInt64 = 0
        var seed: UInt64 = 1
        /// Refuses everything with this.
        var refusal: Refusal?
    }

    struct Key: Hashable {
        var device: String
        var epoch: UInt32
        var seq: UInt64
        var identity: UInt8
    }

    struct State {
        var vocabulary = Vocabulary()
        /// How often each event has come.
        var seen: [Key: Int] = [:]
        var lines: [String] = []
        var batches = 0
        var connections = 0
        var random: UInt64 = 1
        var biggestTable = 0
    }

    let manners: Manners
    let state = Mutex(State())
    let tcp: any Channel
    let udp: any Channel

    private init(manners: Manners, box: Box) async throws {
        self.manners = manners
        tcp = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(StubStream(box: box))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        udp = try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(StubSocket(box: box))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        state.withLock { $0.random = manners.seed }
        box.daemon.withLock { $0 = self }
    }

    /// Lets handlers find the daemon that is made after them.
    final class Box: Sendable {
        let daemon = Mutex<StubDaemon?>(nil)
    }

    static func start(_ manners: Manners = Manners()) async throws -> StubDaemon {
        try await StubDaemon(manners: manners, box: Box())
    }

    var port: Int { tcp.localAddress?.port ?? 0 }
    var udpPort: Int { udp.localAddress?.port ?? 0 }
    var connections: Int { state.withLock { $0.connections } }
    var biggestTable: Int { state.withLock { $0.biggestTable } }
    var lines: [String] { state.withLock { $0.lines } }
    var seenCounts: [Key: Int] { state.withLock { $0.seen } }

    func stop() async {
        try? await tcp.close()
        try? await udp.close()
    }

    /// A number below 100, from the seed.
    func dice() -> UInt64 {
        state.withLock { state in
            state.random = state.random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return (state.random >> 33) % 100
        }
    }

    func take(_ body: Span<UInt8>, _ table: inout StringTable, epoch: UInt32) throws(Refusal) -> BatchHeader {
        let result: Result<BatchHeader, Refusal> = take(Array(copying: body), &table, epoch: epoch)
        return try result.get()
    }

    private func take(_ body: [UInt8], _ table: inout StringTable, epoch: UInt32) -> Result<BatchHeader, Refusal> {
        var copy = table
        let result = state.withLock { state -> Result<BatchHeader, Refusal> in
            var batch = EventBatch()
            do throws(Refusal) {
                let header = try readBatch(
                    body.span, context: BatchContext(source: .none, arrival: Timestamp(rawValue: 0), epoch: epoch),
                    table: &copy, vocabulary: &state.vocabulary, into: &batch)
                state.batches += 1
                state.biggestTable = max(state.biggestTable, copy.count)
                for event in batch.events {
                    let product = state.vocabulary.text(.product, event.product)
                    let name =
                        String(decoding: product, as: UTF8.self) + "/"
                        + String(decoding: state.vocabulary.name(of: event.device), as: UTF8.self)
                    let key = Key(device: name, epoch: event.epoch, seq: event.seq, identity: event.identity.rawValue)
                    state.seen[key, default: 0] += 1
                }
                return .success(header)
            } catch {
                return .failure(error)
            }
        }
        table = copy
        return result
    }
}

/// One TCP connection of the stub, frames or lines.
private final class StubStream: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let box: StubDaemon.Box
    private var tail: [UInt8] = []
    private var table = StringTable()
    private var isNative = false
    private var epoch: UInt32 = 0
    private var lines: UInt64 = 0

    init(box: StubDaemon.Box) { self.box = box }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        tail += Array(unwrapInboundIn(data).readableBytesView)
        // Four bytes tell the languages apart; after that any length will do.
        let isTold = isNative || lines > 0 || tail.count >= streamMagic.count
        guard let daemon = box.daemon.withLock({ $0 }), isTold else { return }
        if tail.starts(with: streamMagic) {
            isNative = true
            tail.removeFirst(4)
            daemon.state.withLock { $0.connections += 1 }
        }
        var output: [UInt8] = []
        let goesOn = isNative ? takeFrames(daemon, &output) : takeLines(daemon, &output)
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: output)), promise: nil)
        if !goesOn { context.close(promise: nil) }
    }

    private func takeFrames(_ daemon: StubDaemon, _ output: inout [UInt8]) -> Bool {
        var at = 0
        let bytes = tail
        defer { tail.removeFirst(at) }
        do throws(Refusal) {
            while let frame = try readFrame(bytes.span, at: at) {
                at = frame.end
                let body = bytes.span.extracting(frame.body)
                if frame.type == .hello {
                    epoch = try Hello(decoding: body).epoch
                    writeFrame(.welcome, body: Welcome().encode().span, into: &output)
                }
                guard frame.type == .batch else { continue }
                if let refusal = daemon.manners.refusal { throw refusal }
                let header = try daemon.take(body, &table, epoch: epoch)
                let hangsUpEvery = daemon.manners.hangsUpEvery
                if hangsUpEvery > 0, daemon.state.withLock({ $0.batches % hangsUpEvery == 0 }) { return false }
                writeFrame(.ack, body: Ack(durable: header.lastSeq).encode().span, into: &output)
            }
        } catch {
            let reject = Reject(code: UInt32(error.rawValue), text: error.name.description)
            writeFrame(.error, body: reject.encode().span, into: &output)
            return false
        }
        return true
    }

    private func takeLines(_ daemon: StubDaemon, _ output: inout [UInt8]) -> Bool {
        var start = 0
        for index in tail.indices where tail[index] == 0x0a {
            let line = String(decoding: tail[start..<index], as: UTF8.self)
            daemon.state.withLock { $0.lines.append(line) }
            lines += 1
            if line.contains("bad") {
                output += Array("{\"error\":{\"line\":\(lines),\"code\":4005,\"reason\":\"malformed_json\"}}\n".utf8)
            }
            start = index + 1
        }
        tail.removeFirst(start)
        output += Array("{\"ack\":\(lines)}\n".utf8)
        return true
    }
}

/// The datagram socket of the stub; it loses as many datagrams and acks as it was told to.
private final class StubSocket: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    typealias OutboundOut = AddressedEnvelope<ByteBuffer>

    private let box: StubDaemon.Box

    init(box: StubDaemon.Box) { self.box = box }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = unwrapInboundIn(data)
        let bytes = Array(envelope.data.readableBytesView)
        guard let daemon = box.daemon.withLock({ $0 }), daemon.dice() >= daemon.manners.dropsPercent else { return }
        var table = StringTable()
        do throws(Refusal) {
            let header = try DatagramHeader.read(bytes.span)
            let body = bytes.span.extracting(DatagramHeader.body(count: bytes.count))
            _ = try daemon.take(body, &table, epoch: header.epoch)
            guard daemon.dice() >= daemon.manners.dropsPercent else { return }
            var answer: [UInt8] = []
            DatagramHeader(type: .ack, epoch: header.epoch, counter: header.counter)
                .write(body: Ack().encode().span, into: &answer)
            context.writeAndFlush(
                wrapOutboundOut(
                    AddressedEnvelope(remoteAddress: envelope.remoteAddress, data: ByteBuffer(bytes: answer))),
                promise: nil)
        } catch {
            daemon.state.withLock { $0.lines.append("refused \(error.name)") }
        }
    }
}
