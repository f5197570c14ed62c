// Rows reach the table whole and in order, however many there are; what SQLite refuses is thrown.

import Foundation
import GRDB
import SQLite
import Testing

@Suite struct RowInserterTests {
    private func database() throws -> DatabaseQueue {
        let queue = try DatabaseQueue()
        try queue.write { db in
            try db.execute(
                sql: "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, r REAL, s TEXT, b BLOB, u INTEGER) STRICT")
        }
        return queue
    }

    /// Inserts the rows `ids`; what stands in a row follows from its id.
    private func insert(_ ids: some Sequence<Int>, _ queue: DatabaseQueue, rowsAtOnce: Int) throws {
        try queue.write { db in
            try db.insertRows(into: "t", columns: 6, rowsAtOnce: rowsAtOnce) { rows in
                for id in ids {
                    rows.add(UInt32(id))
                    rows.add(UInt64.max - UInt64(id))
                    rows.add(Double(id) / 4)
                    rows.bytes += Array(repeating: UInt8(ascii: "x"), count: id % 5)
                    rows.addText(from: rows.rowStart)
                    let start = rows.bytes.count
                    rows.bytes += [UInt8(id & 255), 0, 255]
                    rows.addBlob(from: start)
                    rows.addNull()
                    try rows.endRow()
                }
            }
        }
    }

    @Test(arguments: [0, 1, 15, 16, 17, 32, 100], [1, 2, 16])
    func everyRowIsThere(count: Int, rowsAtOnce: Int) throws {
        let queue = try database()
        try insert(1..<(count + 1), queue, rowsAtOnce: rowsAtOnce)
        let rows = try queue.read { db in try Row.fetchAll(db, sql: "SELECT * FROM t ORDER BY id") }
        #expect(rows.count == count)
        for (index, row) in rows.enumerated() {
            let id = index + 1
            let expected: [any DatabaseValueConvertible] = [
                id, Int64.max, Double(id) / 4, String(repeating: "x", count: id % 5),
                Data([UInt8(id & 255), 0, 255]),
            ]
            for (column, value) in expected.enumerated() {
                #expect(row[column] as DatabaseValue == value.databaseValue, "row \(id), column \(column)")
            }
            #expect((row[5] as DatabaseValue).isNull)
        }
    }

    @Test func aRowWhoseKeyIsThereIsReplacedOrLeft() throws {
        let queue = try database()
        try queue.write { db in
            for (conflict, number) in [(RowInserter.Conflict.replace, 1), (.replace, 2), (.ignore, 3)] {
                try db.insertRows(into: "t (id, n)", columns: 2, onConflict: conflict) { rows in
                    for id in [7, 7 + number] {
                        rows.add(UInt32(id))
                        rows.add(Int64(number))
                        try rows.endRow()
                    }
                }
            }
        }
        let rows = try queue.read { db in try Row.fetchAll(db, sql: "SELECT id, n FROM t ORDER BY id") }
        #expect(rows.map { "\($0[0] as Int) \($0[1] as Int)" } == ["7 2", "8 1", "9 2", "10 3"])
    }

    @Test(arguments: [1, 16, 20]) func whatATableRefusesIsThrown(count: Int) throws {
        let queue = try database()
        let error = #expect(throws: DatabaseError.self) {
            try queue.write { db in
                try db.insertRows(into: "t (id, n)", columns: 2) { rows in
                    for id in 1...count {
                        rows.add(UInt32(id))
                        if id < count { rows.add(1 as UInt32) } else { rows.add(0.5) }
                        try rows.endRow()
                    }
                }
            }
        }
        #expect(error?.resultCode == .SQLITE_CONSTRAINT)
        #expect(try queue.read { db in try Int.fetchOne(db, sql: "SELECT count(*) FROM t") } == 0)
    }

    /// Two rows, of which the first has a value more and the second one less, would come out even and be wrong.
    @Test func aRowWithAnotherNumberOfValuesIsNeverWritten() async {
        await #expect(processExitsWith: .failure) {
            let queue = try DatabaseQueue()
            try queue.write { db in
                try db.execute(sql: "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER) STRICT")
                try db.insertRows(into: "t", columns: 2) { rows in
                    for number in [1, 2, 3] as [UInt32] { rows.add(number) }
                    try rows.endRow()
                    rows.add(4 as UInt32)
                    try rows.endRow()
                }
            }
        }
        await #expect(processExitsWith: .success) {
            let queue = try DatabaseQueue()
            try queue.write { db in
                try db.execute(sql: "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER) STRICT")
                try db.insertRows(into: "t", columns: 2) { rows in
                    for number in [1, 2] as [UInt32] { rows.add(number) }
                    try rows.endRow()
                }
            }
        }
    }

    /// Texts and blobs are given to SQLite where they lie; a later call must not find them gone.
    @Test func statementsAreUsedAgain() throws {
        let queue = try database()
        for round in 0..<5 { try insert(stride(from: round, to: 200, by: 5), queue, rowsAtOnce: 16) }
        let sum = try queue.read { db in try Int.fetchOne(db, sql: "SELECT sum(length(s) + length(b)) FROM t") }
        #expect(sum == 200 * 3 + (0..<200).reduce(0) { $0 + $1 % 5 })
    }
}
