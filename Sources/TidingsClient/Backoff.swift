// How long a sender waits before it tries again.

/// Pauses that double from one to the next. Half of each is left to chance, so that senders that lost their daemon at
/// the same time do not all come back at the same time.
package struct Backoff {
    /// The longest pause.
    package static let longest = Duration.seconds(5)

    private let first: Duration
    private var pause: Duration

    package init(first: Duration) {
        self.first = first
        pause = first
    }

    /// How long to wait now; twice as long the next time.
    package mutating func next() -> Duration {
        let whole = pause
        pause = min(pause * 2, Self.longest)
        return whole / 2 + whole / 2 * Double.random(in: 0...1)
    }

    /// It went well: the next pause is the first one.
    package mutating func reset() { pause = first }
}
