// The columns of a block: the lists that events are taken apart into, and how many entries each of them has.

import Bytes
import Events

/// The columns of a block as lists of numbers; each has an entry only for the events that use it.
struct EventColumns {
    var shape: [UInt64] = []
    var device: [UInt64] = []
    var time: [UInt64] = []
    var arrival: [UInt64] = []
    var customer: [UInt64] = []
    var product: [UInt64] = []
    var epoch: [UInt64] = []
    var seq: [UInt64] = []
    var hash: [UInt64] = []
    var aspect: [UInt64] = []
    var rating: [UInt64] = []
    var whole: [UInt64] = []
    var decimal: [UInt64] = []
    var real: [UInt64] = []
    var symbol: [UInt64] = []
    var count: [UInt64] = []
    var unit: [UInt64] = []
    var language: [UInt64] = []
    var type: [UInt64] = []
    var textLength: [UInt64] = []
    var cause: [UInt64] = []
    var causeTag: [UInt64] = []
    var notice: [UInt64] = []
    var method: [UInt64] = []
    var expiry: [UInt64] = []
    var replays: [UInt64] = []
    var partCount: [UInt64] = []
    var part: [UInt64] = []
    var partLength: [UInt64] = []

    init() {}

    mutating func removeAll() {
        for column in Self.all { self[keyPath: column.list].removeAll(keepingCapacity: true) }
    }

    /// One column, and how many entries it has in a block.
    struct Column {
        let list: WritableKeyPath<EventColumns, [UInt64]>
        let size: KeyPath<ColumnSizes, Int>

        init(_ list: WritableKeyPath<EventColumns, [UInt64]>, _ size: KeyPath<ColumnSizes, Int>) {
            self.list = list
            self.size = size
        }
    }

    /// The number of a column's field in the message `Block`, by its index in `all`: 25 and 26 are the texts of blocks
    /// of format 2.
    static func field(_ index: Int) -> Int { index < 20 ? 5 + index : 7 + index }

    /// The index in `all` of a field of the message `Block`; nil for one that is no column.
    static func index(ofField number: Int) -> Int? {
        switch number {
        case 5...24: number - 5
        case 27..<(7 + count): number - 7
        default: nil
        }
    }

    static let count = 29
    /// The index of `partCount`; `part` and `partLength` follow.
    static let partCountIndex = 26

    /// Who writes, reads or empties all columns goes through this list.
    static var all: [Column] {
        [
            Column(\.shape, \.shape), Column(\.device, \.device), Column(\.time, \.time),
            Column(\.arrival, \.arrival), Column(\.customer, \.customer), Column(\.product, \.product),
            Column(\.epoch, \.epoch), Column(\.seq, \.seq), Column(\.hash, \.hash), Column(\.aspect, \.aspect),
            Column(\.rating, \.rating), Column(\.whole, \.whole), Column(\.decimal, \.decimal),
            Column(\.real, \.real), Column(\.symbol, \.symbol), Column(\.count, \.count), Column(\.unit, \.unit),
            Column(\.language, \.language), Column(\.type, \.type), Column(\.textLength, \.textLength),
            Column(\.cause, \.cause), Column(\.causeTag, \.causeTag), Column(\.notice, \.notice),
            Column(\.method, \.method), Column(\.expiry, \.expiry), Column(\.replays, \.replays),
            Column(\.partCount, \.partCount), Column(\.part, \.part), Column(\.partLength, \.partLength),
        ]
    }

    func write(to writer: inout ColumnWriter) {
        for (index, column) in Self.all.enumerated() {
            writer.append(Self.field(index), column: self[keyPath: column.list])
        }
    }

    /// Compares an event with its device's prediction, lists what differs and moves the prediction on.
    @inline(__always)
    mutating func predict(_ event: Event, _ entry: inout DevicePrediction.Entry) -> UInt64 {
        var fields: UInt64 = 0
        if event.customer.rawValue != entry.customer {
            if event.customer.rawValue == entry.other {
                fields |= Fields.otherCustomer
            } else {
                fields |= Fields.customer
                customer.append(UInt64(event.customer.rawValue))
            }
            entry.other = entry.customer
            entry.customer = event.customer.rawValue
        }
        if event.product.rawValue != entry.product {
            fields |= Fields.product
            product.append(UInt64(event.product.rawValue))
            entry.product = event.product.rawValue
        }
        if event.identity == .sequence {
            if event.epoch != entry.epoch {
                fields |= Fields.epoch
                epoch.append(UInt64(event.epoch))
                entry.epoch = event.epoch
                entry.seq = 0
            }
            let surprise = event.seq &- (entry.seq &+ 1)
            if surprise != 0 {
                fields |= Fields.seq
                seq.append(zigzag(Int64(bitPattern: surprise)))
            }
            entry.seq = max(entry.seq, event.seq)
        } else {
            if event.epoch != 0 {
                fields |= Fields.epoch
                epoch.append(UInt64(event.epoch))
            }
            if event.seq != 0 {
                fields |= Fields.seq
                hash.append(event.seq)
            }
        }
        return fields
    }

    /// Lists an event's value; returns the `decimals` of its shape.
    @inline(__always) mutating func appendValue(_ event: Event, _ fields: inout UInt64) -> UInt64 {
        switch event.valueKind {
        case .none: break
        case .flag: if event.valueBits != 0 { fields |= Fields.flag }
        case .symbol: symbol.append(event.valueBits)
        case .whole:
            let number = zigzag(Int64(bitPattern: event.valueBits))
            if event.kind == .ratingGiven { rating.append(number) } else { whole.append(number) }
        case .real: return appendReal(Double(bitPattern: event.valueBits))
        }
        return 0
    }

