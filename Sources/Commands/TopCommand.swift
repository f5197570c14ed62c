// tidings top: what the daemon is doing now, from one second to the next.

import ArgumentParser
import Bytes
import Daemon
import Events
import Foundation
import Ingest
import Log
import Presentation
import Projection

struct TopCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "top",
        abstract: "Watch the running daemon: rates, refusals, disk, memory, busiest products.",
        discussion: """
            Examples: tidings top
                      tidings top --once
                      tidings top --format json | jq .per_second.stored

            Keys: q quit, o overview, p products, r refusals, d devices, t tail. A daemon that is restarted is found
            again. Without --once, JSON and CSV are a line for each look. With --once the exit code is that of \
            `tidings status`.
            """)

    @Flag(help: "Look twice, an interval apart, print, and end.")
    var once = false

    @Option(help: "Seconds between two looks, 1 to 3600.")
    var interval = 1

    @Option(help: "How to print: table, json or csv.")
    var format: OutputFormat = .table

    @OptionGroup var data: DataOptions

    func validate() throws {
        guard (1...3_600).contains(interval) else { throw ValidationError("--interval must be from 1 to 3600") }
    }

    func run() async throws {
        let directory = try await data.directory()
        let daemon = WatchedDaemon(directory: directory)
        if once { return try await printOnce(daemon) }
        if format != .table { return try await printLines(daemon) }
        try await watch(daemon)
    }

    private func printOnce(_ daemon: WatchedDaemon) async throws {
        var model = TopModel()
        model.take(try await daemon.look())
        try await Task.sleep(for: .seconds(interval))
        let sample = try await daemon.look()
        model.take(sample)
        switch format {
        case .table: printOut(model.report(style: .now))
        case .csv: printOut(TopModel.csvHeader + model.figures(time: rfc3339(wallClock()), as: .csv))
        case .json: printOut(model.figures(time: rfc3339(wallClock()), as: .json))
        }
        guard sample.status.isHealthy else { throw ExitCode(FailureCode.checkFailed.rawValue) }
    }

    private func printLines(_ daemon: WatchedDaemon) async throws {
        var model = TopModel()
        // Whether there is a daemon at all is told at once; one that is restarted is waited for.
        model.take(try await daemon.look())
        if format == .csv { printOut(TopModel.csvHeader) }
        while true {
            try await Task.sleep(for: .seconds(interval))
            do { model.take(try await daemon.look()) } catch let failure as Failure {
                model.lose(failure.message, at: daemon.seconds)
                continue
            }
            printOut(model.figures(time: rfc3339(wallClock()), as: format))
        }
    }

    private func watch(_ daemon: WatchedDaemon) async throws {
        var model = TopModel()
        model.take(try await daemon.look())
        guard Terminal.isOutput, StandardStreams.beginKeys() else {
            throw Failure("top needs a terminal; without one: tidings top --once, or --format json", .usage)
        }
        // Another screen, without a cursor; the old one is there again afterwards.
        printOut("\u{1b}[?1049h\u{1b}[?25l")
        let leave: @Sendable () -> Void = {
            // Not by `printOut`, which lets nothing more out when the process is being ended.
            _ = StandardStreams.write(Array("\u{1b}[?25h\u{1b}[?1049l".utf8), to: STDOUT_FILENO)
            StandardStreams.endKeys()
        }
        defer { leave() }
        var due = daemon.seconds + Double(interval)
        let stands: @Sendable () -> String = { "stopped" }
        try await Interruption.guarding(stands: stands, cleanUp: leave) {
            while true {
                if model.view == .tail { model.tail = await daemon.tail(StandardStreams.rows(STDOUT_FILENO) ?? 24) }
                draw(model, daemon)
                var isDrawn = true
                while isDrawn {
                    // Waits for a key for a fifth of a second.
                    let keys = try StandardInput.read()
                    // The terminal is gone.
                    if keys?.isEmpty == true { return }
                    for key in keys ?? [] {
                        guard model.press(key) else { return }
                        isDrawn = false
                    }
                    guard daemon.seconds >= due else { continue }
                    due = daemon.seconds + Double(interval)
                    isDrawn = false
                    do { model.take(try await daemon.look()) } catch let failure as Failure {
                        model.lose(failure.message, at: daemon.seconds)
                    }
                }
            }
        }
    }

    private func draw(_ model: TopModel, _ daemon: WatchedDaemon) {
        let height = StandardStreams.rows(STDOUT_FILENO) ?? 24
        let lines = model.screen(height: height, now: daemon.seconds, style: .now)
        // Each line is ended where it ends, and what is below is emptied: nothing flickers.
        printOut("\u{1b}[H" + lines.map { $0 + "\u{1b}[K" }.joined(separator: "\r\n") + "\u{1b}[J")
    }
}

