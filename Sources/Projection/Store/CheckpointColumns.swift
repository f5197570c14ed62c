// Arrays of numbers as values of a row.

import SQLite

extension RowInserter {
    /// A text that is an array, into which `body` writes up to `count` numbers and brackets.
    @inline(__always)
    mutating func addArray(of count: Int, _ body: (inout OutputSpan<UInt8>) -> Void) {
        let start = bytes.count
        writeArray(of: count, body)
        addText(from: start)
    }

    /// A text that is an array, with what `body` writes for each field, and up to `more` numbers and brackets besides.
    @inline(__always)
    mutating func addArray<Field: ArrayField>(
        _ fields: Field.Type, more: Int = 0, _ body: (Field, inout OutputSpan<UInt8>) -> Void
    ) {
        addArray(of: Field.allCases.count + more) { json in for field in Field.allCases { body(field, &json) } }
    }

    /// The same, not yet as a value of the row.
    @inline(__always)
    mutating func writeArray<Field: ArrayField>(
        _ fields: Field.Type, more: Int = 0, _ body: (Field, inout OutputSpan<UInt8>) -> Void
    ) {
        writeArray(of: Field.allCases.count + more) { json in for field in Field.allCases { body(field, &json) } }
    }

    @inline(__always)
    private mutating func writeArray(of count: Int, _ body: (inout OutputSpan<UInt8>) -> Void) {
        bytes.append(addingCapacity: (count + 2) * JSONNumbers.numberBytes) { json in
            json.openArray()
            body(&json)
            json.closeArray()
        }
    }

    /// A text that is an array with an array for each row of a list, as `addArray` writes it.
    @inline(__always)
    mutating func addArrays<Row: LinkedRow, Field: ArrayField>(
        _ first: UInt32, of rows: [Row], _ fields: Field.Type, more: Int = 0,
        _ body: (Row, Field, inout OutputSpan<UInt8>) -> Void
    ) {
        let start = bytes.count
        bytes.append(UInt8(ascii: "["))
        var next = first
        while next != RowIndex.none {
            let row = rows[Int(next)]
            if next != first { bytes.append(UInt8(ascii: ",")) }
            writeArray(of: Field.allCases.count + more) { json in
                for field in Field.allCases { body(row, field, &json) }
            }
            next = row.next
        }
        bytes.append(UInt8(ascii: "]"))
        addText(from: start)
    }
}
