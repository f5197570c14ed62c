// The hand-written reader against the generated types: 100,000 random batches, and damaged ones.
import Events
import SwiftProtobuf
import Testing
import TidingsTesting
import Wire

/// An event with its names written out: what both readers must agree on.
private struct Plain: Equatable {
    var device = ""
    var product = ""
    var customer = ""
    var aspect = ""
    var unit = ""
    var language = ""
    var type = ""
    var text = ""
    var kind = EventKind.custom
    var value = PlainValue.none
    var identity = Identity.none
    var epoch: UInt32 = 0
    var seq: UInt64 = 0
    var time: Int64 = 0
    var clock = Clock.device
    var count: UInt32 = 1
    var severity: UInt8 = 0
    var scale: UInt8 = 0
    var quarantine = QuarantineReason.none
    var origin = Origin.none
    var cause = ""
    var notice = ""
    var method = ""
    var expiry: Int64 = 0
    var extra = ""
    /// Whether it is kept as it came.
    var isRaw = false

    enum PlainValue: Equatable {
        case none
        case whole(Int64)
        case real(Double)
        case word(String)
        case flag(Bool)
    }

    init() {}

    init(_ event: Event, _ reading: Reading) {
        func text(_ bytes: ArraySlice<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }
        let names = reading.vocabulary
        device = text(names.name(of: event.device))
        product = text(names.text(.product, event.product))
        customer = text(names.name(of: event.customer))
        aspect = text(names.text(.aspect, event.aspect))
        unit = text(names.text(.unit, event.unit))
        language = text(names.text(.language, event.language))
        type = text(names.text(.type, event.type))
        self.text = text(reading.batch.text(of: event))
        (kind, identity, epoch, seq) = (event.kind, event.identity, event.epoch, event.seq)
        (time, clock, count, severity, scale) = (
            event.time.rawValue, event.clock, event.count, event.severity, event.scale
        )
        (quarantine, origin) = (event.quarantine, event.origin)
        let details = reading.batch.details(of: event)
        var id: [UInt8] = []
        details.appendCause(to: &id)
        cause = text(id[...])
        notice = text(names.text(.value, details.notice))
        method = text(names.text(.value, details.method))
        expiry = details.expiry.rawValue
        extra = text(reading.batch.bytes(of: details.extra))
        isRaw = !details.raw.isEmpty
        switch event.value {
        case .none: value = .none
        case .whole(let number): value = .whole(number)
        case .real(let number): value = .real(number)
        case .symbol(let id): value = .word(text(names.text(.value, id)))
        case .flag(let flag): value = .flag(flag)
        }
    }

    mutating func blame(_ reason: QuarantineReason) {
        if quarantine == .none { quarantine = reason }
    }
}

/// What a batch on a new connection means, from the generated types: slow and plain.
private struct Oracle {
    let batch: Tidings_Wire_V1_Batch
    let arrival: Timestamp
    /// The pseudonym of the batch's own device is the first that a new vocabulary gives out.
    let batchDevice: UInt32

    func events() throws(Refusal) -> [Plain] {
        if batch.catalogue != 0 { throw .unknownReference }
        var (device, product) = ("", "")
        if batch.device != 0 { (device, product) = try source(batch.device) }
        var seq = batch.seq &- 1
        var events: [Plain] = []
        for event in batch.events {
            seq &+= UInt64(max(event.dseq, 1))
            events.append(try plain(event, seq, device, product))
        }
        // What few events say is read when all else is.
        for (index, event) in batch.events.enumerated() { try rest(event, &events[index]) }
        return events
    }