    private mutating func appendReal(_ number: Double) -> UInt64 {
        if number.magnitude < 1e15 {
            for decimals in 0...9 {
                let scaled = (number * powerOfTen(decimals)).rounded()
                guard scaled.magnitude < 9e15 else { break }
                // Both are exact, so the quotient is the double nearest to the decimal: what was parsed, or not.
                // An integer has no negative zero, so that is kept as bits.
                let mantissa = Int64(scaled)
                if (Double(mantissa) / powerOfTen(decimals)).bitPattern == number.bitPattern {
                    decimal.append(zigzag(mantissa))
                    return UInt64(decimals)
                }
            }
        }
        real.append(number.bitPattern)
        return ShapeKey.bits
    }

    /// Lists what few events have.
    @inline(__always) mutating func appendWords(_ event: Event, _ fields: inout UInt64) {
        if event.count != 1 {
            fields |= Fields.count
            count.append(UInt64(event.count))
        }
        if event.unit != .none {
            fields |= Fields.unit
            unit.append(UInt64(event.unit.rawValue))
        }
        if event.language != .none {
            fields |= Fields.language
            language.append(UInt64(event.language.rawValue))
        }
        if event.type != .none {
            fields |= Fields.type
            type.append(UInt64(event.type.rawValue))
        }
        if event.textLength > 0 {
            fields |= Fields.text
            textLength.append(UInt64(event.textLength))
        }
    }

    /// Lists what an event says besides; returns how many bytes its parts have.
    @inline(never) mutating func appendDetails(_ details: EventDetails, _ fields: inout UInt64) -> Int {
        if details.cause != 0 {
            fields |= Fields.cause
            cause.append(UInt64(details.cause))
        }
        if details.hasCauseTag {
            fields |= Fields.causeTag
            causeTag.append(UInt64(details.causeTag))
        }
        if details.notice != .none || details.method != .none || details.expiry.rawValue != 0 {
            fields |= Fields.consent
            notice.append(UInt64(details.notice.rawValue))
            method.append(UInt64(details.method.rawValue))
            expiry.append(zigzag(details.expiry.rawValue))
        }
        if let offset = details.replays {
            fields |= Fields.replays
            replays.append(offset.rawValue)
        }
        var (count, bytes): (UInt64, Int) = (0, 0)
        for tag in PartTag.allCases {
            let written = details[keyPath: tag.part]
            guard !written.isEmpty else { continue }
            count += 1
            bytes += Int(written.length)
            part.append(tag.code(of: written))
            partLength.append(UInt64(written.length))
        }
        if count > 0 {
            fields |= Fields.parts
            partCount.append(count)
        }
        return bytes
    }
}

/// How many entries each column has, as the shapes of the events say; also used as the position in each.
struct ColumnSizes {
    var shape = 0
    var device = 0
    var time = 0
    var arrival = 0
    var customer = 0
    var product = 0
    var epoch = 0
    var seq = 0
    var hash = 0
    var aspect = 0
    var rating = 0
    var whole = 0
    var decimal = 0
    var real = 0
    var symbol = 0
    var count = 0
    var unit = 0
    var language = 0
    var type = 0
    var textLength = 0
    var cause = 0
    var causeTag = 0
    var notice = 0
    var method = 0
    var expiry = 0
    var replays = 0
    var partCount = 0
    var part = 0
    var partLength = 0

    init() {}

    init(_ indices: Span<UInt64>, _ shapes: [ShapeTemplate]) throws(Malformed) {
        var uses = Array(repeating: 0, count: shapes.count)
        for index in indices.indices {
            guard indices[index] < UInt64(shapes.count) else { throw .block }
            uses[Int(indices[index])] += 1
        }
        for (shape, uses) in zip(shapes, uses) { add(shape, uses) }
    }

    private mutating func add(_ template: ShapeTemplate, _ uses: Int) {
        shape += uses
        device += uses
        func has(_ bit: UInt64) -> Int { template.fields & bit != 0 ? uses : 0 }
        time += uses - has(Fields.timeIsArrival)
        arrival += has(Fields.arrival)
        customer += template.fields & Fields.otherCustomer != 0 ? 0 : has(Fields.customer)
        product += has(Fields.product)
        epoch += has(Fields.epoch)
        let isSequence = template.event.identity == .sequence
        seq += isSequence ? has(Fields.seq) : 0
        hash += isSequence ? 0 : has(Fields.seq)
        aspect += has(Fields.aspect)
        count += has(Fields.count)
        unit += has(Fields.unit)
        language += has(Fields.language)
        type += has(Fields.type)
        textLength += has(Fields.text)
        cause += has(Fields.cause)
        causeTag += has(Fields.causeTag)
        notice += has(Fields.consent)
        method += has(Fields.consent)
        expiry += has(Fields.consent)
        replays += has(Fields.replays)
        partCount += has(Fields.parts)
        switch template.event.valueKind {
        case .none, .flag: break
        case .symbol: symbol += uses
        case .whole: if template.event.kind == .ratingGiven { rating += uses } else { whole += uses }
        case .real: if template.decimals == ShapeKey.bits { real += uses } else { decimal += uses }
        }
    }
}
