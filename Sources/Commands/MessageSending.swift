// What the commands that send messages share: the target, the terms, and what is printed of the answer.

import ArgumentParser
import Daemon
import Events
import Foundation
import Presentation

/// Whom a message is for: `kettle`, or `kettle/k-1`.
struct MessageTargetOptions: ParsableArguments {
    @Argument(help: "A product, or one of its devices as PRODUCT/DEVICE.")
    var target: String

    @Option(help: "Only the devices of this customer.")
    var customer: String?

    @Option(name: .customLong("devices"), help: "Only the devices in this file, one a line.")
    var file: String?

    func json() throws -> [String: JSONValue] {
        var (product, device) = (target, nil as String?)
        if let slash = target.firstIndex(of: "/") {
            product = String(target[..<slash])
            device = String(target[target.index(after: slash)...])
        }
        var to: [String: JSONValue] = ["product": .text(unescaped(product))]
        if let device { to["device"] = .text(device) }
        if let customer { to["customer"] = .text(customer) }
        if let file {
            guard let content = FileManager.default.contents(atPath: file) else {
                throw Failure("the file of devices \(file) cannot be read", .inputOutput)
            }
            let names = String(decoding: content, as: UTF8.self).split(whereSeparator: \.isNewline).map { String($0) }
            to["devices"] = .array(names.map { .text($0) })
        }
        return to
    }

    /// In a source `%`, `/` and `:` of the product are escaped.
    private func unescaped(_ product: String) -> String { product.removingPercentEncoding ?? product }
}

/// On which terms a message goes.
struct MessageTermsOptions: ParsableArguments {
    @Option(help: "low, normal, high or urgent.")
    var priority: String?

    @Option(help: "Until when it is of use: 12h, 7d or a time.")
    var expires: String?

    @Option(help: "Not before: 2h or a time.")
    var at: String?

    @Option(help: "A later message with the same key takes the place of this one.")
    var collapse: String?

    @Option(help: "By what right: consent, contract, safety or legal.")
    var basis: String?

    @Option(help: "An id of your own: the same message is sent once, however often it is asked for.")
    var id: String?

    @Flag(name: .customLong("dry-run"), help: "Only say whom it would go to.")
    var isDryRun = false

    func add(to message: inout [String: JSONValue]) {
        let words = [
            ("priority", priority), ("expires", expires), ("at", at), ("collapse", collapse), ("basis", basis),
            ("id", id),
        ]
        for (key, word) in words { if let word { message[key] = .text(word) } }
        if isDryRun { message["dry_run"] = .flag(true) }
    }
}

/// What is said: one text, or one for each language as `de=…`.
func messageText(_ texts: [String]) throws -> JSONValue {
    guard !texts.isEmpty else { throw ValidationError("--text is missing") }
    let languages = texts.compactMap { text -> (String, String)? in
        guard let match = text.firstMatch(of: #/^([a-z]{2,3}(-[A-Za-z0-9]{2,8})*)=(.*)$/#.dotMatchesNewlines()) else {
            return nil
        }
        return (String(match.output.1), String(match.output.3))
    }
    guard languages.count == texts.count else {
        guard texts.count == 1 else { throw ValidationError("several texts are of languages: --text en=… --text de=…") }
        return .text(texts[0])
    }
    return .object(Dictionary(languages.map { ($0.0, .text($0.1)) }) { $1 })
}

/// Has the daemon send a message, and prints what has become of it.
func send(_ message: [String: JSONValue], _ data: DataOptions, as format: OutputFormat) async throws {
    let directory = try await data.directory()
    let json = String(decoding: JSONValue.object(message).canonical, as: UTF8.self)
    let answer = try await askAboutMessage(
        ControlRequest(MessageOrder(json, author: "operator", isAdmin: true)), directory)
    printOut(renderMessageAnswer(answer, as: format))
}

/// Asks the daemon; what it does not do is a failure with its code.
func askAboutMessage(_ request: ControlRequest, _ directory: String) async throws -> MessageAnswer {
    let answer: MessageAnswer
    do {
        let bytes = try await ControlClient.ask(request, dataDirectory: directory, timeout: .seconds(60))
        guard let read = try? JSONDecoder().decode(MessageAnswer.self, from: bytes) else {
            throw Failure("the daemon at \(directory) is of another release; restart it", .unreachable)
        }
        answer = read
    } catch let error as ControlError {
        throw Failure(error)
    }
    guard let text = answer.text, let refusal = answer.refusal else { return answer }
    let code: FailureCode =
        switch refusal {
        case .noConsent, .forbidden: .notPermitted
        case .busy, .shuttingDown: .unreachable
        case .storageUnavailable: .inputOutput
        default: .data
        }
    throw Failure("\(text) (\(refusal.rawValue))", code)
}
