// Seeds: of what each customer's and each product's key is made. They stand beside the names, so that who is forgotten
// has no key any more.

package import Events
import FoundationEssentials
import GRDB
package import Log
import SQLite
import Synchronization

extension IdentityStore {
    /// The seed of a customer or a product.
    ///
    /// - Returns: nil when it has none: the customer was forgotten, or nothing of theirs was ever sealed.
    package func seed(of owner: PartOwner) throws(LogError) -> Seed? {
        if let known = knownSeeds.withLock({ $0.seed(of: owner) }) { return known }
        guard let queue else { return nil }
        let found = try translating(queue.path) {
            try queue.read { db in try Self.seed(of: owner, db) }
        }
        if let found { knownSeeds.withLock { $0.add(found, of: owner) } }
        return found
    }

    /// Gives a seed to whom has none, as to names of releases that sealed nothing; durable on return.
    ///
    /// - Returns: the one that is in force; nil when the customer has no name any more.
    package func drawSeed(of owner: PartOwner) throws(LogError) -> Seed? {
        guard let queue, !readOnly else { throw .closed("the names were opened for reading only") }
        var bytes: [UInt8] = []
        Seed.drawn().append(to: &bytes)
        let seed = Data(bytes)
        let found = try translating(queue.path) {
            try queue.write { db in
                switch owner {
                case .customer(let id):
                    try db.execute(
                        sql: "UPDATE customer SET key = ? WHERE id = ? AND key IS NULL",
                        arguments: [seed, Int64(id.rawValue)])
                case .product(let id):
                    try db.execute(
                        sql: "INSERT OR IGNORE INTO product VALUES (?, ?)", arguments: [Int64(id.rawValue), seed])
                }
                return try Self.seed(of: owner, db)
            }
        }
        if let found { knownSeeds.withLock { $0.add(found, of: owner) } }
        return found
    }

    /// Whether anybody has one.
    package func hasSeeds() throws(LogError) -> Bool {
        guard let queue else { return false }
        return try translating(queue.path) {
            try queue.read { db in
                guard try db.tableExists("product") else { return false }
                return try Bool.fetchOne(
                    db,
                    sql: """
                        SELECT EXISTS (SELECT 1 FROM product) OR EXISTS (SELECT 1 FROM customer WHERE key IS NOT NULL)
                        """) ?? false
            }
        }
    }

    private static func seed(of owner: PartOwner, _ db: Database) throws -> Seed? {
        let (table, id) =
            switch owner {
            case .customer(let id): ("customer", id.rawValue)
            case .product(let id): ("product", id.rawValue)
            }
        // A file of release 0.1.0 that was opened for reading only has no seeds of products.
        guard try table == "customer" || db.tableExists("product") else { return nil }
        let statement = try db.cachedStatement(sql: "SELECT key FROM \(table) WHERE id = ?")
        guard let row = try Row.fetchOne(statement, arguments: [Int64(id)]) else { return nil }
        return Seed(Array(row.optionalBytes(0)))
    }

    static func insert(_ seeds: [ProductSeed], _ db: Database) throws {
        guard !seeds.isEmpty else { return }
        try db.insertRows(into: "product", columns: 2, onConflict: .ignore) { rows in
            for product in seeds {
                rows.add(product.product.rawValue)
                rows.add(product.seed)
                try rows.endRow()
            }
        }
    }
}

extension RowInserter {
    /// A seed; NULL for none.
    mutating func add(_ seed: Seed) {
        guard seed != .none else { return addNull() }
        let start = bytes.count
        seed.append(to: &bytes)
        addBlob(from: start)
    }
}

/// The seeds that were wanted or given last: a slot for each of the last digits of a number.
///
/// A plain value. Its 2 MiB are there once the first seed is.
struct SeedCache {
    private struct Slot {
        var owner = PartOwner.customer(.none)
        var seed = Seed.none
    }

    private static let size = 1 << 16
    private var customers: [Slot] = []
    private var products: [PartOwner: Seed] = [:]

    func seed(of owner: PartOwner) -> Seed? {
        guard case .customer(let id) = owner else { return products[owner] }
        guard !customers.isEmpty else { return nil }
        let slot = customers[Int(id.rawValue) & (Self.size - 1)]
        return slot.owner == owner && slot.seed != .none ? slot.seed : nil
    }

    mutating func add(_ seed: Seed, of owner: PartOwner) {
        guard seed != .none else { return }
        guard case .customer(let id) = owner else {
            if products.count >= Self.size { products.removeAll() }
            products[owner] = seed
            return
        }
        if customers.isEmpty { customers = Array(repeating: Slot(), count: Self.size) }
        customers[Int(id.rawValue) & (Self.size - 1)] = Slot(owner: owner, seed: seed)
    }

    mutating func add(_ definitions: Definitions) {
        for customer in definitions.customers { add(customer.seed, of: .customer(customer.id)) }
        for product in definitions.productSeeds where products[.product(product.product)] == nil {
            add(product.seed, of: .product(product.product))
        }
    }

    /// Forgets one, whose row is gone.
    mutating func remove(_ owner: PartOwner) {
        guard case .customer(let id) = owner else {
            products[owner] = nil
            return
        }
        guard !customers.isEmpty else { return }
        customers[Int(id.rawValue) & (Self.size - 1)] = Slot()
    }
}
