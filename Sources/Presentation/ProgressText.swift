// How far long work has come, in one line.

/// Says what is done, its share, the rate and the time left: `rebuild  1,200,000 of 2,000,000 events  60.0 %  …`.
package struct ProgressText: Sendable {
    package enum Unit: Sendable { case events, bytes }

    private let work: String
    private let unit: Unit

    /// - Parameter work: what is done, in a word.
    package init(_ work: String, _ unit: Unit) { (self.work, self.unit) = (work, unit) }

    /// The line, in the longest form that fits.
    ///
    /// - Parameters:
    ///   - total: 0 when it is not known.
    ///   - seconds: since the work began.
    package func line(done: UInt64, total: UInt64, seconds: Double, width: Int) -> String {
        let rate = seconds > 0 ? Double(done) / seconds : 0
        var parts = [work + "  " + amount(done, of: total)]
        if total > 0 {
            // Rounded down: it is done when it is done.
            let share = min(1, Double(done) / Double(total))
            parts.append(percent((share * 1_000).rounded(.down) / 1_000))
        }
        if rate > 0 {
            parts.append(speed(rate))
            if done < total { parts.append("\(clock(Double(total - done) / rate)) left") }
        }
        let separator = "  "
        // The rate is what is missed least, and the time left the most.
        let short = parts.filter { !$0.hasSuffix("/s") }
        let forms = [parts, short, [work] + short.dropFirst(), total > 0 ? [work, parts[1]] : [work]]
        let lines = forms.map { $0.joined(separator: separator) }
        return lines.first { columns($0) <= width } ?? cut(lines[lines.count - 1], max(0, width), .plain)
    }

    private func amount(_ done: UInt64, of total: UInt64) -> String {
        switch unit {
        case .events: grouped(done) + (total > 0 ? " of \(grouped(total))" : "") + " events"
        case .bytes: megabytes(Double(done)) + (total > 0 ? " of \(megabytes(Double(total)))" : "") + " MB"
        }
    }

    private func speed(_ rate: Double) -> String {
        switch unit {
        case .events: fixed(rate, 0) + "/s"
        case .bytes: megabytes(rate) + " MB/s"
        }
    }

    private func megabytes(_ bytes: Double) -> String { fixed(bytes / 1_000_000, bytes < 100_000_000 ? 1 : 0) }

    /// `0:09`, `12:34`, `1:02:03`
    private func clock(_ seconds: Double) -> String {
        guard seconds < 360_000 else { return "days" }
        let whole = Int(seconds.rounded(.up))
        func two(_ number: Int) -> String { (number < 10 ? "0" : "") + String(number) }
        let minutes = whole / 60
        return minutes < 60
            ? "\(minutes):\(two(whole % 60))" : "\(minutes / 60):\(two(minutes % 60)):\(two(whole % 60))"
    }
}
