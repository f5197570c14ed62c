// Random input for the tests: batches of the generated types.
import Bytes
import Events
import SwiftProtobuf
import Testing
import TidingsTesting
import Wire

extension SeededGenerator {
    mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self) }
    mutating func chance(_ oneIn: Int) -> Bool { below(oneIn) == 0 }

    /// A number of any magnitude.
    mutating func magnitude() -> UInt64 { next() >> UInt64(below(64)) }
}

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

/// The bytes of pairs of hexadecimal digits; white space and everything behind `#` on a line is skipped.
func hex(_ text: String) -> [UInt8] {
    let digits = text.split(separator: "\n").flatMap { line in
        line.prefix { $0 != "#" }.compactMap(\.hexDigitValue).map { UInt8($0) }
    }
    return stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

// `#expect` cannot hold a span, so these take arrays.

func findFrame(_ bytes: [UInt8], at start: Int = 0) throws(Refusal) -> Frame? {
    try readFrame(bytes.span, at: start)
}

func readHeader(_ bytes: [UInt8]) throws(Refusal) -> DatagramHeader { try DatagramHeader.read(bytes.span) }

func inflated(_ bytes: [UInt8], limit: Int) throws(Refusal) -> [UInt8] {
    var output: [UInt8] = []
    try inflateBody(bytes.span, limit: limit, into: &output)
    return output
}

func deflatedBytes(_ bytes: [UInt8], level: Int32 = 1) -> [UInt8]? { deflated(bytes.span, level: level) }

/// Strings that may stand in a table: good and bad ones for every role.
let tableStrings = [
    "kettle/k-1", "kettle/k-2", "urn:dev:ops:32473-oven-7", "https://example.org/x", "toaster", "door.sound", "fan",
    "a.b.c.d.e.f.g.h", "a.b.c.d.e.f.g.h.i", "Fan", "cu-1", "cu-2", "eco", "Cel", "en", "com.acme.x", "größe", "",
    "true", "false", "4", "3.5", "4x", String(repeating: "x", count: 70), String(repeating: "v", count: 300),
]

/// Ids: numbers, hashes, words, and what is none.
private let ids = [
    "7-42", "0-18446744073709551615", "0-18446744073709551616", "07-42", "#0123456789abcdef", "#0123456789ABCDEF",
    "3e4666bf-d5e5-4aa7-b8ce-cefe41c7568a", "ü", "", String(repeating: "i", count: 64),
    String(repeating: "i", count: 65),
]

/// Properties that no schema knows, and what is none.
private let extras = [#"{"x":1,"y":"z"}"#, #"{"x":true}"#, #"{"device":"d-1","aspect":"a"}"#, "[1]", "{", "{}"]

extension SeededGenerator {
    /// A batch with up to `events` events, most of them sensible.
    mutating func batch(events: Int) -> Tidings_Wire_V1_Batch {
        var batch = Tidings_Wire_V1_Batch()
        let defines = below(tableStrings.count + 1)
        batch.define = (0..<defines).map { tableStrings[$0] }
        if !chance(4) { batch.epoch = UInt32(below(5)) }
        if !chance(4) { batch.seq = magnitude() }
        if !chance(3) { batch.timeMs = Int64(1_700_000_000_000 + below(1_000_000)) }
        if chance(3) { batch.ageMs = UInt32(below(100_000)) }
        if chance(3) { batch.oldest = magnitude() }
        if defines > 0, !chance(4) { batch.device = UInt32(1 + below(min(defines, 3))) }
        batch.events = (0..<below(events + 1)).map { _ in event(table: defines) }
        return batch
    }

    private mutating func reference(_ table: Int) -> UInt32 {
        chance(400) ? UInt32(below(30)) : table == 0 ? 0 : UInt32(1 + below(table))
    }

    mutating func event(table: Int) -> Tidings_Wire_V1_Event {
        var event = Tidings_Wire_V1_Event()
        event.kind = chance(20) ? UInt32(below(400)) : UInt32(1 + below(10))
        if chance(8) { event.dseq = UInt32(below(4)) }
        if !chance(3) { event.dtMs = Int64(below(20_000)) - 10_000 }
        if !chance(4) { event.aspect = reference(table) }
        switch below(9) {
        case 0: event.whole = Int64(bitPattern: magnitude())
        case 1: event.whole = Int64(below(100)) - 50
        case 2: event.real = Float(below(10_000)) / 10
        case 3: event.real = Float(bitPattern: UInt32(truncatingIfNeeded: next()))
        case 4: event.real64 = chance(3) ? Double(bitPattern: next()) : Double(below(100)) / 3
        case 5: if table > 0 { event.ref = UInt32(1 + below(table)) }
        case 6: event.flag = chance(2)
        case 7: if chance(4) { (event.whole, event.flag) = (3, true) }
        default: break
        }
        if chance(6) { event.text = chance(30) ? String(repeating: "é", count: below(3_000)) : "wet — lid" }
        if chance(6) { event.severity = UInt32(chance(20) ? below(1_000) : below(25)) }
        if chance(4) { event.count = UInt32(truncatingIfNeeded: magnitude()) }
        if chance(8) { event.scale = UInt32(chance(20) ? below(1_000) : below(11)) }
        if chance(6) { event.unit = reference(table) }
        if chance(6) { event.lang = reference(table) }
        if table > 0, chance(6) { event.device = UInt32(1 + below(min(table, 3))) }
        if table > 12, chance(3) { event.subject = UInt32(11 + below(2)) }
        if chance(20) { event.aspectName = chance(2) ? "lid.angle" : "Lid" }
        if chance(10) { event.typeRef = reference(table) }
        if chance(10) {
            event.cause = ["m17", "m4294967295-0123abcd", "m0", "m4294967296", "m01", "m1-", "n-1"][below(7)]
        }
        if chance(12) { event.id = ids[below(ids.count)] }
        if chance(12) { event.origin = UInt32(below(5)) }
        if chance(12) { event.extra = extras[below(extras.count)] }
        if chance(10) { event.notice = reference(table) }
        if chance(10) { event.method = reference(table) }
        if chance(10) { event.expiryMs = Int64(bitPattern: magnitude()) }
        if chance(20) { event.schema = 1 }
        if chance(3) { event.seq = magnitude() }
        if chance(3) { event.epoch = UInt32(below(9)) }
        return event
    }
}
