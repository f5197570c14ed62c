// The bounds of the control socket and of the daemon's end.

package enum DaemonLimits {
    /// How long a graceful stop may take before what is left is given up; its senders send it again.
    static let drainTime: Duration = .seconds(10)
    /// The longest line of a request over the control socket.
    static let requestBytes = 1 << 20
    /// The largest message as its author writes it: its payload, and the names of many devices.
    static let messageRequestBytes = 64 * 1024
    /// How long who sends a message waits until it is known whom it goes to.
    static let addressingTimeout: Duration = .seconds(5)
    /// Aspects in the document that tells a device how it is to stand.
    static let stateAspects = 64
    /// The largest tidings.yaml; the template has 5,000 bytes.
    static let configurationBytes = 1 << 20
    /// How long a step of an erasure waits for the log or the summaries.
    static let forgettingTimeout: Duration = .seconds(60)
    /// How long a command waits for an erasure: to count what is left, the whole log is read.
    package static let forgetTimeout: Duration = .seconds(3_600)
    /// How long a command waits for the daemon's answer.
    package static let controlTimeout: Duration = .seconds(10)
    /// How long who asks for fresh summaries waits for the projector: less than a command waits for the daemon.
    static let checkpointTimeout: Duration = .seconds(5)
    /// The longest path of a data folder in which the system can bind a socket.
    static let socketFolderBytes = 80
}
