// The bounds of messages to devices, in one place (docs/messages.md states them).

/// What is over one of these is refused, or withheld and counted; nothing is dropped in silence.
package enum MessageLimits {
    /// What a message carries to devices, as JSON, bytes.
    package static let payloadBytes = 4 * 1024
    /// A title; a choice of a question; an author's own id of a message; bytes of UTF-8.
    package static let titleBytes = 128
    package static let choiceBytes = 64
    package static let keyBytes = 64
    /// Choices of a question; languages of a text; settings that travel together.
    package static let choices = 16
    package static let languages = 16
    package static let settings = 16
    /// Messages of a product that are not over, and of them those that devices get too which come later.
    package static let open = 256
    package static let live = 16
    /// Messages that may wait for one device; the next one is withheld.
    package static let pending = 64
    /// How often a message is offered to a device.
    package static let attempts = 15
    /// Messages that are under way to one device at a time.
    package static let underWay = 4
    /// Messages that are offered in a second, over all devices; what is beyond waits for the next one.
    package static let perSecond = 2_000
    /// How often a device may begin anew within a minute of being sent a message before the message is given up.
    package static let strikes = 3
    /// How often a day a setting is sent again that the customer has undone and may not.
    package static let contests = 3
    /// Devices of which the delivery remembers what they did with what they were sent.
    package static let peers = 1 << 16
    /// Days until a message is over: at most, and when its author does not say.
    package static let expiryDays = 90
    package static let noticeDays = 7
    package static let questionDays = 14
    package static let replyDays = 30
    /// Devices that one event `addressed` names: in a list, and as bits.
    package static let listed = 512
    package static let bits = 24_000
    /// Devices of a message that are kept as a list; more are kept as pages of this many.
    package static let few = 4_096
    /// What the states of all messages take in memory; then no more are accepted, bytes.
    package static let outboxBytes = 256 << 20
}
