// tidings send: post events as a device or a gateway would, and wait until they are stored.

import ArgumentParser
import Foundation
import Presentation
import TidingsClient

/// Which transport and format; shared by `send` and `demo`.
enum SendPath: String, ExpressibleByArgument, CaseIterable { case tcp, udp }
enum SendFormat: String, ExpressibleByArgument, CaseIterable { case native, json }

struct Send: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "send",
        abstract: "Send events to a daemon, from NDJSON on standard input or as a simulated fleet.",
        discussion: """
            Examples: tidings send <events.ndjson
                      tidings send --devices 1000 --events 100000 --seed 7
                      tidings send --devices 200 --events 5000 --transport udp --rate 2000

            Everything is sent again until it is acknowledged, and an acknowledgement means stored. Exits 1 when \
            events were refused or lost.
            """)

    @Option(help: "The daemon's address.")
    var host = "127.0.0.1"

    @Option(help: "The daemon's port.")
    var port = 7_411

    @Option(help: "tcp or udp.")
    var transport: SendPath = .tcp

    @Option(help: "native or json (JSON lines; over TCP only).")
    var format: SendFormat = .native

    @Option(help: "Simulate this many devices instead of reading standard input.")
    var devices: Int?

    @Option(help: "How many events the simulated fleet sends.")
    var events = 10_000

    @Option(help: "The simulated fleet's seed: the same seed gives the same events.")
    var seed: UInt64 = 1

    @Option(help: "The simulated devices' reset counter; another one makes other events.")
    var epoch: UInt32 = 1

    @Option(help: "Events a second; as fast as they are acknowledged without it.")
    var rate: Double?

    @Option(help: "Events in one batch over TCP, up to 1000.")
    var batch = 256

    @Option(help: "TCP connections; by default one for each 1,000 devices.")
    var connections: Int?

    @Option(help: "Events (TCP) or datagrams (UDP) on their way at once; more are faster and lose more.")
    var window: Int?

    @Option(help: "How to print the totals: table, json or csv.")
    var output: OutputFormat = .table

    func validate() throws {
        guard (1...65_535).contains(port) else { throw ValidationError("--port must be from 1 to 65535") }
        guard (1...1_000).contains(batch) else { throw ValidationError("--batch must be from 1 to 1000") }
        guard (devices ?? 1) > 0, events >= 0 else { throw ValidationError("--devices and --events must be positive") }
        guard (1...65_536).contains(window ?? 1) else { throw ValidationError("--window must be from 1 to 65536") }
        guard (rate ?? 1) > 0 else { throw ValidationError("--rate must be positive") }
        guard !(transport == .udp && format == .json) else {
            throw ValidationError("json over udp cannot be acknowledged one by one; use --format native or tcp")
        }
    }

    func run() async throws {
        let totals: SendTotals
        do {
            totals = try await send()
        } catch let error as SendError {
            throw Failure(error.description, .unreachable)
        }
        printOut(describe(totals))
        guard totals.rejected == 0, totals.lost == 0 else { throw ExitCode(ExitStatus.checkFailed.rawValue) }
    }

    private func send() async throws -> SendTotals {
        let sender = FleetSender(options) { totals in
            guard Terminal.showsProgress else { return }
            try? FileHandle.standardError.write(
                contentsOf: Data("\rsent \(totals.sent)  acked \(totals.acked)  retried \(totals.retried) ".utf8))
        }
        defer { if Terminal.showsProgress { printError("") } }
        if let devices {
            var fleet = SimulatedFleet.Options()
            (fleet.devices, fleet.events, fleet.seed, fleet.epoch) = (devices, events, seed, epoch)
            return try await sender.run(SimulatedFleet(fleet))
        }
        let read = { () throws -> [UInt8] in
            try FileHandle.standardInput.read(upToCount: 1 << 16).map { [UInt8]($0) } ?? []
        }
        if format == .json { return try await sender.runLines(read) }
        return try await sender.run(LineSource(read))
    }

    private var options: FleetOptions {
        var options = FleetOptions()
        options.host = host
        options.port = port
        options.path = transport == .udp ? .udp : .tcp
        options.format = format == .json ? .json : .native
        options.batch = batch
        options.connections = connections ?? max(1, (devices ?? 1) / 1_000)
        options.rate = rate
        if let window { (options.stream.window, options.datagram.window) = (window, window) }
        return options
    }

    private func describe(_ totals: SendTotals) -> String {
        let rows: [(String, UInt64)] = [
            ("sent", totals.sent), ("acked", totals.acked), ("retried", totals.retried),
            ("rejected", totals.rejected), ("quarantined", totals.quarantined), ("lost", totals.lost),
        ]
        switch output {
        case .table: return rows.map { "\($0.0) \($0.1)" }.joined(separator: ", ") + "\n"
        case .json: return "{" + rows.map { "\"\($0.0)\":\($0.1)" }.joined(separator: ",") + "}\n"
        case .csv:
            return rows.map(\.0).joined(separator: ",") + "\n" + rows.map { "\($0.1)" }.joined(separator: ",") + "\n"
        }
    }
}
