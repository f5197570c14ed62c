// Simulated time and chance: everything that happens in a run happens here, one thing after another.

import TidingsTesting

/// The clock, the dice and the list of what is to happen. The same seed gives the same run everywhere.
final class World {
    private struct Entry {
        var time: Int64
        var number: UInt64
        var action: () -> Void
    }

    let seed: UInt64
    private var random: SeededGenerator
    /// Milliseconds since the run began.
    private(set) var now: Int64 = 0
    /// The next to happen stands last.
    private var entries: [Entry] = []
    private var number: UInt64 = 0
    private(set) var steps = 0
    /// What went wrong so far; a run goes on, so that one cause shows all its effects.
    private(set) var failures: [String] = []
    /// Where some runs keep files of their own.
    let folder: String

    init(seed: UInt64, folder: String) {
        self.seed = seed
        self.folder = folder
        random = SeededGenerator(seed: seed)
    }

    func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &random) }
    func between(_ low: Int, _ high: Int) -> Int { low + below(high - low + 1) }
    /// True once in so many times.
    func chance(_ oneIn: Int) -> Bool { below(oneIn) == 0 }

    /// Lets something happen in so many milliseconds; of two at the same time, the one that was asked for first.
    func after(_ delay: Int, _ action: @escaping () -> Void) {
        number += 1
        let time = now + Int64(delay)
        var index = entries.count
        while index > 0, entries[index - 1].time <= time { index -= 1 }
        entries.insert(Entry(time: time, number: number, action: action), at: index)
    }

    /// - Returns: false when there is nothing left to happen.
    func step() -> Bool {
        guard let next = entries.popLast() else { return false }
        now = next.time
        steps += 1
        next.action()
        return true
    }

    func fail(_ text: @autoclosure () -> String) {
        if failures.count < 5 { failures.append("\(now) ms: \(text())") }
    }
}
