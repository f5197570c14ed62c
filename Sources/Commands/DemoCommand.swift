// tidings demo: a daemon with a fleet on it, and the answer, in one command.

import ArgumentParser
import Daemon
import Fleet
import Foundation
import Presentation
import Projection
import TidingsClient

struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "Run a daemon with a simulated fleet, then print what customers prefer, and what messages became.",
        discussion: """
            Example: tidings demo
                     tidings demo --seconds 20 --devices 500 --keep ./demo-data

            Some of the fleet are told, asked and set something meanwhile, and answer.
            Uses free ports and a fresh folder, which is removed at the end unless --keep names one.
            """)

    @Option(help: "How long the fleet sends.")
    var seconds = 3

    @Option(help: "How many devices the fleet has.")
    var devices = 300

    @Option(help: "Keep the data in this folder.")
    var keep: String?

    func validate() throws {
        guard (1...3_600).contains(seconds) else { throw ValidationError("--seconds must be from 1 to 3600") }
        guard (1...100_000).contains(devices) else { throw ValidationError("--devices must be from 1 to 100000") }
    }

    func run() async throws {
        let folder = keep ?? NSTemporaryDirectory() + "/tidings-demo-\(ProcessInfo.processInfo.processIdentifier)"
        defer { if keep == nil { try? FileManager.default.removeItem(atPath: folder) } }
        let configuration: DaemonConfiguration
        do {
            configuration = try await DaemonConfiguration.load(
                flags: [
                    "data_dir": folder, "listen.tcp.port": "0", "listen.udp.port": "0", "listen.http.port": "off",
                    "logging.level": "warning",
                ], environment: [:])
        } catch let error as ConfigurationError {
            throw Failure(error)
        }
        printError("a daemon on free ports, \(devices) simulated devices, \(seconds) s over UDP and TCP ...")
        let (ports, listening) = AsyncStream.makeStream(of: [String: Int].self)
        // Printed when the daemon has stopped and the folder is gone, for printing may end the process.
        var answer = ""
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await serve(configuration) { listening.yield($0) }
                listening.finish()
            }
            for await port in ports {
                let messages = DemoMessages(
                    folder: folder, port: port["tcp"] ?? 0, devices: devices, seconds: seconds)
                async let told: Void = messages.run()
                let (overTCP, overUDP) = try await sendAll(port["tcp"] ?? 0, port["udp"] ?? 0)
                do { try await told } catch let error as SendError { throw Failure(error.description, .unreachable) }
                printError("over TCP: \(line(overTCP))")
                printError("over UDP: \(line(overUDP))")
                _ = try? await ControlClient.ask(.checkpoint, dataDirectory: folder)
                answer = try self.answer(folder, configuration.smallGroups, messages)
                // The daemon stops as it does for an operator: by SIGTERM.
                kill(ProcessInfo.processInfo.processIdentifier, SIGTERM)
                break
            }
            try await group.waitForAll()
        }
        if keep == nil { try? FileManager.default.removeItem(atPath: folder) }
        printOut(answer)
        if keep != nil { printError("the data is in \(folder): try `tidings summary --data \(folder)`") }
    }

    private func sendAll(_ tcp: Int, _ udp: Int) async throws -> (SendTotals, SendTotals) {
        async let overTCP = send(.tcp, tcp, seed: 1, eventsPerSecond: 20_000)
        async let overUDP = send(.udp, udp, seed: 2, eventsPerSecond: 2_000)
        do { return try await (overTCP, overUDP) } catch let error as SendError {
            throw Failure(error.description, .unreachable)
        }
    }

    private func send(
        _ path: FleetOptions.Path, _ port: Int, seed: UInt64, eventsPerSecond: Int
    ) async throws -> SendTotals {
        var options = FleetOptions()
        (options.path, options.port, options.rate) = (path, port, Double(eventsPerSecond))
        var fleet = SimulatedFleet.Options()
        (fleet.devices, fleet.events, fleet.seed) = (devices, eventsPerSecond * seconds, seed)
        fleet.epoch = UInt32(seed)
        return try await FleetSender(options).run(SimulatedFleet(fleet))
    }

    private func line(_ totals: SendTotals) -> String {
        let rare = [("rejected", totals.rejected), ("quarantined", totals.quarantined), ("stale", totals.stale)]
        return rare.filter { $0.1 > 0 }.reduce(
            "sent \(totals.sent), acked \(totals.acked), retried \(totals.retried), lost \(totals.lost)"
        ) { "\($0), \($1.0) \($1.1)" }
    }

    private func answer(
        _ folder: String, _ smallGroups: SmallGroupRule, _ messages: DemoMessages
    ) throws -> String {
        do {
            let reader = try SummaryReader(path: folder + "/" + Projector.fileName)
            let products = try reader.products()
            let list = renderProducts(
                products, position: try reader.position(), smallGroups: smallGroups, as: .table, style: .now)
            guard let first = products.first, let summary = try reader.summary(product: first.product) else {
                return list + "\n" + (try messages.table())
            }
            return list + "\n" + renderSummary(summary, smallGroups: smallGroups, as: .table, style: .now) + "\n"
                + (try messages.table())
        } catch {
            throw Failure(error)
        }
    }
}
