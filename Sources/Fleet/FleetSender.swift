// Sends what a whole fleet has to say over a few connections: behind `tidings send` and `tidings demo`.

package import Events
import Synchronization
package import TidingsClient

/// How a fleet is sent.
package struct FleetOptions: Sendable {
    package enum Path: Sendable, Hashable {
        case tcp
        case udp
    }

    package enum Format: Sendable, Hashable {
        case native
        /// JSON lines; over TCP only, because an ack for a JSON datagram does not say which one it answers.
        case json
    }

    package var host = "127.0.0.1"
    package var port = 7_411
    /// Where lines go over TCP that datagrams cannot carry; nil = to `port`.
    package var linesPort: Int?
    package var path = Path.tcp
    package var format = Format.native
    /// Events in one batch.
    package var batch = 256
    /// TCP connections; devices are spread over them. Each has a string table of its own, so that a fleet of many
    /// devices wants many: about one for 1,500 devices.
    package var connections = 1
    /// Events a second; nil = as fast as they are acknowledged.
    package var rate: Double?
    package var stream = StreamOptions()
    package var datagram = DatagramOptions()
    /// How often progress is told, while there is something to send.
    package var progressInterval = Duration.seconds(1)

    package init() {}
}

/// Who listens to a sender. Each is called on whatever thread has something to say.
package struct FleetObserver: Sendable {
    /// The totals so far, about once every `FleetOptions.progressInterval`.
    package var progress: @Sendable (SendTotals) -> Void = { _ in }
    /// What was said of one event or line; of a simulated fleet's events which one is not known.
    package var verdict: @Sendable (SendVerdict) -> Void = { _ in }
    /// A remark on the input as a whole.
    package var hint: @Sendable (String) -> Void = { _ in }
    /// This machine's clock, for what is said of the times of events.
    package var clock: (@Sendable () -> Timestamp)?

    package init() {}
}

