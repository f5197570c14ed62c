// What a refused or quarantined sender is told, in words and as JSON lines.

import Events

extension Refusal {
    /// Cause and remedy in one line, for the sender. No quotes and no control characters, so that it needs no escaping.
    var explanation: StaticString {
        switch self {
        case .malformedFrame: "not a frame that belongs here; check type, flags and length, and say HELLO only once"
        case .badChecksum: "the CRC-32 does not match the bytes; check the sender's framing"
        case .badMagic: "neither TDG1, a JSON object nor a datagram of ours; see docs/wire.md"
        case .malformedBody: "the body is not a valid message; check it against schemas/wire/v1/tidings.proto"
        case .badInflate: "the deflated body is damaged; send a zlib stream or no flag"
        case .malformedJSON: "not one JSON object per line; check the syntax"
        case .badUTF8: "a string is not valid UTF-8; encode it as UTF-8"
        case .duplicateKey: "a key occurs twice in one object; send each once"
        case .tooDeep: "nested more than 16 levels deep; flatten it"
        case .truncated: "the input ends in the middle of a unit; send it whole"
        case .noDevice: "the event names no device; add device, or source"
        case .noProduct: "the event names no product; add product, or a source of the form product/serial"
        case .badIdentity: "the id is not usable; send up to 64 bytes, or epoch-seq without leading zeros"
        case .unauthorized: "the credential is unknown here; this daemon has no keys, use key id 0"
        case .forbidden: "this sender may not speak for that device"
        case .tooSlow: "a frame or line was begun and not ended in time; send each in one go"
        case .tooBig:
            "larger than allowed (line 64 KiB, frame 1 MiB, datagram 8 KiB, native event 8 KiB); send less at once"
        case .tooManyEvents: "more than 1000 events in one batch; split it"
        case .inflatesTooBig: "the body inflates to more than 1 MiB; split it"
        case .tableFull: "this connection's string table is full; open another connection for the rest"
        case .vocabularyFull: "the log has as many different words as it can hold; send fewer distinct ones"
        case .unknownReference:
            "a table reference was never defined here; send everything from the first unacked event again"
        case .tooManyConnections:
            "as many connections as allowed, in all or from one address; close some or try later"
        case .overQuota: "more events than this device or address may send; send fewer, or again later"
        case .tooManyNewNames: "more new names from this address than allowed in a minute; send again later"
        case .busy: "the daemon is full; try again in a second"
        case .storageUnavailable: "the log cannot be written now; try again later"
        case .shuttingDown: "the daemon is stopping; connect again later"
        }
    }
}

/// `{"ack":N}` and a newline.
func writeLineAck(_ count: UInt64, into output: inout [UInt8]) {
    append("{\"ack\":", to: &output)
    append(count, to: &output)
    append("}\n", to: &output)
}

/// `{"error":{"line":3,"code":4012,"reason":"no_product","text":"..."}}` and a newline; `line` 0 is left out.
func writeLineError(_ reason: Refusal, line: UInt64, into output: inout [UInt8]) {
    append("{\"error\":{", to: &output)
    appendVerdict(line: line, code: UInt64(reason.rawValue), reason: reason.name, to: &output)
    append(",\"text\":\"", to: &output)
    append(reason.explanation, to: &output)
    append("\"}}\n", to: &output)
}

/// `{"quarantined":{"line":3,"code":4226,"reason":"out_of_range"}}` and a newline: stored, but kept out of summaries.
func writeLineVerdict(_ reason: QuarantineReason, line: UInt64, into output: inout [UInt8]) {
    append("{\"quarantined\":{", to: &output)
    appendVerdict(line: line, code: reason.code, reason: reason.name, to: &output)
    append("}}\n", to: &output)
}

/// `{"error":{"more":7}}` and a newline: so many lines were refused besides those that were answered one by one.
func writeMoreErrors(_ count: Int, into output: inout [UInt8]) {
    append("{\"error\":{\"more\":", to: &output)
    append(UInt64(count), to: &output)
    append("}}\n", to: &output)
}

extension QuarantineReason {
    /// The code told to the sender (WIRE 2.6).
    var code: UInt64 { 4220 + UInt64(rawValue) }
}

private func appendVerdict(line: UInt64, code: UInt64, reason: StaticString, to output: inout [UInt8]) {
    if line > 0 {
        append("\"line\":", to: &output)
        append(line, to: &output)
        append(",", to: &output)
    }
    append("\"code\":", to: &output)
    append(code, to: &output)
    append(",\"reason\":\"", to: &output)
    append(reason, to: &output)
    append("\"", to: &output)
}

private func append(_ text: StaticString, to output: inout [UInt8]) {
    output.append(contentsOf: text.description.utf8)
}

private func append(_ number: UInt64, to output: inout [UInt8]) {
    output.append(contentsOf: String(number).utf8)
}