/// The daemon that `tidings top` looks at.
private struct WatchedDaemon {
    let directory: String
    private let began = ContinuousClock.now

    init(directory: String) { self.directory = directory }

    /// Since this was made.
    var seconds: Double {
        let passed = ContinuousClock.now - began
        return Double(passed.components.seconds) + Double(passed.components.attoseconds) / 1e18
    }

    /// - Throws: `Failure` when it does not answer.
    func look() async throws -> TopSample {
        let answer: Data
        do { answer = try await ControlClient.ask(.status, dataDirectory: directory) } catch let error as ControlError {
            throw Failure(error)
        }
        guard let status = try? JSONDecoder().decode(DaemonStatus.self, from: answer) else {
            throw Failure("the daemon at \(directory) is of another release; use its own program", .unreachable)
        }
        var sample = TopSample(seconds: seconds, status: status)
        (sample.memoryBytes, sample.processorSeconds) = process(status.pid)
        // Without summaries, as at the first start, there are no products yet.
        if let reader = try? SummaryReader(path: directory + "/" + Projector.fileName) {
            sample.products = ((try? reader.products()) ?? []).map {
                .init(name: $0.product, events: UInt64($0.kinds.total), devices: UInt64($0.devices))
            }
            if let counts = try? reader.openMessageCounts() {
                (sample.openMessages, sample.waitingDeliveries) = (counts.messages, counts.waiting)
            }
        }
        return sample
    }

    /// What the system says of a process (proc(5)).
    private func process(_ pid: Int32) -> (memory: UInt64?, processor: Double?) {
        func read(_ name: String) -> String? { try? String(contentsOfFile: "/proc/\(pid)/\(name)", encoding: .utf8) }
        let pages = read("statm")?.split(separator: " ").dropFirst().first.flatMap { UInt64($0) }
        // The name of the program stands in brackets, and may have any character in it.
        let fields = read("stat").flatMap { $0.split(separator: ")").last?.split(separator: " ") } ?? []
        let ticks = fields.count > 12 ? [fields[11], fields[12]].compactMap { Double($0) } : []
        return (
            pages.map { $0 * UInt64(sysconf(Int32(_SC_PAGESIZE))) },
            ticks.isEmpty ? nil : ticks.reduce(0, +) / Double(sysconf(Int32(_SC_CLK_TCK)))
        )
    }

    /// The last events of the log, a line each.
    func tail(_ count: Int) async -> [String] {
        guard let log = try? openLog(directory), let vocabulary = try? await log.vocabulary() else { return [] }
        var printer = EventPrinter(
            writer: EventWriter(format: .table, vocabulary: vocabulary, style: .now),
            choice: EventChoice(), quarantined: false, audit: false)
        guard let chosen = try? await printer.newest(count, log, await log.head, DamageLines()) else { return [] }
        for (event, batch, offset) in chosen { printer.writer.append(event, in: batch, at: offset) }
        var text = ""
        printer.writer.flush { text = String(decoding: $0, as: UTF8.self) }
        try? await log.close()
        return text.split(separator: "\n").map(String.init)
    }
}
