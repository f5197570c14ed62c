// Who sends: products, the devices of each product, the customers of each device, and the words they use.
import Glibc

/// The standing part of the workload: names and tastes, fixed by the seed.
package struct Fleet: Sendable {
    package static let aspectsPerProduct = 20

    package let productCount: Int
    package let deviceCount: Int
    package let customerCount: Int

    /// UTF-8 of the names, by number.
    package let products: [[UInt8]]
    package let devices: [[UInt8]]
    package let customers: [[UInt8]]
    /// All aspects of all categories, each once, then the choices, then the fault codes: the strings that are shared
    /// by many devices. `aspectName`, `choiceName` and `codeName` are positions in it.
    package let common: [[UInt8]]
    package let texts: [[UInt8]]

    /// Of each device.
    package let productOf: [Int32]
    package let customerOf: [Int32]
    package let otherCustomerOf: [Int32]

    /// Of each product and aspect, at `product * 20 + aspect`.
    package let aspectName: [Int32]
    package let isChoice: [Bool]
    package let optionCount: [Int32]
    package let firstOption: [Int32]
    package let lowest: [Int32]

    package let firstChoiceName: Int32
    package let firstCodeName: Int32

    /// - Parameters:
    ///   - part: one part in so many of the standard fleet. A short run with a part of the fleet costs as much
    ///     per event as the standard work, of which it has the repetition: events a device, devices and rows a product.
    ///   - devices: another number of devices, with as many customers a device, of the same products.
    package init(seed: UInt64, part: Int = 1, devices wanted: Int? = nil) {
        productCount = max(1, 1_000 / part)
        deviceCount = wanted ?? max(1, 100_000 / part)
        customerCount = wanted.map { max(1, $0 * 3 / 5) } ?? max(1, 60_000 / part)
        let (productCount, deviceCount, customerCount) = (productCount, deviceCount, customerCount)
        var random = SplitMix64(seed: seed)
        let categories = Fleet.categories.map { (name: $0.name, aspects: $0.aspects.split(separator: " ")) }
        var common: [[UInt8]] = []
        var numbers: [Substring: Int32] = [:]
        for aspect in categories.flatMap(\.aspects) where numbers[aspect] == nil {
            numbers[aspect] = Int32(common.count)
            common.append(Array(aspect.utf8))
        }
        firstChoiceName = Int32(common.count)
        common += Fleet.choices.map { Array($0.utf8) }
        firstCodeName = Int32(common.count)
        common += (1...6).map { Array("E0\($0)".utf8) }
        self.common = common
        texts = Fleet.parts.flatMap { part in
            Fleet.adjectives.flatMap { word in
                Fleet.occasions.map { Array("The \(part) is \(word) \($0).".utf8) }
            }
        }

        let categoryOf = (0..<productCount).map { _ in random.below(categories.count) }
        products = categoryOf.enumerated().map { number, category in
            let vendor = Fleet.vendors[number % Fleet.vendors.count]
            return Array("\(vendor)-\(categories[category].name)-".utf8) + decimal(number, width: 4)
        }
        let slots = 0..<(productCount * Fleet.aspectsPerProduct)
        aspectName = slots.map { slot in
            let aspects = categories[categoryOf[slot / Fleet.aspectsPerProduct]].aspects
            return numbers[aspects[slot % Fleet.aspectsPerProduct]] ?? 0
        }
        isChoice = slots.map { _ in random.unit() < 0.6 }
        optionCount = slots.map { _ in Int32(3 + random.below(4)) }
        firstOption = slots.map { _ in Int32(random.below(Fleet.choices.count - 6)) }
        lowest = slots.map { _ in Int32(random.below(60)) }

        let popularity = Distribution(weights: (1...productCount).map { 1 / pow(Double($0), 1.1) })
        productOf = (0..<deviceCount).map { _ in Int32(popularity.draw(&random)) }
        devices = Fleet.distinct(deviceCount, below: 1 << 24, &random).map {
            Array("dv-0040a1fffe".utf8) + hexadecimal($0, width: 6)
        }
        customerOf = (0..<deviceCount).map { _ in Int32(random.below(customerCount)) }
        otherCustomerOf = (0..<deviceCount).map { _ in Int32(random.below(customerCount)) }
        customers = (0..<customerCount).map {
            Array("cu-".utf8) + hexadecimal(Int(UInt32(truncatingIfNeeded: $0 &* 2_654_435_761)), width: 8)
        }
    }

    /// The native source of a device: `product/serial`.
    package func source(of device: Int) -> [UInt8] {
        products[Int(productOf[device])] + [UInt8(ascii: "/")] + devices[device]
    }

    private static func distinct(_ count: Int, below bound: Int, _ random: inout SplitMix64) -> [Int] {
        var taken: Set<Int> = []
        var numbers: [Int] = []
        while numbers.count < count {
            let number = random.below(bound)
            if taken.insert(number).inserted { numbers.append(number) }
        }
        return numbers
    }
}

