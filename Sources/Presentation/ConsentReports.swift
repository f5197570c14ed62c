// What `tidings consent` prints: the record of one customer's consents.

import Admission
import Bytes
package import Events

/// What a record says besides what the customer has said.
package struct ConsentContext: Sendable {
    /// The customer's name, as it was asked for.
    package var subject: String
    package var controller: String?
    package var jurisdiction: String?
    /// For how many days events are kept; nil for ever.
    package var retentionDays: Int?
    package var now: Timestamp

    package init(subject: String, controller: String?, jurisdiction: String?, retentionDays: Int?, now: Timestamp) {
        (self.subject, self.controller, self.jurisdiction) = (subject, controller, jurisdiction)
        (self.retentionDays, self.now) = (retentionDays, now)
    }
}

/// The consents of a customer: a table of what holds, all that was said as CSV, or the record as JSON-LD with the
/// fields of ISO/IEC TS 27560 and the terms of DPV.
package func renderConsents(
    _ history: ConsentHistory, _ context: ConsentContext, as format: OutputFormat, style: TableStyle
) -> String {
    switch format {
    case .table: table(history, context, style)
    case .csv: csv(history, context)
    case .json: json(history, context)
    }
}

private func table(_ history: ConsentHistory, _ context: ConsentContext, _ style: TableStyle) -> String {
    guard !history.records.isEmpty else { return "the customer has neither given nor withdrawn a consent\n" }
    var table = TextTable([
        .init("product", least: 8, most: 0.3), .init("purpose", least: 12), .init("state"), .init("said"),
        .init("until", rank: 1), .init("notice", least: 6, rank: 2), .init("method", least: 6, rank: 3),
        .init("gates", rank: 4),
    ])
    for record in history.records {
        let entry = record.entries[record.last]
        table.add([
            visible(record.product), visible(record.word), record.state(at: context.now).rawValue,
            minute(entry.time), entry.expiry.map(minute) ?? "-", entry.notice.isEmpty ? "-" : visible(entry.notice),
            entry.method.isEmpty ? "-" : visible(entry.method), record.purpose.map { "\($0.name)" } ?? "nothing",
        ])
    }
    return table.lines(style, indent: 0).map { $0 + "\n" }.joined()
}

/// `2026-01-31T12:00`
private func minute(_ time: Timestamp) -> String { String(rfc3339(time).prefix(16)) }

private func csv(_ history: ConsentHistory, _ context: ConsentContext) -> String {
    var text = csvLine([
        "product", "purpose", "gates", "state", "event", "time", "arrival", "until", "notice", "method", "offset",
        "counts",
    ])
    for record in history.records {
        for (index, entry) in record.entries.enumerated() {
            text += csvLine([
                record.product, record.word, record.purpose.map { "\($0.name)" } ?? "",
                record.state(at: context.now).rawValue, entry.isGiven ? "given" : "withdrawn", rfc3339(entry.time),
                entry.arrival.map(rfc3339) ?? "", entry.expiry.map(rfc3339) ?? "", entry.notice, entry.method,
                entry.offset.map { "\($0.rawValue)" } ?? "", index == record.last ? "yes" : "no",
            ])
        }
    }
    return text
}

// MARK: ISO/IEC TS 27560

/// The profile of DPV that the records follow.
private let schema = "https://w3id.org/dpv/schema/iso-27560#record"

private func json(_ history: ConsentHistory, _ context: ConsentContext) -> String {
    JSONWriter.line { json in
        json.object("@context") { writeTerms(&$0) }
        json.add("generated", context.now)
        json.array("records") { json in
            for record in history.records { json.object { write(record, context, &$0) } }
        }
    }
}