/// Drives one or more connections from one source of events, or from lines of input. Used by one task.
package final class FleetSender {
    /// Events on their way into a batch of one connection.
    struct PendingBatch {
        var batch = EventBatch()
        /// Their lines; empty when they do not come from lines.
        var lines: [EventOrigin] = []
    }

    let options: FleetOptions
    let observer: FleetObserver
    let verdicts: VerdictQueue
    var streams: [StreamSender] = []
    var datagrams: DatagramSender?
    var pending: [PendingBatch] = []
    var vocabulary = Vocabulary()
    var lines = LineState()
    private let clock = ContinuousClock()
    private var lastProgress: ContinuousClock.Instant
    private var start: ContinuousClock.Instant
    private var made = 0

    package init(_ options: FleetOptions, observer: FleetObserver = FleetObserver()) {
        self.options = options
        self.observer = observer
        let (tell, keys) = (observer.verdict, ReportedKeys())
        verdicts = VerdictQueue(clock: observer.clock) { verdict in
            if verdict.outcome != .note || keys.isNew(verdict.reason) { tell(verdict) }
        }
        start = clock.now
        lastProgress = start
    }

    /// The totals so far.
    package var totals: SendTotals {
        let asLines = lines.sender?.totals ?? SendTotals()
        return streams.reduce(lines.local + asLines + (datagrams?.totals ?? SendTotals())) { $0 + $1.totals }
    }

    /// Over UDP: the highest epoch in use.
    package var epoch: UInt32? { datagrams?.epoch }

    /// Sends everything that the source gives and waits until all of it has a verdict.
    ///
    /// - Throws: `SendError`, and what the source throws; what then has no verdict is counted as lost.
    package func run(_ source: some EventSource) async throws -> SendTotals {
        var source = source
        return try await sending {
            var chunk = EventBatch(capacity: 4_096)
            var goesOn = true
            while goesOn, !Task.isCancelled {
                chunk.removeAll()
                let limit = chunkLimit
                goesOn = try source.next(into: &chunk, vocabulary: &vocabulary, limit: limit)
                _ = vocabulary.takeDefinitions()
                // A source that gave less than asked for is waiting itself: what it gave must not wait too.
                try await distribute(chunk, isUrgent: chunk.count < limit || options.rate != nil)
                await rest(after: chunk.count)
            }
        }
    }

    /// Opens what is needed, does the work, and waits until everything has a verdict.
    func sending(_ work: () async throws -> Void) async throws -> SendTotals {
        do {
            try await open()
            start = clock.now
            lastProgress = start
            try await work()
            try await finish()
        } catch {
            for stream in streams { stream.abandon() }
            lines.sender?.abandon()
            datagrams?.abandon()
            throw error
        }
        return totals
    }

    private func open() async throws {
        guard options.path == .tcp else {
            guard options.format == .native else {
                throw SendError(
                    description:
                        "json over udp cannot be acknowledged one by one; use --format native or --transport tcp")
            }
            datagrams = try await DatagramSender(
                host: options.host, port: options.port, options: options.datagram, verdicts: verdicts)
            pending = [PendingBatch()]
            return
        }
        var stream = options.stream
        stream.isNative = options.format == .native
        for _ in 0..<max(options.connections, 1) {
            stream.epoch = UInt32.random(in: 1...UInt32.max)
            streams.append(StreamSender(host: options.host, port: options.port, options: stream, verdicts: verdicts))
            pending.append(PendingBatch(batch: EventBatch(capacity: options.batch)))
        }
    }

    /// How many events are made before the next pause.
    var chunkLimit: Int {
        guard let rate = options.rate else { return 4_096 }
        let chunksPerSecond = 50.0
        return Int(min(4_096, max(1, rate / chunksPerSecond)))
    }

    /// Keeps to the rate, and tells how it goes.
    func rest(after count: Int) async {
        made += count
        if let rate = options.rate {
            try? await Task.sleep(until: start + .seconds(Double(made) / rate), clock: clock)
        }
        if clock.now - lastProgress >= options.progressInterval {
            lastProgress = clock.now
            observer.progress(totals)
        }
    }

    private func distribute(_ chunk: EventBatch, isUrgent: Bool) async throws {
        if let datagrams {
            try await datagrams.send(chunk, vocabulary)
            return
        }
        let batch = min(max(options.batch, 1), Limits.batchEvents)
        for event in chunk.events {
            let index = connectionIndex(of: event.device)
            add(event, of: chunk, to: index)
            if pending[index].batch.count >= batch { try await flush(index) }
        }
        if isUrgent { try await flushAll() }
    }

    func connectionIndex(of device: DeviceID) -> Int { streams.count < 2 ? 0 : Int(device.rawValue) % streams.count }

    /// Copies an event into the batch that goes next over a connection.
    func add(_ event: Event, of chunk: EventBatch, to index: Int) {
        pending[index].batch.append(event, of: chunk)
    }

    func flushAll() async throws {
        for index in pending.indices { try await flush(index) }
    }

    /// Sends what is on its way to one connection.
    ///
    /// - Returns: the number of the last event in that connection's count; 0 over UDP, or when there is none.
    @discardableResult func flush(_ index: Int) async throws -> UInt64 {
        guard !pending[index].batch.isEmpty else { return 0 }
        let full = pending[index]
        pending[index] = PendingBatch(batch: EventBatch(capacity: options.batch))
        if let datagrams {
            try await datagrams.send(full.batch, vocabulary, origins: full.lines)
            return 0
        }
        return try await streams[index].send(full.batch, vocabulary, origins: full.lines)
    }

    private func finish() async throws {
        try await flushAll()
        try await flushLines()
        for stream in streams { try await stream.flush(vocabulary) }
        await datagrams?.flush()
        for stream in streams { await stream.close() }
        await lines.sender?.close()
        await datagrams?.close()
    }
}

/// Keys that nobody knows, each told once, however many connections tell of it.
private final class ReportedKeys: Sendable {
    /// More keys than that are not told.
    private static let limit = 16
    private let keys = Mutex<Set<String>>([])

    func isNew(_ key: String) -> Bool {
        keys.withLock { $0.count < Self.limit && $0.insert(key).inserted }
    }
}
