// Names of customers that came with events which were stored without them: kept from the log's files.

package import Events
package import Log

/// The customers that have a number in this process, and that no event in the log has.
///
/// Their names are in memory alone. Once an event is stored with one of them, because there is a consent by now, the
/// name goes to the identity store with it. At most `Limits.customers`, as all names.
struct WithheldNames {
    /// The names, among them some that are withheld no more; emptied when none is.
    private var names = Definitions()
    /// Where in `names.customers` one that is withheld stands.
    private var indices: [CustomerID: Int] = [:]

    var count: Int { indices.count }

    /// The names that are withheld.
    var all: [StoredName] { indices.values.map { StoredName(names.customers[$0], of: names) } }

    /// Forgets names, and overwrites them; also of those that are withheld no more.
    mutating func forget(_ pseudonyms: [Pseudonym]) {
        for case .customer(let id) in pseudonyms { indices[id] = nil }
        names.remove(pseudonyms)
        let kept = indices
        indices = [:]
        for (index, customer) in names.customers.enumerated() where kept[customer.id] != nil {
            indices[customer.id] = index
        }
    }

    /// Takes from a block's definitions the customers that none of its events has, and adds those withheld before that
    /// one has now.
    mutating func sift(_ definitions: inout Definitions, usedBy batch: borrowing EventBatch) {
        guard !definitions.customers.isEmpty || !indices.isEmpty else { return }
        var unused: Set<CustomerID> = []
        for customer in definitions.customers { unused.insert(customer.id) }
        let events = batch.events.span
        for event in events.indices where events[event].customer != .none {
            let customer = events[event].customer
            unused.remove(customer)
            guard !indices.isEmpty, let index = indices.removeValue(forKey: customer) else { continue }
            definitions.add(names.customers[index], of: names)
        }
        if indices.isEmpty { names = Definitions() }
        guard !unused.isEmpty else { return }
        for customer in definitions.customers where unused.contains(customer.id) {
            indices[customer.id] = names.customers.count
            names.add(customer, of: definitions)
        }
        definitions.removeCustomers { unused.contains($0) }
    }
}

extension StoredName {
    fileprivate init(_ customer: CustomerName, of names: Definitions) {
        self.init(.customer(customer.id), product: .none, name: Array(names.name(of: customer)))
    }
}

extension GroupCommit {
    /// Customers whose names no block has told the log.
    ///
    /// - Parameter pending: those that the vocabulary has given out last.
    package func unstoredCustomers(_ pending: Definitions) -> [StoredName] {
        withheld.all
            + [pendingNames, pending].flatMap { names in names.customers.map { StoredName($0, of: names) } }
    }

    /// Forgets names that no event uses that is on its way, or ever will.
    package mutating func forgetUnstored(_ pseudonyms: [Pseudonym]) {
        pendingNames.remove(pseudonyms)
        withheld.forget(pseudonyms)
    }
}
