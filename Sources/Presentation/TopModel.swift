// `tidings top` without its terminal: looks at the daemon in, lines out.

/// What is shown of a running daemon, from one second to the next. Owned by one task.
package struct TopModel: Sendable {
    /// What fills the lower part of the screen.
    package enum View: UInt8, Sendable, CaseIterable {
        case overview = 0x6f  // o
        case products = 0x70  // p
        case refusals = 0x72  // r
        case devices = 0x64  // d
        case tail = 0x74  // t
    }

    package private(set) var view = View.overview
    private(set) var newest: TopSample?
    private(set) var rates: TopCounts?
    /// Events that came in each of the last seconds.
    private(set) var received: [Double] = []
    private(set) var productRates: [String: Double] = [:]
    private(set) var reasonRates: [TopReason: [Double]] = [:]
    /// The share of one processor that the daemon used.
    private(set) var processorShare: Double?
    /// Why there is no answer, and since when.
    private(set) var silence: (reason: String, since: Double)?
    /// How often another process answered than before.
    private(set) var restarts = 0
    /// The last events of the log, for `View.tail`.
    package var tail: [String] = []

    /// How many seconds a line of blocks reaches back.
    static let remembered = 30

    package init() {}

    /// The daemon has answered.
    package mutating func take(_ sample: TopSample) {
        silence = nil
        defer { newest = sample }
        guard let old = newest, old.status.pid == sample.status.pid, sample.seconds > old.seconds else {
            if newest != nil { restarts += 1 }
            // What another process has counted says nothing of this one's rates.
            (rates, processorShare, productRates, reasonRates, received) = (nil, nil, [:], [:], [])
            return
        }
        let seconds = sample.seconds - old.seconds
        let rates = TopCounts(
            from: TopCounts(old.status.transports.values), to: TopCounts(sample.status.transports.values),
            seconds: seconds)
        self.rates = rates
        received = (received + [rates.received]).suffix(Self.remembered)
        processorShare = zip(old.processorSeconds, sample.processorSeconds).map { ($1 - $0) / seconds }
        let before = Dictionary(old.products.map { ($0.name, $0.events) }, uniquingKeysWith: { a, _ in a })
        productRates = [:]
        for product in sample.products {
            let events = before[product.name] ?? 0
            productRates[product.name] = Double(product.events - min(product.events, events)) / seconds
        }
        let (past, now) = (TopReason.totals(old.status), TopReason.totals(sample.status))
        for (reason, total) in now {
            let grown = Double(total - min(total, past[reason] ?? 0)) / seconds
            reasonRates[reason] = ((reasonRates[reason] ?? []) + [grown]).suffix(Self.remembered)
        }
    }

    /// The daemon has not answered.
    package mutating func lose(_ reason: String, at seconds: Double) {
        if silence == nil { silence = (reason, seconds) }
        rates = nil
    }

    /// - Returns: false when it is to end.
    package mutating func press(_ key: UInt8) -> Bool {
        // q, or Ctrl-D
        if key == UInt8(ascii: "q") || key == 4 { return false }
        if let view = View(rawValue: key) { self.view = view }
        return true
    }

    /// Products, the busiest first.
    func busiest() -> [TopSample.Product] {
        (newest?.products ?? []).sorted {
            (productRates[$1.name] ?? 0, $1.events, $0.name) < (productRates[$0.name] ?? 0, $0.events, $1.name)
        }
    }

    /// Reasons, the one that came most in the last seconds first.
    func reasons() -> [(reason: TopReason, total: UInt64, rates: [Double])] {
        guard let newest else { return [] }
        let all = TopReason.totals(newest.status).map { (reason: $0, total: $1, rates: reasonRates[$0] ?? []) }
        return all.sorted {
            let (a, b) = ($0.rates.reduce(0, +), $1.rates.reduce(0, +))
            return a == b ? ($0.total, $1.reason) > ($1.total, $0.reason) : a > b
        }
    }
}

private func zip(_ a: Double?, _ b: Double?) -> (Double, Double)? {
    guard let a, let b else { return nil }
    return (a, b)
}
