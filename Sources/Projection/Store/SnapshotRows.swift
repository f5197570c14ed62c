// How rows of the fold become bytes of a snapshot, and come back: each names its numbers once, for both directions.

import Admission
import Bytes
import Events

/// A row that a snapshot keeps. Hints that only save time are left out.
protocol SnapshotRow {
    init()
    /// Gives every number of the row to the coder, which writes it or puts another one in its place.
    mutating func code<Coder: RowCoder & ~Copyable & ~Escapable>(with coder: inout Coder)
}

/// What goes through the numbers of a row, in their order.
protocol RowCoder: ~Copyable, ~Escapable {
    mutating func code(_ number: inout UInt64)
    mutating func code(_ number: inout UInt32)
    mutating func code(_ number: inout UInt8)
    mutating func code(_ number: inout Int64)
    mutating func code(_ number: inout Int32)
    mutating func code(_ number: inout Double)
    mutating func code(_ flag: inout Bool)
}

extension OutputSpan: RowCoder where Element == UInt8 {
    @inline(__always) mutating func code(_ number: inout UInt64) { appendVarint(number) }
    @inline(__always) mutating func code(_ number: inout UInt32) { appendVarint(UInt64(number)) }
    @inline(__always) mutating func code(_ number: inout UInt8) { appendVarint(UInt64(number)) }
    @inline(__always) mutating func code(_ number: inout Int64) { appendVarint(zigzag(number)) }
    @inline(__always) mutating func code(_ number: inout Int32) { appendVarint(zigzag(Int64(number))) }
    /// Most numbers here end in zero bits; reversed, they are short.
    @inline(__always) mutating func code(_ number: inout Double) { appendVarint(number.bitPattern.byteSwapped) }
    @inline(__always) mutating func code(_ flag: inout Bool) { appendVarint(flag ? 1 : 0 as UInt64) }
}

extension ByteReader: RowCoder {
    mutating func code(_ number: inout UInt64) { number = read() }
    mutating func code(_ number: inout UInt32) { number = read32() }
    mutating func code(_ number: inout UInt8) { number = read8() }
    mutating func code(_ number: inout Int64) { number = readSigned() }
    mutating func code(_ number: inout Int32) { number = readSigned32() }
    mutating func code(_ number: inout Double) { number = readDouble() }
    mutating func code(_ flag: inout Bool) { flag = read8() != 0 }

    mutating func row<Row: SnapshotRow>() -> Row {
        var row = Row()
        row.code(with: &self)
        return row
    }
}

extension [UInt8] {
    /// Appends what rows of a table say. There is room for all of it before it is written: no number takes more than
    /// twice its bytes.
    mutating func append<Row: SnapshotRow>(_ rows: [Row], _ range: Range<Int>) {
        append(addingCapacity: 2 * MemoryLayout<Row>.stride * range.count) { bytes in
            for index in range {
                var row = rows[index]
                row.code(with: &bytes)
            }
        }
    }
}

extension UInt64: SnapshotRow {
    mutating func code<Coder: RowCoder & ~Copyable & ~Escapable>(with coder: inout Coder) { coder.code(&self) }
}

extension Preference: SnapshotRow {
    mutating func code<Coder: RowCoder & ~Copyable & ~Escapable>(with coder: inout Coder) {
        var (kindNumber, rowNumber) = (kind.rawValue, row &+ 1)
        coder.code(&rank)
        coder.code(&kindNumber)
        coder.code(&rowNumber)
        coder.code(&seq)
        coder.code(&bits)
        (kind, row) = (.init(rawValue: kindNumber) ?? .none, rowNumber &- 1)
    }
}

extension Consent: SnapshotRow {
    mutating func code<Coder: RowCoder & ~Copyable & ~Escapable>(with coder: inout Coder) {
        var (customerNumber, productNumber, noticeNumber) = (customer.rawValue, product.rawValue, notice.rawValue)
        var (purposeNumber, timeNumber, expiryNumber) = (purpose.rawValue, time.rawValue, expiry.rawValue)
        coder.code(&customerNumber)
        coder.code(&productNumber)
        coder.code(&purposeNumber)
        coder.code(&isGiven)
        coder.code(&noticeNumber)
        coder.code(&timeNumber)
        coder.code(&expiryNumber)
        (customer, product) = (CustomerID(rawValue: customerNumber), SymbolID(rawValue: productNumber))
        notice = SymbolID(rawValue: noticeNumber)
        // One that no release knows is of nobody: then the table does not restore.
        if let known = ConsentPurpose(rawValue: purposeNumber) { purpose = known } else { customer = .none }
        (time, expiry) = (Timestamp(rawValue: timeNumber), Timestamp(rawValue: expiryNumber))
    }
}

extension [Consent] {
    /// Appends those of a page. False when it is damaged.
    mutating func restore(_ bytes: [UInt8]) -> Bool {
        var reader = ByteReader(bytes)
        while !reader.isAtEnd { append(reader.row()) }
        return !reader.isDamaged
    }
}
