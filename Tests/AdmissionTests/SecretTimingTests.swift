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

    /// Inputs of two kinds, many of each, so that it does not count where in memory one of them is.
    private struct Inputs {
        var one: [[UInt8]] = []
        var other: [[UInt8]] = []
    }

    /// Welch's t of the times of two kinds; of the slowest tenth, in which something else ran, nothing is used.
    private static func welch(seed: UInt64, _ inputs: Inputs, _ isTaken: ([UInt8]) -> Bool) -> Double {
        var random = SeededGenerator(seed: seed)
        var times: [[Double]] = [[], []]
        var isRight = false
        var place: [UInt8] = []
        place.reserveCapacity(256)
        for _ in 0..<(2 * samples) {
            let kind = random.next() >> 32 & 1 == 0 ? 0 : 1
            let index = Int(random.next() >> 33) % inputs.one.count
            // Each is looked at in the same place: the inputs of one kind may lie better in memory.
            place.removeAll(keepingCapacity: true)
            place += kind == 0 ? inputs.one[index] : inputs.other[index]
            let begin = ContinuousClock.now
            isRight = isTaken(place) || isRight
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

    private static func expectSame(_ what: String, _ inputs: Inputs, _ isTaken: ([UInt8]) -> Bool) {
        var found: [Double] = []
        for attempt in 0..<attempts {
            found.append(welch(seed: UInt64(attempt + 1), inputs, isTaken))
            if abs(found[attempt]) < limit { break }
        }
        print("\(what): t = \(found.map { "\(($0 * 100).rounded() / 100)" }.joined(separator: ", "))")
        #expect(abs(found[found.count - 1]) < limit, "\(what): t = \(found)")
    }

    private static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    private let masters: MasterKeys
    private let list: AccessList
    private static let inputsOfAKind: UInt32 = 256
    /// Of digests in a hash table some meet another one's place: as many of either kind, if there are enough.
    private static let tokensOfAKind: UInt32 = 16_384

    init() throws {
        masters = try #require(MasterKeys(Array(repeating: 5, count: 32)))
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
    }

    /// A token of which one byte is wrong, with a number of four digits in front.
    private func bearer(_ id: UInt32, of device: UInt32, changing byte: Int) -> [UInt8] {
        var token = masters.keys(id: device, generation: 0).first?.token ?? []
        token[byte] ^= 1
        return Self.bytes(String("000\(id)".suffix(4)) + "." + base64URL(token))
    }

    private func isTaken(_ bearer: [UInt8]) -> Bool {
        list.credential(bearer: bearer.span, now: Timestamp(rawValue: 0)) != nil
    }

    private func inputs(
        _ one: (UInt32) -> [UInt8], _ other: (UInt32) -> [UInt8], count: UInt32 = inputsOfAKind
    ) -> Inputs {
        var inputs = Inputs()
        for number in 1...count {
            inputs.one.append(one(number))
            inputs.other.append(other(number))
        }
        return inputs
    }

    @Test func timeTellsNothing() {
        Self.expectSame(
            "first against last byte wrong",
            inputs({ bearer($0, of: $0, changing: 0) }, { bearer($0, of: $0, changing: 31) }), isTaken)
        Self.expectSame(
            "known against unknown key",
            inputs({ bearer($0, of: $0, changing: 0) }, { bearer($0 + 5_000, of: $0, changing: 0) }), isTaken)
        let (near, far) = ("tdg_" + String(repeating: "A", count: 39), "tdg_" + String(repeating: "C", count: 39))
        Self.expectSame(
            "token of the right beginning",
            inputs(
                { Self.bytes("\(near)\($0 + 10_000)") }, { Self.bytes("\(far)\($0 + 10_000)") },
                count: Self.tokensOfAKind), isTaken)
    }

    /// A number of four digits, and a proof that is wrong.
    private func proof(_ id: UInt32, changing byte: Int) -> [UInt8] {
        var proof = masters.keys(id: id, generation: 0).first?.proof(nonce: [1], ownNonce: [2], hello: [3]) ?? []
        proof[byte] ^= 1
        return Self.bytes(String("000\(id)".suffix(4))) + proof
    }

    private func isProved(_ shown: [UInt8]) -> Bool {
        let id = shown[..<4].reduce(0) { $0 * 10 + UInt32($1 - UInt8(ascii: "0")) }
        return list.credential(key: id) { key in
            isSameSecret(key.proof(nonce: [1], ownNonce: [2], hello: [3]), shown[4...])
        } != nil
    }

    @Test func theTimeOfAProofTellsNothing() {
        Self.expectSame(
            "proof of a known against an unknown key",
            inputs({ proof($0, changing: 0) }, { proof($0 + 5_000, changing: 0) }), isProved)
        Self.expectSame(
            "first against last byte of a proof wrong",
            inputs({ proof($0, changing: 0) }, { proof($0, changing: 31) }), isProved)
    }

    /// What these tests would say of a list that looks first and derives then.
    @Test func aDifferenceWouldBeFound() {
        let known = inputs({ bearer($0, of: $0, changing: 0) }, { bearer($0 + 5_000, of: $0, changing: 0) })
        let found = Self.welch(seed: 1, known) { $0[0] < UInt8(ascii: "5") && isTaken($0) }
        #expect(abs(found) > Self.limit, "t = \(found)")
    }
}