/// A number in decimal digits, with leading zeros up to `width`.
package func decimal(_ number: Int, width: Int = 0) -> [UInt8] {
    let digits = Array(String(number).utf8)
    return Array(repeating: UInt8(ascii: "0"), count: max(0, width - digits.count)) + digits
}

private func hexadecimal(_ number: Int, width: Int) -> [UInt8] {
    let digits = Array(String(number, radix: 16).utf8)
    return Array(repeating: UInt8(ascii: "0"), count: max(0, width - digits.count)) + digits
}

extension Fleet {
    fileprivate static let vendors = ["northwind", "acme", "kettleworks", "lumen", "harbor", "orbit"]

    fileprivate static let categories: [(name: String, aspects: String)] = [
        (
            "espresso",
            "brew.temperature brew.strength brew.volume grind.size milk.foam milk.temperature cup.size "
                + "preinfusion.time descale.interval standby.delay light.color sound.volume start.schedule "
                + "water.hardness clean.mode display.brightness display.language child.lock energy.mode favorite.recipe"
        ),
        (
            "washer",
            "wash.temperature wash.program spin.speed rinse.count dry.level dose.amount load.size delay.start "
                + "door.lock sound.volume display.language eco.mode steam.level soak.time drum.light finish.notify "
                + "anti.crease quiet.mode water.level fabric.kind"
        ),
        (
            "wearable",
            "pulse.alert step.goal screen.brightness watch.face vibration.level sleep.mode gps.accuracy "
                + "battery.saver stand.reminder notify.filter font.size gesture.wake workout.kind units.system "
                + "heart.zone water.reminder music.source strap.size voice.assistant sync.interval"
        ),
        (
            "settop",
            "audio.volume audio.language subtitle.size subtitle.language picture.mode picture.contrast home.layout "
                + "guide.zoom record.quality skip.length autoplay.delay parental.level remote.repeat hdmi.mode "
                + "standby.delay profile.kind search.voice ads.choice data.saver favorite.channel"
        ),
        (
            "thermostat",
            "heat.target cool.target fan.mode schedule.kind away.offset humidity.target sensor.weight "
                + "display.brightness display.units eco.mode lock.level boost.time filter.interval window.detect "
                + "sleep.offset holiday.mode comfort.level preheat.time zone.priority tariff.kind"
        ),
    ]

    fileprivate static let choices = [
        "low", "medium", "high", "strong", "mild", "auto", "manual", "morning", "evening", "night", "eco", "turbo",
        "classic", "compact", "detailed", "minimal", "red", "blue", "warm", "cool", "silent", "balanced",
    ]

    fileprivate static let parts = [
        "display", "handle", "start button", "morning schedule", "app pairing", "cleaning cycle", "cover", "menu",
        "sound", "door",
    ]
    fileprivate static let adjectives = [
        "confusing", "quick", "loud", "slow", "pleasant", "fragile", "bright", "dim", "reliable", "awkward",
    ]
    fileprivate static let occasions = [
        "after the update", "in the evening", "when it is cold", "for my children", "compared with the old model",
    ]
}
