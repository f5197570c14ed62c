// Who was forgotten: no name, but what can be made of it with a secret; and the lines in which this is written down.

import Bytes
package import Events
@_spi(_Unicode) import Swift
import Synchronization
import Wire

/// What stands for a forgotten name: HMAC-SHA256 of its kind and its text, under a key that only the data folder has.
package struct NameDigest: Hashable, Sendable {
    package static let byteCount = 32
    package let bytes: [UInt8]

    package init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        self.bytes = bytes
    }

    fileprivate init(code: [UInt8]) { bytes = code }

    /// Digests are random: any of their bytes will do.
    package func hash(into hasher: inout Hasher) { hasher.combine(bytes.span.word(at: 0)) }
}

/// Makes digests of names.
package struct NameDigests: Sendable {
    private let key: HMACKey

    /// - Parameter key: made of the sealing secret of the data folder.
    package init(key: [UInt8]) { self.key = HMACKey(key) }

    /// Tells a list that was made with another secret.
    package var check: [UInt8] {
        Array(key.code(Array("check".utf8)[...]).prefix(ErasureLine.checkBytes))
    }

    package func digest(ofCustomer name: Span<UInt8>) -> NameDigest {
        var text = Array("customer\0".utf8)
        appendNormalized(name, to: &text)
        return NameDigest(code: key.code(text[...]))
    }

    package func digest(ofDevice name: Span<UInt8>, product: Span<UInt8>) -> NameDigest {
        var text = Array("device\0".utf8)
        appendNormalized(product, to: &text)
        text.append(0)
        appendNormalized(name, to: &text)
        return NameDigest(code: key.code(text[...]))
    }
}

/// Appends a name in Unicode's normal form C: the same for all ways to write it.
package func appendNormalized(_ name: Span<UInt8>, to bytes: inout [UInt8]) {
    var isASCII = true
    for index in name.indices where name[index] >= 0x80 { isASCII = false }
    guard !isASCII else {
        bytes.append(copying: name)
        return
    }
    for scalar in String(decoding: Array(copying: name), as: UTF8.self)._nfc {
        bytes.append(contentsOf: Character(scalar).utf8)
    }
}

/// One line of an erasure list: when who was forgotten, in which log.
package struct ErasureLine: Sendable, Equatable {
    package enum State: String, Sendable { case erased, readmitted }

    /// How many bytes tell the secret with which the digest was made.
    static let checkBytes = 4
    /// The length of a log's id, as hexadecimal digits.
    private static let logDigits = 32

    package var time: Timestamp
    package var state: State
    package var kind: ErasureKind
    /// The log's identity, as 32 hexadecimal digits.
    package var log: String
    package var check: [UInt8]
    package var digest: NameDigest

    package init(
        time: Timestamp, state: State, kind: ErasureKind, log: String, check: [UInt8], digest: NameDigest
    ) {
        (self.time, self.state, self.kind) = (time, state, kind)
        (self.log, self.check, self.digest) = (log, check, digest)
    }

    /// As it stands in the file, without a line end.
    package var text: String {
        var line = Array("1 ".utf8)
        appendRFC3339(time.rawValue, to: &line)
        let rest = "\(kind.name) \(log) \(hexadecimal(check)) \(hexadecimal(digest.bytes))"
        return String(decoding: line, as: UTF8.self) + " \(state.rawValue) " + rest
    }

    /// Reads a line; nil when it is none.
    package init?(_ line: Span<UInt8>) {
        var parts: [Range<Int>] = []
        var start = 0
        for index in 0...line.count where index == line.count || line[index] == UInt8(ascii: " ") {
            parts.append(start..<index)
            start = index + 1
        }
        func word(_ part: Int) -> String {
            String(decoding: Array(copying: line.extracting(parts[part])), as: UTF8.self)
        }
        guard parts.count == 7, parts[0].count == 1, line[0] == UInt8(ascii: "1"),
            let time = readRFC3339(line.extracting(parts[1])), let state = State(rawValue: word(2)),
            let kind = ErasureKind.allCases.first(where: { "\($0.name)" == word(3) }),
            parts[4].count == Self.logDigits, let check = bytes(ofHexadecimal: line.extracting(parts[5])),
            check.count == Self.checkBytes,
            let digest = bytes(ofHexadecimal: line.extracting(parts[6])).flatMap({ NameDigest($0) })
        else { return nil }
        self.init(
            time: Timestamp(rawValue: time), state: state, kind: kind, log: word(4), check: check, digest: digest)
    }
}

private func bytes(ofHexadecimal digits: Span<UInt8>) -> [UInt8]? {
    guard digits.count % 2 == 0 else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(digits.count / 2)
    func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        default: nil
        }
    }
    for index in stride(from: 0, to: digits.count, by: 2) {
        guard let high = value(digits[index]), let low = value(digits[index + 1]) else { return nil }
        bytes.append(high << 4 | low)
    }
    return bytes
}

/// The forgotten of one log, as the daemon asks about them. Any thread.
package final class ErasureIndex: ErasedNames {
    package let digests: NameDigests
    private let erased: Mutex<[NameDigest: Timestamp]>

    package init(digests: NameDigests, lines: [ErasureLine] = []) {
        self.digests = digests
        erased = Mutex(Self.standing(lines))
    }

    /// When each was forgotten who is so after these lines.
    private static func standing(_ lines: [ErasureLine]) -> [NameDigest: Timestamp] {
        var erased: [NameDigest: Timestamp] = [:]
        erased.reserveCapacity(lines.count)
        for line in lines { erased[line.digest] = line.state == .erased ? line.time : nil }
        return erased
    }

    package var count: Int { erased.withLock { $0.count } }

    package func add(_ lines: [ErasureLine]) {
        erased.withLock { erased in
            for line in lines { erased[line.digest] = line.state == .erased ? line.time : nil }
        }
    }

    package func erasure(_ digest: NameDigest) -> Timestamp? { erased.withLock { $0[digest] } }

    package func erasure(ofCustomer name: Span<UInt8>) -> Timestamp? {
        erasure(digests.digest(ofCustomer: name))
    }

    package func erasure(ofDevice name: Span<UInt8>, product: Span<UInt8>) -> Timestamp? {
        erasure(digests.digest(ofDevice: name, product: product))
    }
}