    private func rest(_ event: Tidings_Wire_V1_Event, _ plain: inout Plain) throws(Refusal) {
        if event.hasID {
            guard (1...64).contains(event.id.utf8.count) else { throw .badIdentity }
            if let parts = event.id.wholeMatch(of: #/(0|[1-9][0-9]*)-(0|[1-9][0-9]*)/#),
                let epoch = UInt32(parts.1), let seq = UInt64(parts.2)
            {
                (plain.identity, plain.epoch, plain.seq) = (.sequence, epoch, seq)
            } else {
                (plain.identity, plain.epoch) = (.hash, 0)
                let hash = event.id.wholeMatch(of: #/#([0-9a-f]{16})/#).flatMap { UInt64($0.1, radix: 16) }
                plain.seq = hash ?? identityHash(Array(event.id.utf8).span)
            }
        }
        switch event.origin {
        case 0: break
        case 1: plain.origin = .user
        case 2: plain.origin = .default
        case 3: plain.origin = .rule
        default: plain.blame(.outOfRange)
        }
        if !event.cause.isEmpty {
            if let parts = event.cause.wholeMatch(of: #/m([1-9][0-9]*)(-[0-9a-f]{8})?/#), UInt32(parts.1) != nil {
                plain.cause = event.cause
            } else {
                plain.blame(.unknownCause)
            }
        }
        if plain.kind == .consentGiven || plain.kind == .consentWithdrawn {
            if event.notice != 0 { plain.notice = try word(event.notice, 256, &plain) ?? "" }
            if event.method != 0 { plain.method = try word(event.method, 256, &plain) ?? "" }
            plain.expiry = event.expiryMs
        }
        plain.extra = event.extra.hasPrefix("{\"x\"") ? event.extra : ""
        plain.isRaw = plain.quarantine != .none
    }

    private func entry(_ reference: UInt32) throws(Refusal) -> String {
        guard reference >= 1, Int(reference) <= batch.define.count else { throw .unknownReference }
        return batch.define[Int(reference) - 1]
    }

    private func source(_ reference: UInt32) throws(Refusal) -> (String, String) {
        let text = try entry(reference)
        if text.hasPrefix("urn:dev:ops:") { return (text, String(text.split(separator: "-")[1])) }
        if text.isEmpty { throw .noDevice }
        guard !text.contains("://"), let slash = text.firstIndex(of: "/") else { throw .noProduct }
        return (String(text[text.index(after: slash)...]), String(text[..<slash]))
    }

    private func plain(
        _ event: Tidings_Wire_V1_Event, _ seq: UInt64, _ device: String, _ product: String
    ) throws(Refusal) -> Plain {
        var plain = Plain()
        let readsReference = value(event, &plain)
        plain.count = max(event.count, 1)
        plain.severity = UInt8(clamping: event.severity)
        plain.scale = UInt8(clamping: event.scale)
        (plain.device, plain.product) = (device, product)
        if event.device != 0 { (plain.device, plain.product) = try source(event.device) }
        if plain.device.isEmpty { throw .noDevice }
        identify(event, seq, &plain)
        time(event, &plain)
        if event.aspect != 0 { aspect(try entry(event.aspect), &plain) }
        if readsReference {
            if let word = try word(event.ref, 256, &plain) { plain.value = meant(word, event.kind) }
        }
        if event.subject != 0 {
            plain.customer = try entry(event.subject)
            guard (1...64).contains(plain.customer.utf8.count) else { throw .badIdentity }
        }
        plain.kind = EventKind(rawValue: UInt8(clamping: event.kind)) ?? .custom
        if plain.kind == .featureUsed {
            switch plain.value {
            case .whole(let number) where number < 0: plain.blame(.outOfRange)
            case .real(let number) where number < 0: plain.blame(.outOfRange)
            default: break
            }
        }
        if !plain.kind.isUplink {
            plain.blame(.unknownType)
            if event.typeRef != 0 {
                let word = try entry(event.typeRef)
                plain.type = word.utf8.count <= 256 ? word : ""
            } else if event.kind != 0, plain.kind != .custom {
                plain.type = plain.kind.name.description
            }
            plain.kind = .custom
        }
        if event.unit != 0 { plain.unit = try word(event.unit, 32, &plain) ?? "" }
        if event.lang != 0 { plain.language = try word(event.lang, 32, &plain) ?? "" }
        if event.aspect == 0, !event.aspectName.isEmpty { aspect(event.aspectName, &plain) }
        plain.text = event.text
        while plain.text.utf8.count > 4_096 {
            plain.blame(.textTooLong)
            plain.text.unicodeScalars.removeLast()
        }
        return plain
    }

    /// What a word is as a value of a kind.
    private func meant(_ word: String, _ kind: UInt32) -> Plain.PlainValue {
        let isConsent = [8, 9].contains(kind)
        if kind == 2, let number = Double(word), word.first?.isNumber == true {
            return number.rounded() == number ? .whole(Int64(number)) : .real(number)
        }
        if !isConsent, let flag = Bool(word) { return .flag(flag) }
        return .word(word)
    }

    private func word(_ reference: UInt32, _ limit: Int, _ plain: inout Plain) throws(Refusal) -> String? {
        let word = try entry(reference)
        if (1...limit).contains(word.utf8.count) { return word }
        plain.blame(.textTooLong)
        return nil
    }

    private func aspect(_ text: String, _ plain: inout Plain) {
        let words = text.split(separator: ".", omittingEmptySubsequences: false)
        let letters = Set("abcdefghijklmnopqrstuvwxyz0123456789_")
        let isGood =
            text.utf8.count <= 64 && words.count <= 8
            && words.allSatisfy { !$0.isEmpty && $0.allSatisfy(letters.contains) }
        if isGood { plain.aspect = text } else { plain.blame(.badAspect) }
    }

    private func identify(_ event: Tidings_Wire_V1_Event, _ seq: UInt64, _ plain: inout Plain) {
        if event.device != 0, event.seq != 0 {
            (plain.identity, plain.epoch, plain.seq) = (.sequence, event.epoch, event.seq)
        } else if batch.seq == 0 {
            plain.identity = .none
        } else if event.device == 0 {
            (plain.identity, plain.epoch, plain.seq) = (.sequence, batch.epoch, seq)
        } else {
            plain.identity = .hash
            plain.seq = identityHash(Array("\(batch.device == 0 ? 0 : batchDevice)/\(batch.epoch)/\(seq)".utf8).span)
        }
    }

    private func time(_ event: Tidings_Wire_V1_Event, _ plain: inout Plain) {
        if batch.timeMs != 0 {
            plain.time = batch.timeMs &+ event.dtMs
        } else if batch.ageMs != 0 {
            (plain.time, plain.clock) = (arrival.rawValue - Int64(batch.ageMs) + event.dtMs, .age)
        } else {
            (plain.time, plain.clock) = (arrival.rawValue, .arrival)
        }
    }

    /// The value, unless it is a reference; whether it is one.
    private func value(_ event: Tidings_Wire_V1_Event, _ plain: inout Plain) -> Bool {
        func number(_ number: Double?) -> Plain.PlainValue? {
            guard let number, number.isFinite else { return nil }
            let isWhole = number.rounded() == number && number.magnitude < 0x1p53
            return isWhole ? .whole(Int64(number)) : .real(number)
        }
        // The generated types write these fields in this order, and the first one counts.
        var values: [Plain.PlainValue?] = []
        if event.hasWhole { values.append(event.whole.magnitude < 1 << 53 ? .whole(event.whole) : nil) }
        if event.hasReal { values.append(number(event.real.isFinite ? Double(event.real.description) : nil)) }
        let readsReference = values.isEmpty && event.hasRef
        if event.hasRef { values.append(Plain.PlainValue.none) }
        if event.hasFlag { values.append(.flag(event.flag)) }
        if event.hasReal64 { values.append(number(event.real64)) }
        if let first = values.first {
            if let first { plain.value = first } else { plain.blame(.notFinite) }
        }
        if values.count > 1 { plain.blame(.wrongValueType) }
        if event.severity > 255 || event.scale > 255 { plain.blame(.outOfRange) }
        return readsReference
    }
}

struct OracleTests {
    private func expect(_ message: Tidings_Wire_V1_Batch, _ reading: Reading, _ comment: Comment) {
        let oracle = Oracle(batch: message, arrival: reading.arrival, batchDevice: 1)
        #expect(
            throws: Never.self, comment,
            performing: {
                let expected = try oracle.events()
                let found = reading.batch.events.map { Plain($0, reading) }
                #expect(found.count == expected.count, comment)
                for (index, pair) in zip(found, expected).enumerated() {
                    #expect(pair.0 == pair.1, "event \(index) of \(comment)")
                }
            })
    }

    @Test func theReaderAgreesWithTheGeneratedTypesOn100000Batches() throws {
        let seed: UInt64 = 20_260_101
        var generator = SeededGenerator(seed: seed)
        var refused = 0
        var events = 0
        for round in 0..<100_000 {
            let message = generator.batch(events: 6)
            let body: [UInt8] = try message.serializedBytes()
            let decoded = try Tidings_Wire_V1_Batch(serializedBytes: body)
            var reading = Reading()
            reading.keepsUnknown = true
            do throws(Refusal) {
                _ = try reading.read(body)
                events += reading.batch.count
                expect(decoded, reading, "batch \(round) of seed \(seed)")
            } catch let refusal {
                refused += 1
                #expect(reading.batch == EventBatch(), "batch \(round) of seed \(seed)")
                let oracle = Oracle(batch: decoded, arrival: reading.arrival, batchDevice: 1)
                #expect(throws: refusal, "batch \(round) of seed \(seed)") { try oracle.events() }
            }
        }
        // Otherwise the comparison proves little.
        #expect(events > 150_000 && refused > 1_000 && refused < 50_000, "\(events) events, \(refused) refused")
    }

    @Test func damagedBodiesNeverCrashAndAreNeverReadWhereProtobufRefuses() throws {
        let seed: UInt64 = 7
        var generator = SeededGenerator(seed: seed)
        var accepted = 0
        for round in 0..<20_000 {
            var body: [UInt8] = try generator.batch(events: 4).serializedBytes()
            guard !body.isEmpty else { continue }
            for _ in 0...generator.below(3) {
                switch generator.below(4) {
                case 0: body[generator.below(body.count)] = UInt8(truncatingIfNeeded: generator.next())
                case 1: body[generator.below(body.count)] ^= 1 << UInt8(generator.below(8))
                case 2: body.removeLast(generator.below(body.count))
                default: body.insert(UInt8(truncatingIfNeeded: generator.next()), at: generator.below(body.count))
                }
                if body.isEmpty { break }
            }
            var reading = Reading()
            let refusal = (try? reading.read(body)) == nil
            if refusal {
                #expect(reading.batch == EventBatch(), "round \(round) of seed \(seed)")
            } else {
                accepted += 1
                #expect(throws: Never.self, "round \(round) of seed \(seed)") {
                    try Tidings_Wire_V1_Batch(serializedBytes: body)
                }
            }
        }
        #expect(accepted > 1_000)
    }
}
