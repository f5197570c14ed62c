// What became of the lines of a datagram, told in no more bytes than the datagram had.

import Events

/// The verdicts on some lines of one datagram.
struct DatagramVerdicts: Sendable {
    private struct Told: Sendable {
        var verdict: LineVerdict
        var line: UInt64
        var text: String
    }

    private var all: [Told] = []

    /// - Parameter text: is asked for only if the verdict may still be told.
    mutating func add(_ verdict: LineVerdict, line: UInt64, text: () -> String) {
        guard all.count < TransportLimits.verdictsPerAck else { return }
        all.append(Told(verdict: verdict, line: line, text: text()))
    }

    /// Appends as much as fits: all with their words, else all without, else their codes alone, as many as fit.
    func write(limit: Int, into output: inout [UInt8]) {
        guard !all.isEmpty else { return }
        let start = output.count
        for told in all { writeLineVerdict(told.verdict, line: told.line, text: told.text, into: &output) }
        if output.count - start <= limit { return }
        output.removeLast(output.count - start)
        for told in all { writeLineVerdict(told.verdict, line: told.line, text: "", into: &output) }
        if output.count - start <= limit { return }
        output.removeLast(output.count - start)
        for told in all {
            let before = output.count
            writeShortVerdict(told.verdict, into: &output)
            if output.count - start > limit {
                output.removeLast(output.count - before)
                return
            }
        }
    }
}
