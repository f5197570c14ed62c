// Numbers in decimal: as Swift writes them, and powers of ten that are exact.

import Bytes
import Testing
import TidingsTesting

@Suite struct DecimalTests {
    private func text(_ write: (inout [UInt8]) -> Void) -> String {
        var output: [UInt8] = []
        write(&output)
        return String(decoding: output, as: UTF8.self)
    }

    @Test func integersAreWrittenInFull() {
        for number in [0, 9, 10, 99, 100, 12_345, .max] as [UInt64] {
            #expect(text { appendDecimal(number, to: &$0) } == "\(number)")
        }
        for number in [0, -1, -10, .min, .max] as [Int64] {
            #expect(text { appendDecimal(number, to: &$0) } == "\(number)")
        }
    }

    @Test(
        arguments: [
            (0.1, "0.1"), (-0.0, "-0.0"), (1e15, "1000000000000000.0"), (1e16, "1e+16"), (-1.25e17, "-1.25e+17"),
            (1e300, "1e+300"), (.leastNonzeroMagnitude, "5e-324"),
        ] as [(Double, String)])
    func realsAreWrittenAsPythonDoes(number: Double, expected: String) {
        #expect(text { appendReal(number, to: &$0) } == expected)
    }

    @Test func aFloatStandsForItsShortestDecimal() {
        var generator = SeededGenerator(seed: 5)
        for _ in 0..<2_000 {
            let float = Float(bitPattern: UInt32(truncatingIfNeeded: generator.next()))
            guard float.isFinite else { continue }
            #expect(widened(float).bitPattern == Double(float.description)?.bitPattern, "\(float)")
        }
    }

    @Test func powersOfTenAreExact() {
        var power = 1.0
        for exponent in 0...22 {
            #expect(powerOfTen(exponent) == power)
            power *= 10
        }
    }

    @Test func wholeNumbersAreBelow2To53() {
        #expect(wholeNumber(3) == 3)
        #expect(wholeNumber(-0x1p52) == -(1 << 52))
        for number in [0.5, 0x1p53, .nan, .infinity] { #expect(wholeNumber(number) == nil) }
    }
}
