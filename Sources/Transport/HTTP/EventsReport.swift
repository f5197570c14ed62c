// What became of the events of one request: counted, and those named that were not simply stored.

import Admission
import Bytes
import Events
import Wire

struct EventsReport: Sendable {
    private(set) var received = 0
    private(set) var stored = 0
    private(set) var duplicate = 0
    /// Entries of the lists of the answer, joined by commas.
    private var stale: [UInt8] = []
    private var quarantined: [UInt8] = []
    private var refused: [UInt8] = []
    /// Events that are not simply stored: all, and those that are named.
    private var told = 0
    private var named = 0
    private(set) var refusals = 0
    private var firstRefusal: Refusal?
    /// The refusal of the request as a whole.
    private var wholeRefusal: Refusal?
    /// How soon the sender may try again.
    var retryAfter = 1

    /// Bytes that the answer will have, about.
    var size: Int { 128 + stale.count + quarantined.count + refused.count }

    /// Whether any event was taken, be it as a duplicate.
    private var tookAny: Bool { received > refusals }

    var status: HTTPStatus {
        if let wholeRefusal { return HTTPStatus(wholeRefusal) }
        if let firstRefusal, !tookAny { return HTTPStatus(firstRefusal) }
        return .ok
    }

    /// Whether the next one that is named gets a text of its own: they cost time, and nobody reads many.
    var explainsMore: Bool { named < HTTPLimits.explainedEvents }

    /// - Parameter index: which event of the request it is, from 0.
    mutating func refuse(
        _ refusal: Refusal, index: Int, text: @autoclosure () -> String, isAlwaysNamed: Bool = false
    ) {
        received += 1
        refusals += 1
        if firstRefusal == nil { firstRefusal = refusal }
        name(.refused(refusal), index, text(), in: \.refused, isAlwaysNamed: isAlwaysNamed)
    }

    /// The request ends here: what has not been read of it is refused.
    mutating func refuseRest(_ refusal: Refusal, index: Int?, text: @autoclosure () -> String) {
        if let index { refuse(refusal, index: index, text: text(), isAlwaysNamed: true) }
        if wholeRefusal == nil { wholeRefusal = refusal }
    }

    /// Takes up what admission says of some events.
    mutating func add(_ result: AdmissionResult, of count: Int) {
        received += count
        stored += result.accepted
        duplicate += result.duplicates
        told += result.quarantined + result.stale
    }

    /// Names an event that `add` has counted.
    mutating func tell(_ verdict: Verdict, index: Int, text: @autoclosure () -> String) {
        told -= 1
        switch verdict {
        case .stale: name(.told(verdict), index, text(), in: \.stale)
        case .quarantined: name(.told(verdict), index, text(), in: \.quarantined)
        }
    }

    @inline(never)
    private mutating func name(
        _ verdict: LineVerdict, _ index: Int, _ text: @autoclosure () -> String,
        in list: WritableKeyPath<EventsReport, [UInt8]>, isAlwaysNamed: Bool = false
    ) {
        told += 1
        guard isAlwaysNamed || named < HTTPLimits.namedEvents else { return }
        named += 1
        var entry: [UInt8] = self[keyPath: list].isEmpty ? [] : [UInt8(ascii: ",")]
        entry.append("{\"index\":")
        appendDecimal(UInt64(index), to: &entry)
        entry.append(",\"code\":")
        appendDecimal(UInt64(verdict.code), to: &entry)
        entry.append(",\"reason\":\"")
        entry.append(verdict.reason ?? "stale")
        entry.append("\",\"text\":")
        appendJSONString(Array(text().utf8).span, to: &entry)
        entry.append("}")
        self[keyPath: list] += entry
    }

    /// `{"received":N,...}` and a newline.
    func write(into output: inout [UInt8]) {
        let counts: [(String, Int)] = [
            ("{\"received\":", received), (",\"stored\":", stored), (",\"duplicate\":", duplicate),
        ]
        for (key, count) in counts {
            output.append(key)
            appendDecimal(UInt64(count), to: &output)
        }
        if stale.isEmpty, quarantined.isEmpty, refused.isEmpty, told == named {
            return output.append(",\"stale\":[],\"quarantined\":[],\"refused\":[]}\n")
        }
        output.append(",\"stale\":[")
        output += stale
        output.append("],\"quarantined\":[")
        output += quarantined
        output.append("],\"refused\":[")
        output += refused
        output.append("]")
        if told > named {
            output.append(",\"more\":")
            appendDecimal(UInt64(told - named), to: &output)
        }
        output.append("}\n")
    }
}
