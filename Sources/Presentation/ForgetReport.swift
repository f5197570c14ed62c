// What is asked of who forgets, what is answered, and how it is shown; both go over the control socket.

package import Events

/// Who is to be forgotten.
package struct ForgetRequest: Codable, Sendable, Equatable {
    package struct Name: Codable, Sendable, Equatable {
        /// The product of a device; nil for a customer.
        package var product: String?
        package var name: String

        package init(customer name: String) { self.name = name }
        package init(device name: String, product: String) { (self.product, self.name) = (product, name) }

        package var kind: ErasureKind { product == nil ? .customer : .device }
    }

    package var names: [Name]
    /// Whether only to say what would be done.
    package var isDryRun: Bool

    package init(_ names: [Name], isDryRun: Bool = false) { (self.names, self.isDryRun) = (names, isDryRun) }
}

/// What became of a name; in the order in which they were asked for.
package struct Forgotten: Codable, Sendable, Equatable {
    package enum Outcome: String, Codable, Sendable {
        case forgotten
        /// Would be forgotten, if it were not only asked for.
        case found
        /// Nobody of this name is known, nor was forgotten.
        case unknown
        /// Was forgotten before, and nobody of this name has come since.
        case already
        /// Named twice in one request.
        case repeated
    }

    package var outcome: Outcome
    /// Since when, RFC 3339.
    package var since: String?
    /// What the log has of it.
    package var remains: ErasureRemains?
    /// In how many texts of others the name is mentioned; only told when nothing is changed.
    package var mentions: Int?
    /// The receipt's text, which is what is signed; its signature, base64; and the public key, PEM.
    package var receipt: String?
    package var signature: String?
    package var publicKey: String?
    /// The line of the erasure list.
    package var line: String?

    package init(_ outcome: Outcome) { self.outcome = outcome }
}

package struct ForgetReport: Codable, Sendable, Equatable {
    package var names: [Forgotten]
    /// What is not done yet, and why; a line each.
    package var warnings: [String] = []

    package init(_ names: [Forgotten]) { self.names = names }
}

/// What is left in the log of somebody who is forgotten: numbers that lead to no name.
package struct ErasureRemains: Codable, Sendable, Equatable {
    package var events = 0
    package var devices = 0
    package var aspects = 0
    /// Texts that can still be read in the log, because they are not sealed; and in which segments.
    package var readableTexts = 0
    package var segments: [String] = []
    /// Damaged parts of the log could not be looked at.
    package var isIncomplete = false

    package init() {}
}

/// What became of the names, in the order in which they were named. Lines of JSON hold no name: what a receipt is of,
/// is known to who has asked.
package func renderForgotten(_ report: ForgetReport, of names: [ForgetRequest.Name], as format: OutputFormat) -> String
{
    switch format {
    case .table: zip(names, report.names).map { renderForgotten($1, $0) }.joined()
    case .json: report.names.map { json($0) + "\n" }.joined()
    case .csv:
        csvLine(["outcome", "since", "events", "devices", "aspects", "readable_texts", "line", "mentions"])
            + report.names.map { one in
                csvLine([
                    one.outcome.rawValue, one.since ?? "", text(one.remains?.events), text(one.remains?.devices),
                    text(one.remains?.aspects), text(one.remains?.readableTexts), one.line ?? "",
                    text(one.mentions),
                ])
            }.joined()
    }
}

private func text(_ number: Int?) -> String { number.map { String($0) } ?? "" }

private func renderForgotten(_ one: Forgotten, _ name: ForgetRequest.Name) -> String {
    let shown = visible(name.product.map { "\($0)/\(name.name)" } ?? name.name)
    switch one.outcome {
    case .unknown: return "\(shown): nobody of this name is known\n"
    case .repeated: return "\(shown): named twice\n"
    case .already: return "\(shown): was forgotten already, \(one.since ?? "")\n"
    case .found, .forgotten: break
    }
    let left = one.remains ?? ErasureRemains()
    func counted(_ number: Int, _ thing: String) -> String { "\(grouped(number)) \(thing)\(number == 1 ? "" : "s")" }
    let numbers =
        "\(counted(left.events, "event")) on \(counted(left.devices, "device")) "
        + "about \(counted(left.aspects, "aspect"))"
    var text =
        one.outcome == .found
        ? "\(shown): would be forgotten; without a name would be left \(numbers)\n"
        : "\(shown): forgotten, \(one.since ?? ""); without a name are left \(numbers)\n"
    if left.readableTexts > 0 {
        text +=
            "  \(grouped(left.readableTexts)) texts can still be read in the log: "
            + left.segments.joined(separator: ", ") + "\n"
    }
    if let mentions = one.mentions, mentions > 0 {
        text += "  \(grouped(mentions)) texts of others mention the name; --text-match lists them\n"
    }
    if left.isIncomplete { text += "  damaged parts of the log could not be looked at\n" }
    if let line = one.line { text += "  keep elsewhere, for the erasure list: \(line)\n" }
    return text
}

private func json(_ one: Forgotten) -> String {
    var json = JSONWriter()
    json.object { json in
        json.add("outcome", one.outcome.rawValue)
        if let since = one.since { json.add("since", since) }
        if let left = one.remains {
            json.object("remains") { json in
                json.add("events", left.events)
                json.add("devices", left.devices)
                json.add("aspects", left.aspects)
                json.add("readable_texts", left.readableTexts)
                json.array("segments") { json in for segment in left.segments { json.add(nil, segment) } }
                json.add("is_incomplete", left.isIncomplete)
            }
        }
        if let mentions = one.mentions { json.add("mentions", mentions) }
        if let receipt = one.receipt { json.add("receipt", receipt) }
        if let signature = one.signature { json.add("signature", signature) }
        if let key = one.publicKey { json.add("public_key", key) }
        if let line = one.line { json.add("line", line) }
    }
    return json.text
}
