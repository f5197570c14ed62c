// The rows of a checkpoint: numbers and short JSON arrays, one prepared statement for each table.

import GRDB

/// Writes the changed rows of a state into an open transaction, each table in the order of its key.
///
/// What a table's rows say stands beside its columns, in the file of the table.
struct CheckpointWriter {
    let db: Database

    init(_ db: Database) { self.db = db }

    func write(_ state: inout SummaryState) throws {
        state.flush()
        try writeSymbols(state)
        try writeProducts(state)
        try writeProductDays(state)
        try writeAspects(&state)
        try eraseTexts(state)
        try writeTexts(state)
        try writeOutbox(state)
    }
}
