// tidings send: post events as a device or a gateway would, and wait until they are stored.

package import ArgumentParser
package import Fleet
import Foundation
package import Presentation
package import TidingsClient

/// Which transport and format.
enum SendPath: String, ExpressibleByArgument, CaseIterable { case tcp, udp }
enum SendFormat: String, ExpressibleByArgument, CaseIterable { case native, json }

package struct SendCommand: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "send",
        abstract: "Send events to a daemon, from NDJSON on standard input or as a simulated fleet.",
        discussion: """
            Examples: tidings send <events.ndjson
                      tidings send --devices 1000 --events 100000 --seed 7
                      tidings send --devices 200 --events 5000 --transport udp --rate 2000

            Everything is sent again until it is acknowledged, and an acknowledgement means stored. Standard input is \
            sent as it comes, one JSON object on each line; blank lines are nothing.

            On standard error, of each line that is not stored as a good event, its number in the input and why:
              line 2: malformed_json: …          refused: not stored, counted as rejected
              line 4: quarantined bad_aspect: …  stored, but kept out of the summaries
              line 9: stale: …                   not stored: its number is below what the daemon remembers
              line 1: the key timestamp is not known and is left out; …   the rest of it is stored
            The first 20 of these, then how many more there are. On standard output, the totals: \
            sent = acked + rejected + lost; quarantined and stale ones are among the acked.

            Exits 1 when events were rejected or lost, 69 when the daemon cannot be reached or refuses for good, \
            74 when the input cannot be read.
            """)

    @Option(help: "The daemon's address.")
    var host = "127.0.0.1"

    @Option(help: "The daemon's port.")
    var port = 7_411

    @Option(help: "With --transport udp: the daemon's TCP port, if it is another, for lines no datagram can carry.")
    var tcpPort: Int?

    @Option(help: "tcp or udp.")
    var transport: SendPath = .tcp

    @Flag(help: "Speak TLS: the daemon's listen.tcp.tls is on.")
    var tls = false

    @Option(help: "With --tls: the authorities that may have vouched for the daemon (PEM); by default the system's.")
    var ca: String?

    @Option(help: "With --tls: this sender's own certificate (PEM).")
    var cert: String?

    @Option(help: "With --tls: the key of --cert (PEM).")
    var key: String?

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

    @OptionGroup var credentials: CredentialOptions

    package init() {}

    package func validate() throws {
        if transport == .udp, credentials.tokenFile != nil {
            throw ValidationError(Self.tokenOverUDP)
        }
        guard (1...65_535).contains(port) else { throw ValidationError("--port must be from 1 to 65535") }
        guard (1...1_000).contains(batch) else { throw ValidationError("--batch must be from 1 to 1000") }
        guard (1...65_535).contains(tcpPort ?? 1) else { throw ValidationError("--tcp-port must be from 1 to 65535") }
        guard (1...Self.mostDevices).contains(devices ?? 1) else {
            throw ValidationError("--devices must be from 1 to \(Self.mostDevices)")
        }
        guard events >= 0 else { throw ValidationError("--events must not be negative") }
        guard (1...Self.mostConnections).contains(connections ?? 1) else {
            throw ValidationError("--connections must be from 1 to \(Self.mostConnections)")
        }
        guard (1...65_536).contains(window ?? 1) else { throw ValidationError("--window must be from 1 to 65536") }
        guard (rate ?? 1) > 0, (rate ?? 1) <= 1e9 else {
            throw ValidationError("--rate must be above 0, and at most 1e9")
        }
        guard tls || (ca ?? cert ?? key) == nil else { throw ValidationError("--ca, --cert and --key go with --tls") }
        guard (cert == nil) == (key == nil) else {
            throw ValidationError("--cert and --key belong together; give both or neither")
        }
        guard !(tls && transport == .udp) else {
            throw ValidationError("--tls is for TCP; there is no TLS over UDP")
        }
        guard !(transport == .udp && format == .json) else {
            throw ValidationError("json over udp cannot be acknowledged one by one; use --format native or tcp")
        }
    }

    private static let tokenOverUDP = "a token cannot sign datagrams; use the key of a device, or --transport tcp"
    private static let mostDevices = 10_000_000
    private static let mostConnections = 10_000

    package func run() async throws {
        let report = SendReport(areLinesNumbered: devices == nil)
        var options = options
        for (path, option) in [(ca, "--ca"), (cert, "--cert"), (key, "--key")] {
            if let path { try InputFile.check(path, of: option) }
        }
        do {
            if tls { options.stream.tls = try TidingsTLS(authorityFile: ca, certificateFile: cert, keyFile: key) }
        } catch {
            throw Failure("\(error)", .configuration)
        }
        if let credential = try credentials.credential() {
            guard transport == .tcp || credential.isKey else {
                throw Failure(Self.tokenOverUDP, .usage)
            }
            (options.stream.credential, options.datagram.credential) = (credential, credential)
            if transport == .udp, let epoch = try credentials.nextEpoch() { options.datagram.epoch = epoch }
        }
        let sender = FleetSender(options, observer: report.observer)
        defer { keepEpoch(of: sender, began: options.datagram.epoch) }
        do {
            let standing = { @Sendable in report.standing }
            try await Interruption.guarding(stands: standing) { try await send(sender) }
        } catch {
            report.finish(sender.totals)
            printOut(renderTotals(sender.totals, as: output))
            guard let error = error as? SendError else { throw error }
            throw Failure(error.description, .unreachable)
        }
        let totals = sender.totals
        report.finish(totals)
        printOut(renderTotals(totals, as: output))
        if transport == .udp, totals.lost > 0, totals.acked == 0 {
            printError(
                "tidings: no datagram was answered: nothing listens there, or the daemon requires a key that is good, "
                    + "and answers nobody without; try --credentials")
        }
        guard totals.rejected == 0, totals.lost == 0 else { throw ExitCode(FailureCode.checkFailed.rawValue) }
    }

    /// The daemon may have known a higher epoch than the one that was begun with.
    private func keepEpoch(of sender: FleetSender, began epoch: UInt32) {
        guard let highest = sender.epoch, highest > epoch, credentials.epochFile != nil else { return }
        do {
            try credentials.keep(epoch: highest)
        } catch {
            printError("tidings: \(error)")
        }
    }

    private func send(_ sender: FleetSender) async throws {
        if let devices {
            var fleet = SimulatedFleet.Options()
            (fleet.devices, fleet.events, fleet.seed, fleet.epoch) = (devices, events, seed, epoch)
            _ = try await sender.run(SimulatedFleet(fleet))
        } else {
            if isatty(STDIN_FILENO) == 1 {
                printError("tidings: reads JSON lines from the terminal until Ctrl-D; --devices N simulates a fleet")
            }
            _ = try await sender.runLines { try StandardInput.read() }
        }
    }

    /// How the fleet, or the lines, are sent.
    package var options: FleetOptions {
        var options = FleetOptions()
        options.host = host
        (options.port, options.linesPort) = (port, tcpPort)
        options.path = transport == .udp ? .udp : .tcp
        options.format = format == .json ? .json : .native
        options.batch = batch
        options.connections = connections ?? max(1, (devices ?? 1) / 1_000)
        options.rate = rate
        if let window { (options.stream.window, options.datagram.window) = (window, window) }
        return options
    }
}

/// The totals of what was sent; `sent = acked + rejected + lost`.
package func renderTotals(_ totals: SendTotals, as format: OutputFormat) -> String {
    renderCounts(
        [
            "sent": totals.sent, "acked": totals.acked, "retried": totals.retried, "rejected": totals.rejected,
            "quarantined": totals.quarantined, "stale": totals.stale, "lost": totals.lost,
        ], as: format)
}
