// What is done about names that look like addresses of people (`identity.emails`).

/// A name of a device or customer that holds an `@` may be an e-mail address; the log is to know nobody by name.
package enum EmailPolicy: String, Sendable {
    /// Takes the name, and says once in a run that there are such names.
    case warn
    /// Refuses the unit that brings it.
    case refuse
    /// Takes it and says nothing.
    case accept
}
