// Units whose numbers can be converted into each other, as schemas/units.json names them.

/// A unit that some other unit can be converted to.
///
/// A number in the unit, times `factor`, plus `offset`, is the number in its base. Units that are their base's only one
/// are not here: a word that is no unit is treated as they are.
package struct MeasurementUnit: Sendable, Equatable {
    /// The name, as devices say it.
    package let name: String
    /// The name of the base, itself a unit of the list.
    package let base: String
    package let factor: Double
    package let offset: Double

    private init(_ name: String, _ base: String, _ factor: Double, _ offset: Double = 0) {
        (self.name, self.base, self.factor, self.offset) = (name, base, factor, offset)
    }

    package func isConvertible(to other: MeasurementUnit) -> Bool { base == other.base }

    /// What a finite number of this unit is in another one of the same base; finite, and the same on every machine.
    ///
    /// It is rounded to twelve digits of the largest number on the way, so that what is equal comes out equal: 212 Far
    /// is 100 Cel and 32 Far is 0, whatever the last bits of the factors are.
    package func convert(_ number: Double, to other: MeasurementUnit) -> Double {
        let scaled = number * factor / other.factor
        let moved = (offset - other.offset) / other.factor
        let sum = scaled + moved
        guard sum.isFinite else {
            return sum < 0 ? -Double.greatestFiniteMagnitude : Double.greatestFiniteMagnitude
        }
        return Self.rounded(sum, largest: max(scaled.magnitude, moved.magnitude))
    }

    private static func rounded(_ number: Double, largest: Double) -> Double {
        guard largest > 0, largest < 1e12 else { return number }
        // Up to 1e22 powers of ten are exact.
        var scale = 1.0
        while largest * scale < 1e11 {
            guard scale < 1e22 else { return number }
            scale *= 10
        }
        return (number * scale).rounded() / scale
    }

    /// Where a unit stands in `known`; nil for a word that is none of them.
    package static func index(of name: [UInt8]) -> Int? { known.firstIndex { $0.name.utf8.elementsEqual(name) } }

    /// At most 255, by base.
    package static let known: [MeasurementUnit] = [
        MeasurementUnit("m", "m", 1), MeasurementUnit("mm", "m", 0.001), MeasurementUnit("cm", "m", 0.01),
        MeasurementUnit("km", "m", 1_000),
        MeasurementUnit("kg", "kg", 1), MeasurementUnit("g", "kg", 0.001), MeasurementUnit("mg", "kg", 1e-6),
        MeasurementUnit("s", "s", 1), MeasurementUnit("ms", "s", 0.001), MeasurementUnit("min", "s", 60),
        MeasurementUnit("h", "s", 3_600), MeasurementUnit("d", "s", 86_400),
        MeasurementUnit("K", "K", 1), MeasurementUnit("Cel", "K", 1, 273.15),
        MeasurementUnit("Far", "K", 5.0 / 9, 459.67 * 5 / 9),
        MeasurementUnit("A", "A", 1), MeasurementUnit("mA", "A", 0.001),
        MeasurementUnit("V", "V", 1), MeasurementUnit("mV", "V", 0.001),
        MeasurementUnit("Hz", "Hz", 1), MeasurementUnit("kHz", "Hz", 1_000), MeasurementUnit("MHz", "Hz", 1e6),
        MeasurementUnit("rad", "rad", 1), MeasurementUnit("deg", "rad", 3.141592653589793 / 180),
        MeasurementUnit("Pa", "Pa", 1), MeasurementUnit("hPa", "Pa", 100), MeasurementUnit("kPa", "Pa", 1_000),
        MeasurementUnit("bar", "Pa", 1e5),
        MeasurementUnit("J", "J", 1), MeasurementUnit("kJ", "J", 1_000), MeasurementUnit("Wh", "J", 3_600),
        MeasurementUnit("kWh", "J", 3.6e6),
        MeasurementUnit("J/m", "J/m", 1), MeasurementUnit("Wh/km", "J/m", 3.6),
        MeasurementUnit("W", "W", 1), MeasurementUnit("kW", "W", 1_000),
        MeasurementUnit("VA", "VA", 1), MeasurementUnit("kVA", "VA", 1_000),
        MeasurementUnit("VAs", "VAs", 1), MeasurementUnit("VAh", "VAs", 3_600), MeasurementUnit("kVAh", "VAs", 3.6e6),
        MeasurementUnit("var", "var", 1), MeasurementUnit("kvar", "var", 1_000),
        MeasurementUnit("vars", "vars", 1), MeasurementUnit("varh", "vars", 3_600),
        MeasurementUnit("kvarh", "vars", 3.6e6),
        MeasurementUnit("C", "C", 1), MeasurementUnit("Ah", "C", 3_600),
        MeasurementUnit("m3", "m3", 1), MeasurementUnit("l", "m3", 0.001), MeasurementUnit("L", "m3", 0.001),
        MeasurementUnit("ml", "m3", 1e-6),
        MeasurementUnit("m3/s", "m3/s", 1), MeasurementUnit("l/s", "m3/s", 0.001),
        MeasurementUnit("m/s", "m/s", 1), MeasurementUnit("km/h", "m/s", 1_000.0 / 3_600),
        MeasurementUnit("m/h", "m/s", 1.0 / 3_600), MeasurementUnit("mm/h", "m/s", 0.001 / 3_600),
        MeasurementUnit("kg/m3", "kg/m3", 1), MeasurementUnit("g/l", "kg/m3", 1),
        MeasurementUnit("mg/l", "kg/m3", 0.001),
        MeasurementUnit("ug/l", "kg/m3", 1e-6), MeasurementUnit("ug/m3", "kg/m3", 1e-9),
        MeasurementUnit("bit", "bit", 1), MeasurementUnit("B", "bit", 8), MeasurementUnit("KiB", "bit", 8_192),
        MeasurementUnit("GB", "bit", 8e9),
        MeasurementUnit("bit/s", "bit/s", 1), MeasurementUnit("Mbit/s", "bit/s", 1e6),
        MeasurementUnit("B/s", "bit/s", 8), MeasurementUnit("MB/s", "bit/s", 8e6),
        MeasurementUnit("1/s", "1/s", 1), MeasurementUnit("1/min", "1/s", 1.0 / 60),
        MeasurementUnit("dBW", "dBW", 1), MeasurementUnit("dBm", "dBW", 1, -30),
        MeasurementUnit("/", "/", 1), MeasurementUnit("1", "/", 1), MeasurementUnit("%", "/", 0.01),
        MeasurementUnit("/100", "/", 0.01), MeasurementUnit("/1000", "/", 0.001), MeasurementUnit("ppm", "/", 1e-6),
        MeasurementUnit("ppb", "/", 1e-9), MeasurementUnit("ppt", "/", 1e-12),
    ]
}
