// tidings forget: names go, and what is left in the log leads to nobody.

import Access
import Admission
import ArgumentParser
import Daemon
import Events
import Foundation
import Log
import Presentation
import Projection

struct ForgetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forget",
        abstract: "Forget a customer or a device: the name is deleted, and a signed receipt is printed.",
        discussion: """
            Examples: tidings forget household-17
                      tidings forget --device kettle/k-1 --dry-run
                      tidings forget --from leavers.txt --format json >receipts.ndjson
                      tidings forget --requested
                      tidings forget household-17 --text-match

            A running daemon does it; without one the data folder is opened. The receipt (--format json) says what was \
            done, what is left as counts, and until when copies may know more; docs/privacy.md says how to verify it. \
            Keep the line for the erasure list where the log's copies are not. --text-match changes nothing: it lists \
            what others have said that mentions the name, for somebody to look at. Exits 65 when somebody named is not \
            known, 74 when something is left to be done.
            """)

    @Argument(help: "The customers, as devices name them.")
    var customers: [String] = []

    @Option(name: .customLong("device"), help: "A device, as PRODUCT/NAME; may be given several times.")
    var devices: [String] = []

    @Option(name: .customLong("from"), help: "A file of customers, one a line.")
    var file: String?

    @Flag(name: .customLong("requested"), help: "Those who have asked for it on a device that is known to be theirs.")
    var isRequested = false

    @Flag(name: .customLong("dry-run"), help: "Only say what would be done.")
    var isDryRun = false

    @Flag(name: .customLong("text-match"), help: "Only list the texts of others that mention the customer.")
    var isTextMatch = false

    @Option(help: "How to print: table, json or csv.")
    var format: OutputFormat = .table

    @OptionGroup var data: DataOptions

    func validate() throws {
        guard isRequested || file != nil || !customers.isEmpty || !devices.isEmpty else {
            throw ValidationError("name a customer, or --device PRODUCT/NAME, --from FILE or --requested")
        }
        guard !isTextMatch || devices.isEmpty && !isDryRun else {
            throw ValidationError("--text-match goes with customers alone, and without --dry-run")
        }
    }

    func run() async throws {
        let configuration = try await data.load()
        for warning in configuration.warnings { printError("tidings: \(warning)") }
        var names = try customers.map { try customer($0) } + devices.map { try device($0) }
        if let file { names += try read(file) }
        if isRequested { names += try await requested(configuration.dataDirectory) }
        guard !names.isEmpty else {
            printError("tidings: nobody is to be forgotten")
            return
        }
        guard !isTextMatch else {
            return try await printTextMatches(names.map(\.name), in: configuration.dataDirectory, as: format)
        }
        var isEverybodyKnown = true
        var isDone = true
        for part in parts(of: names) {
            let report = try await forget(ForgetRequest(part, isDryRun: isDryRun), configuration)
            printOut(renderForgotten(report, of: part, as: format))
            for warning in report.warnings { printError("tidings: \(warning)") }
            isDone = isDone && report.warnings.isEmpty
            isEverybodyKnown = isEverybodyKnown && !report.names.contains { $0.outcome == .unknown }
        }
        if !isDone { throw ExitCode(FailureCode.inputOutput.rawValue) }
        guard isEverybodyKnown else {
            if format != .table {
                printError("tidings: nobody of a name that was given is known; nothing was done for it")
            }
            throw ExitCode(FailureCode.data.rawValue)
        }
    }

    // MARK: Whom

    private func customer(_ name: String) throws -> ForgetRequest.Name {
        guard !name.isEmpty, name.utf8.count <= Limits.customerBytes else {
            throw Failure("the name of a customer has 1 to \(Limits.customerBytes) bytes", .usage)
        }
        return ForgetRequest.Name(customer: name)
    }

    private func device(_ source: String) throws -> ForgetRequest.Name {
        do throws(AccessError) {
            guard case .device(let product, let name) = try Scope(source: source) else {
                throw .refused("\(source) is no device; write PRODUCT/NAME")
            }
            return ForgetRequest.Name(
                device: String(decoding: name, as: UTF8.self), product: String(decoding: product, as: UTF8.self))
        } catch {
            throw Failure(error)
        }
    }

    private func read(_ file: String) throws -> [ForgetRequest.Name] {
        guard let content = FileManager.default.contents(atPath: file) else {
            throw Failure("the file of names \(file) cannot be read", .inputOutput)
        }
        return try String(decoding: content, as: UTF8.self).split(whereSeparator: \.isNewline)
            .map { try customer(String($0)) }
    }

    /// Those who asked, without those of whom it is not known that the device was theirs.
    private func requested(_ directory: String) async throws -> [ForgetRequest.Name] {
        var names: [ForgetRequest.Name] = []
        for request in try await openRequests(in: directory) where request.kind == .erasureRequested {
            if request.isKnownDevice {
                names.append(ForgetRequest.Name(customer: request.customer))
            } else {
                printError(
                    "tidings: \(visible(request.customer)) asks on \(visible(request.source)), which was not heard "
                        + "with this customer before; if it is right, `tidings forget` with the name")
            }
        }
        return names
    }

    /// As many at once as fit into a request.
    private func parts(of names: [ForgetRequest.Name]) -> [[ForgetRequest.Name]] {
        stride(from: 0, to: names.count, by: 1_000).map { Array(names[$0..<min(names.count, $0 + 1_000)]) }
    }

    // MARK: By whom

    private func forget(_ request: ForgetRequest, _ configuration: DaemonConfiguration) async throws -> ForgetReport {
        let directory = configuration.dataDirectory
        do {
            let answer = try await ControlClient.ask(
                ControlRequest(request), dataDirectory: directory, timeout: DaemonLimits.forgetTimeout)
            guard let report = try? JSONDecoder().decode(ForgetReport.self, from: answer) else {
                throw Failure("the daemon at \(directory) is of another release; restart it", .unreachable)
            }
            return report
        } catch ControlError.noDaemon {
            return try await forgetAtRest(request, configuration)
        } catch let error as ControlError {
            throw Failure(error)
        }
    }

    private func forgetAtRest(
        _ request: ForgetRequest, _ configuration: DaemonConfiguration
    ) async throws -> ForgetReport {
        let directory = configuration.dataDirectory
        do {
            _ = try openLog(directory)
            return try await FolderForgetting.run(
                request, in: directory, log: try await openWhenFree(directory),
                backupDays: configuration.backupMaxDays
            ).report
        } catch {
            throw Failure.of(error)
        }
    }

    /// A daemon that ended while it was asked may hold the folder for a moment longer.
    private func openWhenFree(_ directory: String) async throws -> some EventLog {
        for _ in 0..<20 {
            do { return try openLogForWriting(directory) } catch .locked {
                try await Task.sleep(for: .milliseconds(50))
            }
        }
        return try openLogForWriting(directory)
    }
}
