// The time of an answer tells nothing: not how much of a token is right, not which keys there are. As dudect does it:
// two kinds of input in random order, many times each, and Welch's t of the times that they take.

import Admission
import Bytes
import Crypto
import Events
import Testing
import TidingsTesting
import Wire

@Suite(.serialized) struct SecretTimingTests {
    #if DEBUG
        private static let samples = 5_000
    #else
        private static let samples = 100_000
    #endif
    /// Beyond it, dudect calls a difference certain.
    private static let limit = 4.5
    /// This machine does other things as well: what is really so is so each time.
    private static let attempts = 5

    /// Welch's t of the times of two bodies; of the slowest tenth, in which something else ran, nothing is used.
    private static func welch(seed: UInt64, _ one: () -> Bool, _ other: () -> Bool) -> Double {
        var random = SeededGenerator(seed: seed)
        var times: [[Double]] = [[], []]
        var isRight = false
        for _ in 0..<(2 * samples) {
            let kind = random.next() >> 32 & 1 == 0 ? 0 : 1
            let begin = ContinuousClock.now
            isRight = (kind == 0 ? one() : other()) || isRight
            let parts = (ContinuousClock.now - begin).components
            times[kind].append(Double(parts.attoseconds) / 1e9 + Double(parts.seconds) * 1e9)
        }
        #expect(!isRight, "a wrong secret was taken")
        let all = (times[0] + times[1]).sorted()
        let most = all[all.count * 9 / 10]
        let moments = times.map { times in
            let kept = times.filter { $0 <= most }
            let mean = kept.reduce(0, +) / Double(kept.count)
            let squares = kept.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
            return (mean: mean, variance: squares / Double(kept.count - 1) / Double(kept.count))
        }
        return (moments[0].mean - moments[1].mean) / (moments[0].variance + moments[1].variance).squareRoot()
    }

    private static func expectSame(_ what: String, _ one: () -> Bool, _ other: () -> Bool) {
        var found: [Double] = []
        for attempt in 0..<attempts {
            found.append(welch(seed: UInt64(attempt + 1), one, other))
            if abs(found[attempt]) < limit { break }
        }
        print("\(what): t = \(found.map { "\(($0 * 100).rounded() / 100)" }.joined(separator: ", "))")
        #expect(abs(found[found.count - 1]) < limit, "\(what): t = \(found)")
    }

    private static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    private let list: AccessList
    private let secret: DeviceKey
    private static let known: UInt32 = 700

    init() throws {
        let masters = try #require(MasterKeys(Array(repeating: 5, count: 32)))
        let keys = (1...1_000).map {
            KeyEntry(id: UInt32($0), scope: .device(product: Self.bytes("kettle"), name: Self.bytes("k-\($0)")))
        }
        list = AccessList(
            masters: masters, keys: keys,
            tokens: [
                TokenEntry(
                    id: 1, digest: Array(SHA256.hash(data: Self.bytes("tdg_" + String(repeating: "A", count: 43)))),
                    scope: .everything, roles: .admin)
            ])
        secret = try #require(masters.keys(id: Self.known, generation: 0).first)
    }

    private func bearer(_ id: UInt32, changing byte: Int) -> [UInt8] {
        var token = secret.token
        token[byte] ^= 1
        return Self.bytes("\(id)." + base64URL(token))
    }

    private func isTaken(_ bearer: [UInt8]) -> Bool {
        list.credential(bearer: bearer.span, now: Timestamp(rawValue: 0)) != nil
    }

    @Test func timeTellsNothing() {
        let (first, last) = (bearer(Self.known, changing: 0), bearer(Self.known, changing: 31))
        Self.expectSame("first against last byte wrong", { isTaken(first) }, { isTaken(last) })
        let unknown = bearer(5_000, changing: 0)
        // As many digits, so that no longer a text is read.
        let known = Self.bytes("0" + String(decoding: first, as: UTF8.self))
        Self.expectSame("known against unknown key", { isTaken(known) }, { isTaken(unknown) })
        let (near, far) = ("tdg_" + String(repeating: "A", count: 42) + "B", "tdg_" + String(repeating: "C", count: 43))
        Self.expectSame("token of the right beginning", { isTaken(Self.bytes(near)) }, { isTaken(Self.bytes(far)) })
    }

    /// What these tests would say of a list that looks first and derives then.
    @Test func aDifferenceWouldBeFound() {
        let known: Set<UInt32> = [Self.known]
        let first = bearer(Self.known, changing: 0)
        func looksFirst(_ id: UInt32) -> Bool { known.contains(id) && isTaken(first) }
        let found = Self.welch(seed: 1, { looksFirst(Self.known) }, { looksFirst(Self.known + 1) })
        #expect(abs(found) > Self.limit, "t = \(found)")
    }
}
