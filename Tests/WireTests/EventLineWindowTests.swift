// Lines that are decoded together give what they give one by one.
import Events
import Testing
import TidingsTesting
import Wire

/// What reading lines leaves behind.
private struct LinesRead: Equatable {
    var batch = EventBatch()
    var refusals: [Refusal?] = []
    var devices = 0
    var customers = 0
    var symbols: [Int] = []

    mutating func count(_ vocabulary: borrowing Vocabulary) {
        devices = vocabulary.deviceCount
        customers = vocabulary.customerCount
        for kind in SymbolKind.allCases { symbols.append(vocabulary.count(kind)) }
    }
}

private let arrival = Timestamp(rawValue: 1_800_000_000_000)

private func oneByOne(_ lines: [[UInt8]]) -> LinesRead {
    var reading = LinesRead()
    var vocabulary = Vocabulary()
    for line in lines {
        do throws(Refusal) {
            try readEventLine(line.span, arrival: arrival, vocabulary: &vocabulary, into: &reading.batch)
            reading.refusals.append(nil)
        } catch {
            reading.refusals.append(error)
        }
    }
    reading.count(vocabulary)
    return reading
}

private func together(_ lines: [[UInt8]]) -> LinesRead {
    var reading = LinesRead()
    var vocabulary = Vocabulary()
    var window = EventLineWindow()
    var next = 0
    while next < lines.count {
        let some = lines[next..<min(next + EventLineWindow.capacity, lines.count)]
        var bytes: [UInt8] = []
        for line in some {
            bytes += line + [0x0a]
            window.add(bytes.span, (bytes.count - 1 - line.count)..<(bytes.count - 1))
        }
        window.search(bytes.span, &vocabulary)
        for index in 0..<window.count {
            do throws(Refusal) {
                _ = try window.append(
                    index, bytes.span, arrival: arrival, vocabulary: &vocabulary, into: &reading.batch)
                reading.refusals.append(nil)
            } catch {
                reading.refusals.append(error)
            }
        }
        window.removeAll()
        next = some.endIndex
    }
    reading.count(vocabulary)
    return reading
}

/// A line with names out of few, in every form that a line may have, and now and then damaged.
private func line(_ generator: inout SeededGenerator) -> [UInt8] {
    let (product, device, customer) = (generator.below(4), generator.below(40), generator.below(30))
    var text =
        switch generator.below(5) {
        case 0: #"{"source":"p\#(product)/d\#(device)""#
        case 1: #"{"specversion":"1.0","id":"\#(device)-1","source":"urn:dev:ops:1-p\#(product)-\#(device)""#
        case 2: #"{"product":"p\#(product)","source":"https://example.org/\#(device)""#
        case 3: #"{"product":"p\u003\#(product)","device":"d\u003\#(device % 10)""#
        default: #"{"product":"p\#(product)","device":"d\#(device)""#
        }
    text += generator.chance(3) ? "" : #","\#(generator.chance(2) ? "customer" : "subject")":"cu-\#(customer)""#
    let aspects = ["door.sound", "Fan", "a", "a.b.c", #"\u0061"#]
    text += #","type":"preference.set","aspect":"\#(aspects[generator.below(aspects.count)])""#
    let padding = String(repeating: "x", count: generator.below(20))
    text += #","value":"word-\#(generator.below(20))","unknown":"\#(padding)"}"#
    var line = bytes(text)
    if generator.chance(10) { line[generator.below(line.count)] = UInt8(truncatingIfNeeded: generator.next()) }
    if generator.chance(20) { line.removeLast(generator.below(line.count)) }
    return line.filter { $0 != 0x0a }
}

@Suite struct EventLineWindowTests {
    @Test func togetherIsAsOneByOne() {
        let seed = UInt64.random(in: .min ... .max)
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<200 {
            let lines = (0..<generator.below(100)).map { _ in line(&generator) }
            #expect(together(lines) == oneByOne(lines), "seed \(seed)")
        }
    }

    @Test func aNameThatIsNewInTheWindowIsGivenOutOnce() {
        let lines = (0..<EventLineWindow.capacity).map { number in
            bytes(#"{"product":"p","device":"d","id":\#(number + 1),"type":"feature.used","aspect":"a"}"#)
        }
        let reading = together(lines)
        #expect(reading.devices == 1)
        #expect(reading.batch.events.allSatisfy { $0.device == DeviceID(rawValue: 1) })
        #expect(reading.batch.count == lines.count)
    }

    @Test func stringsEndWhereTheyEndWhateverStandsAround() throws {
        // The scanner looks at eight bytes at once: every length, and every byte that ends or spoils a string.
        for length in 0..<40 {
            let name = String(repeating: "n", count: length)
            let good = bytes(#"{"product":"p","device":"d\#(name)","type":"x","note":"\#(name)é"}"#)
            #expect(oneByOne([good]).refusals == [nil], "length \(length)")
            for bad in ["\u{1}", "\u{1f}", "\\x", "\n"] {
                let spoilt = bytes(#"{"product":"p","device":"d","note":"\#(name)\#(bad)more than eight bytes"}"#)
                #expect(oneByOne([spoilt]).refusals == [.malformedJSON], "length \(length), \(bad.debugDescription)")
            }
        }
    }
}
