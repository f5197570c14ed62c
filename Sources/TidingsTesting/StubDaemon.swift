// A daemon of a few lines: reads with Wire, remembers what it has seen, and can be rude.

import Bytes
package import Events
import NIOCore
import NIOPosix
import Synchronization
import Wire

/// What a stub daemon has stored, and how it behaves.
package final class StubDaemon: Sendable {
    /// How it mistreats its clients.
    package struct Manners: Sendable {
        /// Every so many batches the connection is closed instead of acknowledging; 0 = never.
        package var hangsUpEvery = 0
        /// Of 100 datagrams and acks so many are dropped.
        package var dropsPercent: UInt64 = 0
        package var seed: UInt64 = 1
        /// Refuses everything with this.
        package var refusal: Refusal?
        /// Closes every connection as soon as something comes.
        package var hangsUpAtOnce = false
        /// Answers lines, but closes the connection before the ack, so many times.
        package var forgetsAcks = 0
        /// Counts no verdicts in its acks, as older daemons do.
        package var isOld = false

        package init() {}
    }

    /// What the name of a device, or a word in a line, brings about.
    package enum Word {
        /// Quarantined, stale, refused for good with the connection, refused for now.
        package static let apart = "apart", old = "old", final = "final", later = "later"
        /// Refused, and known by a key that nobody knows.
        package static let bad = "bad", odd = "odd"
    }

    package struct Key: Hashable {
        package var device: String
        package var epoch: UInt32
        package var seq: UInt64
        package var identity: UInt8
    }

    struct State {
        var vocabulary = Vocabulary()
        /// How often each event has come.
        var seen: [Key: Int] = [:]
        var events: [Event] = []
        /// Native events as an export has them.
        var exported: [String] = []
        var lines: [String] = []
        var batches = 0
        var connections = 0
        /// Connections in whatever format.
        var accepted = 0
        var laterLines: Set<String> = []
        var forgotten = 0
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

    package static func start(_ manners: Manners = Manners()) async throws -> StubDaemon {
        try await StubDaemon(manners: manners, box: Box())
    }

    package var port: Int { tcp.localAddress?.port ?? 0 }
    package var udpPort: Int { udp.localAddress?.port ?? 0 }
    package var connections: Int { state.withLock { $0.connections } }
    package var biggestTable: Int { state.withLock { $0.biggestTable } }
    package var exported: [String] { state.withLock { $0.exported } }
    package var accepted: Int { state.withLock { $0.accepted } }
    package var lines: [String] { state.withLock { $0.lines } }
    package var events: [Event] { state.withLock { $0.events } }
    package var seenCounts: [Key: Int] { state.withLock { $0.seen } }

    package func stop() async {
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

    func take(_ body: Span<UInt8>, _ table: inout StringTable, epoch: UInt32) throws(Refusal) -> (BatchHeader, Ack) {
        let result = take(Array(copying: body), &table, epoch: epoch)
        return try result.get()
    }

    private func take(
        _ body: [UInt8], _ table: inout StringTable, epoch: UInt32
    ) -> Result<(BatchHeader, Ack), Refusal> {
        var copy = table
        let result = state.withLock { state -> Result<(BatchHeader, Ack), Refusal> in
            var batch = EventBatch()
            do throws(Refusal) {
                let context = BatchContext(
                    source: .none, arrival: Timestamp(rawValue: 0), epoch: epoch, keepsUnknown: true)
                let header = try readBatch(
                    body.span, context: context, table: &copy, vocabulary: &state.vocabulary, into: &batch)
                var ack = Ack(durable: header.lastSeq)
                for (index, event) in batch.events.enumerated() {
                    try judge(event, header.firstSeq + UInt64(index), &ack, state.vocabulary)
                }
                state.batches += 1
                state.biggestTable = max(state.biggestTable, copy.count)
                for event in batch.events {
                    note(event, &state)
                    var line: [UInt8] = []
                    writeEventLine(event, in: batch, offset: nil, vocabulary: state.vocabulary, into: &line)
                    state.exported.append(String(decoding: line, as: UTF8.self))
                }
                if manners.isOld { (ack.quarantined, ack.stale) = (0, 0) }
                return .success((header, ack))
            } catch {
                return .failure(error)
            }
        }
        table = copy
        return result
    }

    private func judge(
        _ event: Event, _ number: UInt64, _ ack: inout Ack, _ vocabulary: Vocabulary
    ) throws(Refusal) {
        switch String(decoding: vocabulary.name(of: event.device), as: UTF8.self) {
        case Word.final: throw .malformedBody
        case Word.apart:
            ack.quarantined += 1
            ack.rejects.append(Reject(seq: event.seq, code: 4_226, text: "beyond its scale", number: number))
        case Word.old:
            ack.stale += 1
            ack.rejects.append(Reject(seq: event.seq, code: 4_240, text: "too far below", number: number))
        default: break
        }
    }

    private func note(_ event: Event, _ state: inout State) {
        let product = state.vocabulary.text(.product, event.product)
        let name =
            String(decoding: product, as: UTF8.self) + "/"
            + String(decoding: state.vocabulary.name(of: event.device), as: UTF8.self)
        let key = Key(device: name, epoch: event.epoch, seq: event.seq, identity: event.identity.rawValue)
        state.seen[key, default: 0] += 1
        state.events.append(event)
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
    /// The last number that was taken.
    private var through: UInt64?

    init(box: StubDaemon.Box) { self.box = box }

    func channelActive(context: ChannelHandlerContext) {
        box.daemon.withLock { $0 }?.state.withLock { $0.accepted += 1 }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        tail += Array(unwrapInboundIn(data).readableBytesView)
        // Four bytes tell the languages apart; after that any length will do.
        let isTold = isNative || lines > 0 || tail.count >= streamMagic.count
        guard let daemon = box.daemon.withLock({ $0 }), isTold else { return }
        if daemon.manners.hangsUpAtOnce { return context.close(promise: nil) }
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
                let (header, ack) = try daemon.take(body, &table, epoch: epoch)
                let hangsUpEvery = daemon.manners.hangsUpEvery
                if hangsUpEvery > 0, daemon.state.withLock({ $0.batches % hangsUpEvery == 0 }) { return false }
                through = header.lastSeq
                writeFrame(.ack, body: ack.encode().span, into: &output)
            }
        } catch {
            let seq = through.map { $0 + 1 } ?? 0
            let reject = Reject(seq: seq, code: UInt32(error.rawValue), text: error.name.description)
            writeFrame(.error, body: reject.encode().span, into: &output)
            return false
        }
        return true
    }

    private func takeLines(_ daemon: StubDaemon, _ output: inout [UInt8]) -> Bool {
        var start = 0
        var isOver = false
        if let refusal = daemon.manners.refusal {
            let fields = "\"code\":\(refusal.rawValue),\"reason\":\"\(refusal.name)\",\"text\":\"because\""
            output += Array("{\"error\":{\(fields)}}\n".utf8)
            return false
        }
        for index in tail.indices where tail[index] == UInt8(ascii: "\n") && !isOver {
            let line = String(decoding: tail[start..<index], as: UTF8.self)
            daemon.state.withLock { $0.lines.append(line) }
            lines += 1
            start = index + 1
            isOver = answer(line, daemon, &output)
        }
        tail.removeFirst(start)
        let forgets = daemon.state.withLock { state in
            state.forgotten += 1
            return state.forgotten <= daemon.manners.forgetsAcks
        }
        if forgets { return false }
        output += Array("{\"ack\":\(lines)}\n".utf8)
        return !isOver
    }

    /// - Returns: whether the connection is over with this line.
    private func answer(_ line: String, _ daemon: StubDaemon, _ output: inout [UInt8]) -> Bool {
        typealias Word = StubDaemon.Word
        func say(_ kind: String, _ code: Int, _ reason: String) {
            let fields = "\"line\":\(lines),\"code\":\(code),\"reason\":\"\(reason)\",\"text\":\"so \\\"it\\\" is\""
            output += Array("{\"\(kind)\":{\(fields)}}\n".utf8)
        }
        if line.contains(Word.bad) { say("error", 4_005, "malformed_json") }
        if line.contains(Word.apart) { say("quarantined", 4_222, "bad_aspect") }
        if line.contains(Word.old) {
            output += Array("{\"stale\":{\"line\":\(lines),\"code\":4240,\"text\":\"too far below\"}}\n".utf8)
        }
        if line.contains(Word.odd) {
            output += Array("{\"note\":{\"line\":\(lines),\"key\":\"odd\",\"text\":\"nobody knows it\"}}\n".utf8)
        }
        let isFirst = daemon.state.withLock { $0.laterLines.insert(line).inserted }
        if line.contains(Word.later), isFirst { say("error", 4_292, "too_many_new_names") }
        if line.contains(Word.final) { say("error", 4_130, "too_big") }
        return line.contains(Word.final)
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
        guard let header = try? DatagramHeader.read(bytes.span) else { return }
        var answer: [UInt8] = []
        do throws(Refusal) {
            let body = bytes.span.extracting(DatagramHeader.body(count: bytes.count))
            var (_, ack) = try daemon.take(body, &table, epoch: header.epoch)
            // What is durable of the device is not kept here: each datagram is answered for itself.
            ack.durable = 0
            guard daemon.dice() >= daemon.manners.dropsPercent else { return }
            DatagramHeader(type: .ack, epoch: header.epoch, counter: header.counter)
                .write(body: ack.encode().span, into: &answer)
        } catch {
            let reject = Reject(code: UInt32(error.rawValue), text: error.name.description)
            DatagramHeader(type: .error, epoch: header.epoch, counter: header.counter)
                .write(body: reject.encode().span, into: &answer)
        }
        context.writeAndFlush(
            wrapOutboundOut(
                AddressedEnvelope(remoteAddress: envelope.remoteAddress, data: ByteBuffer(bytes: answer))),
            promise: nil)
    }
}
