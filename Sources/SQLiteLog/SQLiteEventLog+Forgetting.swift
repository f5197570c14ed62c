// Forgetting names of the embedded engine: its identity store, on the readers' queue so that the writer goes on.

package import Events
import Identity
package import Log

extension SQLiteEventLog: ForgettingLog {
    private var names: String { folder + "/../" + IdentityStore.fileName }

    package func pseudonyms(
        where isSought: @escaping @Sendable (StoredName) -> Bool
    ) async throws(LogError) -> [Pseudonym] {
        try await run(on: readerQueue) { () throws(LogError) in
            try self.expectOpen()
            // A connection of its own, which hinders nobody who stores names meanwhile.
            let store = try IdentityStore(path: self.names, readOnly: true)
            defer { store.close() }
            return try store.pseudonyms(where: isSought)
        }
    }

    package func deleteNames(_ pseudonyms: [Pseudonym], lines: Int) async throws(LogError) {
        try await run(on: readerQueue) { () throws(LogError) in
            try self.expectOpen()
            guard !self.isReadOnly else { throw self.notWritable }
            try self.identity.delete(pseudonyms, lines: lines)
        }
    }

    package func begunErasures() async throws(LogError) -> BegunErasures {
        try await run(on: readerQueue) { () throws(LogError) in
            try self.expectOpen()
            return try self.identity.begunErasures()
        }
    }

    package func finishErasures(_ pseudonyms: [Pseudonym]) async throws(LogError) {
        try await run(on: readerQueue) { () throws(LogError) in
            try self.expectOpen()
            try self.identity.finishErasures(pseudonyms)
        }
    }

    package func segmentName(of offset: Offset) -> String {
        Segment.file(segments.last { $0 <= offset } ?? offset)
    }
}
