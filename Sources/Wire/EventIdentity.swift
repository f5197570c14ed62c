// An event's own id, by one rule for every format; and the id of the message that it answers.
import Bytes
package import Events

extension Event {
    /// Takes an id of 1 to `Limits.idBytes` bytes: `<epoch>-<seq>` is a sequence number; `#` and 16 hexadecimal digits,
    /// which an export has in the place of an id, is that id's hash; of any other the hash is remembered.
    @inline(never)
    package mutating func setIdentity(_ id: Span<UInt8>) {
        if let (number, sequence) = readSequence(id) {
            (identity, epoch, seq) = (.sequence, number, sequence)
        } else {
            (identity, epoch, seq) = (.hash, 0, readWrittenHash(id) ?? identityHash(id))
        }
    }
}

/// `<epoch>-<seq>`, both decimal without leading zeros; nil when it is anything else.
func readSequence(_ id: Span<UInt8>) -> (epoch: UInt32, seq: UInt64)? {
    var at = 0
    guard let epoch = readPart(id, &at), let epoch = UInt32(exactly: epoch), at < id.count, id[at] == UInt8(ascii: "-")
    else {
        return nil
    }
    at += 1
    guard let seq = readPart(id, &at), at == id.count else { return nil }
    return (epoch, seq)
}

private func readPart(_ id: Span<UInt8>, _ at: inout Int) -> UInt64? {
    let start = at
    var value: UInt64 = 0
    while at < id.count, id[at] &- UInt8(ascii: "0") < 10 {
        let (tenfold, overflow) = value.multipliedReportingOverflow(by: 10)
        let (sum, carry) = tenfold.addingReportingOverflow(UInt64(id[at] - UInt8(ascii: "0")))
        if overflow || carry { return nil }
        value = sum
        at += 1
    }
    guard at > start, at == start + 1 || id[start] != UInt8(ascii: "0") else { return nil }
    return value
}

/// The hash that stands for an id as `appendHash` writes it; nil when it is something else.
private func readWrittenHash(_ id: Span<UInt8>) -> UInt64? {
    guard id.count == writtenHashBytes, id[0] == UInt8(ascii: "#") else { return nil }
    return id.hexadecimal(from: 1)
}

/// `#` and 16 digits.
private var writtenHashBytes: Int { 17 }

/// Appends the hash of an id as an export has it: `#` and 16 hexadecimal digits.
package func appendHash(_ hash: UInt64, to output: inout [UInt8]) {
    output.append(UInt8(ascii: "#"))
    appendHexadecimal(hash, digits: 16, to: &output)
}

extension EventDetails {
    /// Takes the id of a message: `m<ordinal>`, and `-` and 8 hexadecimal digits if it has them.
    ///
    /// - Returns: false when it is of another form; nothing is changed then.
    package mutating func setCause(_ id: Span<UInt8>) -> Bool {
        let tagBytes = 8
        guard id.count > 1, id[0] == UInt8(ascii: "m") else { return false }
        var at = 1
        guard let number = readPart(id, &at).flatMap(UInt32.init(exactly:)), number > 0 else { return false }
        if at == id.count {
            (cause, causeTag, hasCauseTag) = (number, 0, false)
            return true
        }
        guard id[at] == UInt8(ascii: "-"), id.count == at + 1 + tagBytes,
            let tag = id.hexadecimal(from: at + 1)
        else { return false }
        (cause, causeTag, hasCauseTag) = (number, UInt32(truncatingIfNeeded: tag), true)
        return true
    }

    /// Appends the id of the message as it came; nothing when there is none.
    package func appendCause(to output: inout [UInt8]) {
        if let message {
            message.append(to: &output)
        } else if cause != 0 {
            MessageID.append(cause, to: &output)
        }
    }
}
