// Forgetting names: what an engine may be able to do, and in which terms it is asked to.

package import Events

/// A name of the identity store, as it is shown to who looks for some.
package struct StoredName: Sendable {
    package let pseudonym: Pseudonym
    /// The product of a device; `.none` for a customer.
    package let product: SymbolID
    package let name: [UInt8]

    package init(_ pseudonym: Pseudonym, product: SymbolID, name: [UInt8]) {
        (self.pseudonym, self.product, self.name) = (pseudonym, product, name)
    }
}

/// Names whose deletion has begun.
package struct BegunErasures: Sendable, Equatable {
    /// Those whose names are deleted, and whose erasure is not finished.
    package var unfinished: [Pseudonym] = []
    /// How many lines of the erasure list have been carried out in the names.
    package var lines = 0

    package init() {}
}

/// A log whose names of devices and customers can be deleted.
///
/// Asked for once, at start: `log as? any ForgettingLog`.
package protocol ForgettingLog: EventLog {
    /// The pseudonyms of the names that `isSought` says yes to, in the order of their numbers. Names that are being
    /// stored at the moment may be missing. Does not hinder the writer.
    func pseudonyms(
        where isSought: @escaping @Sendable (StoredName) -> Bool
    ) async throws(LogError) -> [Pseudonym]

    /// Deletes names with all that is kept with them, so that no byte of them is left in a file; notes that their
    /// erasure is not finished, and that the first `lines` lines of the erasure list are carried out. The numbers stay
    /// taken for ever. Durable on return; repeating it does no harm.
    ///
    /// - Throws: `io` when it could not be done wholly; the call may be repeated.
    func deleteNames(_ pseudonyms: [Pseudonym], lines: Int) async throws(LogError)

    /// What was begun and not finished, before the process or by it.
    func begunErasures() async throws(LogError) -> BegunErasures

    /// Notes that erasures are finished.
    func finishErasures(_ pseudonyms: [Pseudonym]) async throws(LogError)

    /// The file that holds an event, by the name that the operator knows.
    func segmentName(of offset: Offset) -> String
}
