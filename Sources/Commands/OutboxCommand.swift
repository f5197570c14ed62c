// tidings outbox: which messages there are, what has become of them, and how one is taken back.

import ArgumentParser
import Daemon
import Events
import Log
import Presentation
import Projection

struct OutboxCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "outbox",
        abstract: "Messages to devices: list and show them, count answers, cancel, verify.",
        subcommands: [
            OutboxListCommand.self, OutboxShowCommand.self, OutboxDeviceCommand.self, OutboxResultsCommand.self,
            OutboxCancelCommand.self, OutboxStatCommand.self, OutboxVerifyCommand.self,
        ])
}

/// Reads tables of messages and prints them.
struct OutboxQuery {
    let directory: String

    init(_ data: DataOptions) async throws {
        directory = try await data.directory()
        if let remark = await ControlClient.freshen(dataDirectory: directory) { printError("tidings: \(remark)") }
    }

    func print(_ question: OutboxQuestion, as format: OutputFormat) async throws {
        let rows: OutboxRows
        do {
            rows = try SummaryReader(path: directory + "/" + Projector.fileName).outbox(question)
        } catch {
            throw Failure(error)
        }
        let names = try await named(rows)
        printOut(renderOutbox(names, as: format, style: .now))
    }

    /// The same, with the names of devices in the place of their numbers.
    private func named(_ rows: OutboxRows) async throws -> OutboxRows {
        guard let column = rows.columns.firstIndex(of: "device"), !rows.rows.isEmpty else { return rows }
        let words: Vocabulary
        do { words = try await openLog(directory).vocabulary() } catch { throw Failure.of(error) }
        var named = rows
        for index in named.rows.indices {
            guard let text = named.rows[index][column], let number = UInt32(text), number > 0 else { continue }
            let name = String(decoding: words.name(of: DeviceID(rawValue: number)), as: UTF8.self)
            named.rows[index][column] = name.isEmpty ? "device#\(number)" : name
        }
        return named
    }
}

/// The ordinal of a message as it is named: `17`, `m17` or `m17-9f31c2aa`.
func messageNumber(_ text: String) throws -> UInt32 {
    let digits = text.drop { $0 == "m" }.prefix { $0 != "-" }
    guard let number = UInt32(digits), number > 0 else {
        throw Failure("\(visible(text)) is no message; `tidings outbox list` names them", .usage)
    }
    return number
}

struct OutboxListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List messages, the newest first.",
        discussion: """
            Examples: tidings outbox list --open
                      tidings outbox list --product kettle --kind question --format csv
            """)

    @Option(help: "Only of this product.")
    var product: String?

    @Option(help: "Only of this kind: notice, question, reply, setting.")
    var kind: String?

    @Flag(help: "Only those that are not over.")
    var open = false

    @Option(help: "How to print: table, json or csv.")
    var format: OutputFormat = .table

    @OptionGroup var data: DataOptions

    func run() async throws {
        try await OutboxQuery(data).print(.messages(product: product, kind: kind, isOpen: open), as: format)
    }
}

struct OutboxShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show what has become of a message.",
        discussion: """
            Examples: tidings outbox show m17
                      tidings outbox show m17 --devices --state refused
            """)

    @Argument(help: "The message, as m17.")
    var message: String

    @Flag(help: "Each device.")
    var devices = false

    @Option(help: "Only devices in this state.")
    var state: String?

    @Option(help: "How to print: table, json or csv.")
    var format: OutputFormat = .table

    @OptionGroup var data: DataOptions

    func run() async throws {
        let number = try messageNumber(message)
        if let state, !DeliveryState.allCases.contains(where: { "\($0.name)" == state }) {
            let words = DeliveryState.allCases.dropFirst().map { "\($0.name)" }.joined(separator: ", ")
            throw Failure("\(visible(state)) is no state; one of \(words)", .usage)
        }
        let query = try await OutboxQuery(data)
        let question: OutboxQuestion =
            devices || state != nil ? .deliveries(message: number, state: state) : .message(number)
        try await query.print(question, as: format)
    }
}

struct OutboxDeviceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "device",
        abstract: "Show what a device was sent.",
        discussion: """
            Example: tidings outbox device kettle/k-1
            """)

    @Argument(help: "The device, as PRODUCT/DEVICE.")
    var device: String

    @Option(help: "How to print: table, json or csv.")
    var format: OutputFormat = .table

    @OptionGroup var data: DataOptions

    func run() async throws {
        guard let slash = device.firstIndex(of: "/") else {
            throw Failure("\(visible(device)) is no device; write PRODUCT/NAME", .usage)
        }
        let query = try await OutboxQuery(data)
        let words: Vocabulary
        do { words = try await openLog(query.directory).vocabulary() } catch { throw Failure.of(error) }
        let product = Array(device[..<slash].utf8)
        let name = Array(device[device.index(after: slash)...].utf8)
        guard let product = words.find(.product, product.span), let id = words.find(device: name.span, of: product)
        else {
            throw Failure("no event is of this device; a name is written as the device sends it", .data)
        }
        try await query.print(.device(id), as: format)
    }
}

struct OutboxResultsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "results",
        abstract: "Count the answers to a question, one for each device: its last.",
        discussion: """
            Example: tidings outbox results m17
            """)

    @Argument(help: "The question, as m17.")
    var message: String

    @Option(help: "How to print: table, json or csv.")
    var format: OutputFormat = .table

    @OptionGroup var data: DataOptions

    func run() async throws {
        try await OutboxQuery(data).print(.results(message: try messageNumber(message)), as: format)
    }
}

struct OutboxCancelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel",
        abstract: "Take messages back, as far as devices do not have them.",
        discussion: """
            Examples: tidings outbox cancel m17
                      tidings outbox cancel --collapse descale
            """)

    @Argument(help: "The message, as m17 or m17-9f31c2aa.")
    var message: String?

    @Option(help: "All open messages with this collapse key.")
    var collapse: String?

    @Option(help: "How to print: table, json or csv.")
    var format: OutputFormat = .table

    @OptionGroup var data: DataOptions

    func validate() throws {
        guard (message == nil) != (collapse == nil) else {
            throw ValidationError("name a message, or --collapse KEY")
        }
    }

    func run() async throws {
        let order = CancelOrder(message: message, collapse: collapse)
        let answer = try await askAboutMessage(ControlRequest(order), try await data.directory())
        printOut(renderMessageAnswer(answer, as: format))
    }
}
