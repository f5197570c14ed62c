// Sends what a whole fleet has to say over a few connections: behind `tidings send` and `tidings demo`.

import Events
import Wire

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

/// Drives one or more connections from one source of events. Used by one task.
package final class FleetSender {
    private let options: FleetOptions
    private let progress: @Sendable (SendTotals) -> Void
    private var streams: [StreamSender] = []
    private var datagrams: DatagramSender?
    private var fills: [EventBatch] = []
    private var vocabulary = Vocabulary()
    private let clock = ContinuousClock()

    /// - Parameter progress: told the totals so far, about once every `progressInterval`.
    package init(_ options: FleetOptions, progress: @escaping @Sendable (SendTotals) -> Void = { _ in }) {
        self.options = options
        self.progress = progress
    }

    /// The totals so far.
    package var totals: SendTotals {
        streams.reduce(datagrams?.totals ?? SendTotals()) { $0 + $1.totals }
    }

    /// Sends everything that the source gives and waits until all of it has a verdict.
    ///
    /// - Throws: `SendError`, and what the source throws.
    package func run(_ source: some EventSource) async throws -> SendTotals {
        var source = source
        try await open()
        var chunk = EventBatch(capacity: 4_096)
        let start = clock.now
        var told = start
        var made = 0
        var goesOn = true
        while goesOn, !Task.isCancelled {
            chunk.removeAll()
            let limit = chunkLimit()
            goesOn = try source.next(into: &chunk, vocabulary: &vocabulary, limit: limit)
            _ = vocabulary.takeFresh()
            made += chunk.count
            // A source that gave less than asked for is waiting itself: what it gave must not wait too.
            try await distribute(chunk, isUrgent: chunk.count < limit || options.rate != nil)
            if let rate = options.rate {
                try? await Task.sleep(until: start + .seconds(Double(made) / rate), clock: clock)
            }
            if clock.now - told >= options.progressInterval {
                told = clock.now
                progress(totals)
            }
        }
        try await finish()
        return totals
    }

    /// Sends JSON lines as they are, over one TCP connection.
    ///
    /// - Parameter read: the next bytes, empty at the end; may block.
    package func runLines(_ read: () throws -> [UInt8]) async throws -> SendTotals {
        var stream = options.stream
        stream.isNative = false
        let sender = StreamSender(host: options.host, port: options.port, options: stream)
        streams = [sender]
        var splitter = LineSplitter()
        var told = clock.now
        var isEnd = false
        while !isEnd, !Task.isCancelled {
            let bytes = try read()
            isEnd = bytes.isEmpty
            if isEnd { splitter.finish() } else { splitter.append(bytes) }
            while let (lines, count) = splitter.next(limit: options.batch) {
                try await sender.sendLines(lines, count: count)
            }
            if clock.now - told >= options.progressInterval {
                told = clock.now
                progress(totals)
            }
        }
        try await finish()
        return totals
    }

    private func open() async throws {
        guard options.path == .tcp else {
            guard options.format == .native else {
                throw SendError(
                    description:
                        "json over udp cannot be acknowledged one by one; use --format native or --transport tcp")
            }
            datagrams = try await DatagramSender(host: options.host, port: options.port, options: options.datagram)
            return
        }
        var stream = options.stream
        stream.isNative = options.format == .native
        for _ in 0..<max(options.connections, 1) {
            stream.epoch = UInt32.random(in: 1...UInt32.max)
            streams.append(StreamSender(host: options.host, port: options.port, options: stream))
            fills.append(EventBatch(capacity: options.batch))
        }
    }

    private func chunkLimit() -> Int {
        guard let rate = options.rate else { return 4_096 }
        let chunksPerSecond = 50.0
        return min(4_096, max(1, Int(rate / chunksPerSecond)))
    }

    private func distribute(_ chunk: EventBatch, isUrgent: Bool) async throws {
        if let datagrams {
            try await datagrams.send(chunk, vocabulary)
            return
        }
        let batch = min(max(options.batch, 1), Limits.batchEvents)
        for event in chunk.events {
            let lane = streams.count == 1 ? 0 : Int(event.device.rawValue) % streams.count
            var event = event
            if event.textLength > 0 {
                let text = chunk.text(of: event)
                event.textStart = UInt32(fills[lane].text.count)
                fills[lane].text.append(contentsOf: text)
            }
            fills[lane].events.append(event)
            if fills[lane].count >= batch { try await flush(lane) }
        }
        if isUrgent {
            for lane in fills.indices { try await flush(lane) }
        }
    }

    private func flush(_ lane: Int) async throws {
        guard !fills[lane].isEmpty else { return }
        let full = fills[lane]
        fills[lane] = EventBatch(capacity: options.batch)
        try await streams[lane].send(full, vocabulary)
    }

    private func finish() async throws {
        for lane in fills.indices { try await flush(lane) }
        for stream in streams { try await stream.flush(vocabulary) }
        await datagrams?.flush()
        for stream in streams { await stream.close() }
        await datagrams?.close()
    }
}
