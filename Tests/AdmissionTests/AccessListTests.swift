// Keys, tokens and whose events they are for.

import Admission
import Bytes
import Crypto
import Events
import Testing
import Wire

@Suite struct AccessListTests {
    private static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
    private static let first = Array(repeating: UInt8(1), count: 32)
    private static let second = Array(repeating: UInt8(2), count: 32)
    private let now = Timestamp(rawValue: 1_000)

    private func made(_ keys: [KeyEntry], masters: [UInt8] = first, tokens: [TokenEntry] = []) -> AccessList {
        AccessList(masters: MasterKeys(masters), keys: keys, tokens: tokens)
    }

    private func bearer(_ id: UInt32, generation: UInt32 = 0, master: [UInt8] = first) throws -> [UInt8] {
        let key = try #require(MasterKeys(master)?.keys(id: id, generation: generation).first)
        return Self.bytes("\(id).\(base64URL(key.token))")
    }

    private func credential(_ list: AccessList, _ bearer: [UInt8], at time: Timestamp? = nil) -> Credential? {
        list.credential(bearer: bearer.span, now: time ?? now)
    }

    @Test func masterKeysHaveOneLength() {
        for count in [0, 31, 33, 63, 65, 96] { #expect(MasterKeys(Array(repeating: 7, count: count)) == nil) }
        #expect(MasterKeys(Self.first)?.count == 1)
        #expect(MasterKeys(Self.second + Self.first)?.count == 2)
    }

    /// As `openssl kdf -keylen 32 -kdfopt digest:SHA256 -kdfopt hexkey:… -kdfopt info:… HKDF` says.
    @Test func keysAreThoseOfTheRFC() throws {
        let key = try #require(MasterKeys(Self.first)?.keys(id: 7, generation: 1).first)
        let expected = HKDF<SHA256>.deriveKey(
            inputKeyMaterial: SymmetricKey(data: Self.first),
            info: Self.bytes("tidings device key ") + [0, 0, 0, 7, 0, 0, 0, 1], outputByteCount: 32)
        #expect(SymmetricKey(data: key.bytes) == expected)
        let token = HKDF<SHA256>.expand(
            pseudoRandomKey: key.bytes, info: Self.bytes("tidings token"), outputByteCount: 32)
        #expect(SymmetricKey(data: key.token) == token)
    }

    @Test func allKeysDiffer() throws {
        let masters = try #require(MasterKeys(Self.first + Self.second))
        var seen: Set<[UInt8]> = []
        for id in 1...1_000 as ClosedRange<UInt32> {
            for generation in 0...1 as ClosedRange<UInt32> {
                for key in masters.keys(id: id, generation: generation) {
                    seen.formUnion([key.bytes, key.token])
                }
            }
        }
        #expect(seen.count == 8_000)
    }

    @Test func aDeviceIsKnownByItsToken() throws {
        let scope = Scope.device(product: Self.bytes("kettle"), name: Self.bytes("k-1"))
        let list = made([KeyEntry(id: 7, scope: scope)])
        let right = try bearer(7)
        #expect(credential(list, right) == Credential(.key(7, generation: 0), scope, .send))
        var wrong = right
        wrong[wrong.count - 2] ^= 1
        let forms: [[UInt8]] = [
            wrong, [], Self.bytes("7"), Self.bytes("7."), Self.bytes(".") + right, try bearer(8), right + [65],
            try bearer(7, generation: 1), try bearer(7, master: Self.second),
            Self.bytes("4294967296.") + right.dropFirst(2),
        ]
        for form in forms { #expect(credential(list, form) == nil) }
    }

    @Test func aNewMasterKeyLeavesTheOldTokensGood() throws {
        let keys = [KeyEntry(id: 7, scope: .everything)]
        let both = made(keys, masters: Self.second + Self.first)
        for master in [Self.first, Self.second] {
            #expect(credential(both, try bearer(7, master: master)) != nil)
        }
        #expect(credential(made(keys, masters: Self.second), try bearer(7)) == nil)
    }

    @Test func revokedAndReplacedKeysAreOver() throws {
        let good = made([KeyEntry(id: 7, scope: .everything)])
        let known = try #require(credential(good, try bearer(7)))
        #expect(good.isInForce(known, now: now))
        for entry in [
            KeyEntry(id: 7, scope: .everything, isRevoked: true), KeyEntry(id: 7, scope: .everything, generation: 1),
            KeyEntry(id: 8, scope: .everything),
        ] {
            let later = made([entry])
            #expect(!later.isInForce(known, now: now))
            #expect(credential(later, try bearer(7)) == nil)
        }
    }

    @Test func tokensExpire() throws {
        let text = Self.bytes("tdg_abc")
        let entry = TokenEntry(
            id: 3, digest: Array(SHA256.hash(data: text)), scope: .products([Self.bytes("oven")]), roles: [.read],
            expires: Timestamp(rawValue: 2_000))
        let list = made([], tokens: [entry])
        let known = try #require(credential(list, text))
        #expect(known.roles == .read)
        #expect(list.isInForce(known, now: now))
        #expect(!list.isInForce(known, now: Timestamp(rawValue: 2_000)))
        #expect(credential(list, text, at: Timestamp(rawValue: 2_000)) == nil)
        #expect(credential(list, Self.bytes("tdg_abd")) == nil)
        #expect(!made([]).isInForce(known, now: now))
    }

    @Test(arguments: [
        ("kettle/", "kettle", "k-1", true), ("kettle/", "kettles", "k-1", false), ("kettle/", "kettle/x", "k-1", false),
        ("kettle%2Fx/", "kettle/x", "k-1", true), ("kettle/hall/", "kettle", "hall/k-1", true),
        ("kettle/hall/", "kettle", "hall", false), ("kettle/hall/", "kettle", "halls/k", false),
        ("a%25/", "a%", "b", true), ("a%2525/", "a%25", "b", true), ("a%25/", "a%25", "b", false),
    ])
    func prefixesAreOfWholeNames(_ prefix: String, _ product: String, _ name: String, _ isIn: Bool) {
        let scope = Scope.prefix(Self.bytes(prefix))
        #expect(scope.contains(product: Self.bytes(product).span, name: Self.bytes(name).span) == isIn)
    }

    @Test func base64URLIsThatOfTheRFC() {
        for (plain, text) in [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg")] {
            #expect(base64URL(Self.bytes(plain)) == text)
            #expect(base64URLDecoded(Self.bytes(text).span) == Self.bytes(plain))
        }
        #expect(base64URL([0xfb, 0xff]) == "-_8")
        for wrong in ["A", "Zh", "Zg==", "Zm9=", "Zm+v", "Zm/v", "Zm 9"] {
            #expect(base64URLDecoded(Self.bytes(wrong).span) == nil)
        }
    }
}