/// What the keys are called as RDF.
private func writeTerms(_ json: inout JSONWriter) {
    json.add("dpv", ConsentPurpose.namespace)
    json.add("dct", "http://purl.org/dc/terms/")
    json.add("xsd", "http://www.w3.org/2001/XMLSchema#")
    let plain = [
        ("identifier", "dct:identifier"), ("subject", "dpv:hasDataSubject"), ("controller", "dpv:hasDataController"),
        ("process", "dpv:hasProcess"), ("service", "dpv:hasService"), ("personal_data", "dpv:hasPersonalData"),
        ("storage", "dpv:hasStorageCondition"), ("duration", "dpv:hasDuration"), ("recipients", "dpv:hasRecipient"),
        ("notice", "dpv:hasNotice"), ("jurisdiction", "dpv:hasJurisdiction"), ("records", "dct:hasPart"),
        ("events", "dct:hasPart"), ("method", "dpv:hasIndicationMethod"), ("said_as", "dct:title"),
    ]
    for (key, term) in plain { json.add(key, term) }
    for (key, term, type) in [
        ("schema", "dct:conformsTo", "@id"), ("purpose", "dpv:hasPurpose", "@id"),
        ("state", "dpv:hasConsentStatus", "@id"),
        ("generated", "dct:created", "xsd:dateTime"), ("time", "dct:date", "xsd:dateTime"),
        ("recorded", "dct:dateSubmitted", "xsd:dateTime"), ("until", "dct:valid", "xsd:dateTime"),
    ] {
        json.object(key) { json in
            json.add("@id", term)
            json.add("@type", type)
        }
    }
}

private func write(_ record: ConsentHistory.Record, _ context: ConsentContext, _ json: inout JSONWriter) {
    let entry = record.entries[record.last]
    json.add("@type", "dpv:ConsentRecord")
    json.add("identifier", identifier(record))
    json.add("schema", schema)
    json.add("subject", context.subject)
    json.add("controller", context.controller)
    json.object("process") { json in
        json.add("purpose", term(of: record))
        json.add("said_as", record.word)
        json.add("service", record.product)
        json.array("personal_data") { json in
            for data in ["pseudonym of the customer", "texts", "personal values"] { json.add(nil, data) }
        }
        json.object("storage") { json in json.add("duration", context.retentionDays.map { "P\($0)D" } ?? "indefinite") }
        json.array("recipients") { _ in }
    }
    json.add("notice", entry.notice.isEmpty ? nil : entry.notice)
    if let jurisdiction = context.jurisdiction { json.add("jurisdiction", jurisdiction) }
    json.add("state", state(record.state(at: context.now)))
    json.array("events") { json in
        for entry in record.entries { json.object { write(entry, &$0) } }
    }
}

private func write(_ entry: ConsentHistory.Entry, _ json: inout JSONWriter) {
    if let offset = entry.offset { json.add("@id", "urn:tidings:event:\(offset.rawValue)") }
    json.add("state", state(entry.isGiven ? .given : .withdrawn))
    json.add("time", entry.time)
    json.add("recorded", entry.arrival)
    if let expiry = entry.expiry { json.add("until", expiry) }
    if !entry.notice.isEmpty { json.add("notice", entry.notice) }
    if !entry.method.isEmpty { json.add("method", entry.method) }
}

/// By the first event: it stays the same as long as the log has that.
private func identifier(_ record: ConsentHistory.Record) -> String {
    let first = record.entries.lazy.compactMap(\.offset).first
    return "consent-" + (first.map { "\($0.rawValue)" } ?? record.product + "-" + record.word)
}

/// The purpose as a term of DPV, or as an IRI of our own when it is none.
private func term(of record: ConsentHistory.Record) -> String {
    if record.word.hasPrefix("dpv:") || record.word.hasPrefix("https://") { return record.word }
    if let term = record.purpose?.terms.first { return "dpv:" + term }
    return "urn:tidings:purpose:" + percentEncoded(record.word)
}

private func percentEncoded(_ word: String) -> String {
    var text: [UInt8] = []
    for byte in word.utf8 {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"):
            text.append(byte)
        default: text += [UInt8(ascii: "%"), hexDigit(byte >> 4), hexDigit(byte & 0xf)]
        }
    }
    return String(decoding: text, as: UTF8.self)
}

private func state(_ state: ConsentHistory.Record.State) -> String {
    switch state {
    case .given: "dpv:ConsentGiven"
    case .withdrawn: "dpv:ConsentWithdrawn"
    case .expired: "dpv:ConsentExpired"
    }
}
