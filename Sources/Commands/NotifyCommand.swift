// tidings notify, ask, reply, set and unset: messages to devices and their customers.

import ArgumentParser
import Daemon
import Presentation

struct NotifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "notify",
        abstract: "Send news to the devices of a product, or to one of them.",
        discussion: """
            Examples: tidings notify kettle --title Descaling --text "$(<notice.txt)" --dry-run
                      tidings notify kettle/k-1 --text en=Welcome! --text de=Willkommen!
                      tidings notify kettle --text "$(<recall.txt)" --basis safety --priority urgent

            Goes to customers who have agreed to be written to (consent.given with the purpose contact), unless \
            --basis says by what other right. Needs a running daemon. What becomes of it: `tidings outbox show`.
            """)

    @OptionGroup var target: MessageTargetOptions

    @Option(help: "A line above the text.")
    var title: String?

    @Option(name: .customLong("text"), help: "What is said; several as en=… de=….")
    var texts: [String] = []

    @OptionGroup var terms: MessageTermsOptions

    @Option(help: "How to print: table, json or csv.")
    var format: OutputFormat = .table

    @OptionGroup var data: DataOptions

    func run() async throws {
        var message: [String: JSONValue] = [
            "type": .text("notice"), "to": .object(try target.json()), "text": try messageText(texts),
        ]
        if let title { message["title"] = .text(title) }
        terms.add(to: &message)
        try await send(message, data, as: format)
    }
}

struct AskCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ask",
        abstract: "Ask customers something; the answers are events like any other.",
        discussion: """
            Examples: tidings ask kettle --aspect sound.ready --text "$(<q.txt)" --choice melody --choice whistle
                      tidings ask kettle --aspect app --text "$(<q.txt)" --scale 1-5
                      tidings ask kettle/k-1 --text Why? --expires 3d

            Without --choice, --scale, --number or --yes-no the answer is a text. `tidings outbox results` counts the \
            answers, one for each device.
            """)

    @OptionGroup var target: MessageTargetOptions

    @Option(help: "What the question is about, as a dotted path.")
    var aspect: String?

    @Option(name: .customLong("text"), help: "The question; several as en=… de=….")
    var texts: [String] = []

    @Option(name: .customLong("choice"), help: "One of the answers; may be given several times.")
    var choices: [String] = []

    @Option(help: "The scale of the answers: 0-1, 1-5 or 0-10.")
    var scale: String?

    @Flag(help: "The answer is a number.")
    var number = false

    @Flag(name: .customLong("yes-no"), help: "The answer is yes or no.")
    var isYesNo = false

    @OptionGroup var terms: MessageTermsOptions

    @Option(help: "How to print: table, json or csv.")
    var format: OutputFormat = .table

    @OptionGroup var data: DataOptions

    func validate() throws {
        let forms = [!choices.isEmpty, scale != nil, number, isYesNo].count { $0 }
        guard forms < 2 else { throw ValidationError("one of --choice, --scale, --number and --yes-no") }
    }

    func run() async throws {
        let forms = [(!choices.isEmpty, "choice"), (scale != nil, "scale"), (number, "number"), (isYesNo, "yes_no")]
        let form = forms.first(where: \.0)?.1 ?? "text"
        var message: [String: JSONValue] = [
            "type": .text("question"), "to": .object(try target.json()), "text": try messageText(texts),
            "ask": .text(form),
        ]
        if let aspect { message["aspect"] = .text(aspect) }
        if !choices.isEmpty { message["choices"] = .array(choices.map { .text($0) }) }
        if let scale { message["scale"] = .text(scale) }
        terms.add(to: &message)
        try await send(message, data, as: format)
    }
}

struct ReplyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reply",
        abstract: "Answer a feedback, on the device that it came from.",
        discussion: """
            Example: tidings reply 66012 --text "$(<reply.txt)"

            The number is the feedback's event in the log, as `tidings summary` and `tidings log export` have it.
            """)

    @Argument(help: "The feedback's event in the log.")
    var feedback: UInt64

    @Option(name: .customLong("text"), help: "What is said; several as en=… de=….")
    var texts: [String] = []

    @OptionGroup var terms: MessageTermsOptions

    @Option(help: "How to print: table, json or csv.")
    var format: OutputFormat = .table

    @OptionGroup var data: DataOptions

    func run() async throws {
        var message: [String: JSONValue] = [
            "type": .text("reply"), "to": .object(["feedback": .whole(Int64(clamping: feedback))]),
            "text": try messageText(texts),
        ]
        terms.add(to: &message)
        try await send(message, data, as: format)
    }
}

struct SetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set",
        abstract: "Set an aspect of devices; what their customers choose later holds.",
        discussion: """
            Examples: tidings set kettle/k-1 temperature 88 --unit Cel
                      tidings set kettle keep_warm false --policy default
                      tidings set kettle firmware 3.2.1 --policy require --dry-run

            VALUE is a number, true, false, or a word. A setting for a whole product is for devices too that come \
            later; one for a device goes before it. The policy says what holds where the customer has chosen: offer \
            (until the customer chooses after it), default (only where nothing was chosen), require (whatever is \
            chosen).
            """)

    @OptionGroup var target: MessageTargetOptions

    @Argument(help: "The aspect, as a dotted path.")
    var aspect: String

    @Argument(help: "How it should stand.")
    var value: String

    @Option(help: "The unit of a number, as Cel.")
    var unit: String?

    @Option(help: "offer, default or require.")
    var policy: String?

    @Option(name: .customLong("if-version"), help: "Only if this is the version in force.")
    var version: UInt32?

    @OptionGroup var terms: MessageTermsOptions

    @Option(help: "How to print: table, json or csv.")
    var format: OutputFormat = .table

    @OptionGroup var data: DataOptions

    func run() async throws {
        var message: [String: JSONValue] = [
            "type": .text("setting"), "to": .object(try target.json()), "aspect": .text(aspect),
            "value": JSONValue(typed: value),
        ]
        if let unit { message["unit"] = .text(unit) }
        if let policy { message["policy"] = .text(policy) }
        if let version { message["if_version"] = .whole(Int64(version)) }
        terms.add(to: &message)
        try await send(message, data, as: format)
    }
}

struct UnsetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unset",
        abstract: "Give an aspect back to the devices.",
        discussion: """
            Example: tidings unset kettle/k-1 temperature
            """)

    @OptionGroup var target: MessageTargetOptions

    @Argument(help: "The aspect, as a dotted path.")
    var aspect: String

    @OptionGroup var terms: MessageTermsOptions

    @Option(help: "How to print: table, json or csv.")
    var format: OutputFormat = .table

    @OptionGroup var data: DataOptions

    func run() async throws {
        var message: [String: JSONValue] = [
            "type": .text("setting"), "to": .object(try target.json()), "aspect": .text(aspect), "value": .null,
        ]
        terms.add(to: &message)
        try await send(message, data, as: format)
    }
}

extension JSONValue {
    /// A value as it is typed: JSON where it is a number, a flag or a string in quotes, else a word.
    init(typed text: String) {
        switch text {
        case "true": self = .flag(true)
        case "false": self = .flag(false)
        default:
            if let number = Int64(text) {
                self = .whole(number)
            } else if let number = Double(text), number.isFinite {
                self = .real(number)
            } else if text.count > 1, text.hasPrefix("\""), text.hasSuffix("\"") {
                self = .text(String(text.dropFirst().dropLast()))
            } else {
                self = .text(text)
            }
        }
    }
}
