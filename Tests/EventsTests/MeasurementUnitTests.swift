// Conversions between units: what is equal comes out equal.

import Events
import Testing
import TidingsTesting

@Suite struct MeasurementUnitTests {
    private func unit(_ name: String) throws -> MeasurementUnit {
        MeasurementUnit.known[try #require(MeasurementUnit.index(of: Array(name.utf8)), "\(name)")]
    }

    @Test func roundNumbersComeOutRound() throws {
        let cases: [(Double, String, Double, String)] = [
            (212, "Far", 100, "Cel"), (32, "Far", 0, "Cel"), (-40, "Far", -40, "Cel"), (68.54, "Far", 20.3, "Cel"),
            (0, "K", -273.15, "Cel"), (1, "kWh", 1_000, "Wh"), (90, "min", 1.5, "h"), (250, "ms", 0.25, "s"),
            (1_013.25, "hPa", 1.01325, "bar"), (330, "ml", 0.33, "l"), (50, "%", 0.5, "/"), (36, "km/h", 10, "m/s"),
            (30, "dBm", 0, "dBW"), (1, "L", 1, "l"), (3, "g", 3_000, "mg"),
        ]
        for (number, from, wanted, to) in cases {
            let (from, to) = (try unit(from), try unit(to))
            #expect(from.convert(number, to: to) == wanted, "\(number) \(from.name) is \(wanted) \(to.name)")
            #expect(to.convert(wanted, to: from) == number, "\(wanted) \(to.name) is \(number) \(from.name)")
        }
        #expect(abs(try unit("Far").convert(72, to: unit("Cel")) - 200.0 / 9) < 1e-9)
    }

    @Test func thereAndBackIsTheSameToTwelveDigits() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SeededGenerator(seed: seed)
        for from in MeasurementUnit.known {
            for to in MeasurementUnit.known where from.isConvertible(to: to) {
                for _ in 0..<20 {
                    let number = Double.random(in: -1e6...1e6, using: &random)
                    let back = to.convert(from.convert(number, to: to), to: from)
                    let largest = max(number.magnitude, from.offset.magnitude, to.offset.magnitude)
                    #expect(abs(back - number) <= 1e-10 * largest, "seed \(seed): \(number) \(from.name) \(to.name)")
                }
            }
        }
    }

    @Test func extremesStayFinite() throws {
        #expect(try unit("km").convert(-1e308, to: unit("mm")) == -Double.greatestFiniteMagnitude)
        #expect(try unit("mm").convert(Double.leastNonzeroMagnitude, to: unit("km")) == 0)
        let tiny = try unit("ppt").convert(1e-30, to: unit("/"))
        #expect(abs(tiny - 1e-42) < 1e-54)
        #expect(MeasurementUnit.index(of: Array("cel".utf8)) == nil)
    }
}
