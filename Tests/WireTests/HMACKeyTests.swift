// HMAC-SHA256 is that of RFC 4231, and of swift-crypto.

import Bytes
import Crypto
import Testing
import TidingsTesting
import Wire

@Suite struct HMACKeyTests {
    /// Cases 1, 2, 3 and 6 of RFC 4231: short keys, and one that is longer than a block.
    @Test func theCodesAreThoseOfTheRFC() {
        let cases: [(key: [UInt8], message: [UInt8], code: String)] = [
            (
                Array(repeating: 0x0b, count: 20), Array("Hi There".utf8),
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
            ),
            (
                Array("Jefe".utf8), Array("what do ya want for nothing?".utf8),
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
            ),
            (
                Array(repeating: 0xaa, count: 20), Array(repeating: 0xdd, count: 50),
                "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"
            ),
            (
                Array(repeating: 0xaa, count: 131),
                Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8),
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
            ),
        ]
        for (key, message, code) in cases { #expect(hexadecimal(HMACKey(key).code(message[...])) == code) }
    }

    /// Of every length about that of a block, and with one key again and again.
    @Test func theCodesAreThoseOfSwiftCrypto() {
        var generator = SeededGenerator(seed: 18)
        func random(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) } }
        for length in [0, 1, 31, 32, 63, 64, 65, 200] {
            let key = random(length)
            let ours = HMACKey(key)
            for count in 0..<200 {
                let message = random(count)
                let other = HMAC<SHA256>.authenticationCode(for: message, using: SymmetricKey(data: key))
                #expect(ours.code(message[...]) == Array(other))
            }
        }
    }
}
