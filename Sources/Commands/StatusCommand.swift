// tidings status: what the running daemon has counted.

import ArgumentParser
import Daemon
import Foundation
import Presentation

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show the running daemon's counts, positions and health.",
        discussion: """
            Example: tidings status --format json

            For each transport: received = committed + duplicate + stale + quarantined + refused + dropped + in flight.
            Exits 1 when the daemon is not healthy, 69 when none answers, 77 when this user may not ask it.
            """)

    @OptionGroup var data: DataOptions

    @Option(help: "How to print: table, json or csv.")
    var format: OutputFormat = .table

    func run() async throws {
        let directory = try await data.directory()
        let answer: Data
        do { answer = try await ControlClient.ask(.status, dataDirectory: directory) } catch let error as ControlError {
            throw Failure(error)
        }
        guard let status = try? JSONDecoder().decode(DaemonStatus.self, from: answer) else {
            throw Failure(
                "the daemon at \(directory) is of another release; restart it, or ask with its own program",
                .unreachable)
        }
        switch format {
        case .json: printOut(bytes: [UInt8](answer))
        case .csv: printOut(statusCSV(status))
        case .table: printOut(renderStatus(status, style: .now))
        }
        guard status.isHealthy else { throw ExitCode(FailureCode.checkFailed.rawValue) }
    }
}
