// What is done about names that look like addresses of people (`identity.emails`).

/// A name of a device or customer that holds an `@` may be an e-mail address; the log is to know nobody by name.
package enum EmailPolicy: String, Sendable {
    /// Such a name is taken; the first one is told in the log, all are counted in the status.
    case warn
    /// Its event is refused (4013).
    case refuse
    /// It is taken like any other.
    case accept
}
