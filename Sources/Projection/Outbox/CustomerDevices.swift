// Which devices are whose now: an index over the rows of devices, kept while somebody is to be written to.

import Events

/// The devices of each customer of a product, by the newest event of the device that names one.
///
/// It says nothing that the rows do not say: made anew when it is needed, never saved.
struct CustomerDevices: Sendable {
    /// The row of each device's customer, and its neighbours in the list of that customer.
    private(set) var rows: [UInt32]
    private var next: [UInt32]
    private var previous: [UInt32]
    /// The first device of each customer's list.
    private var first: [UInt32] = []

    init(_ devices: [DeviceRow]) {
        rows = [UInt32](repeating: RowIndex.none, count: devices.count)
        next = rows
        previous = rows
        for device in devices.indices where devices[device].customerRow != RowIndex.none {
            _ = note(UInt32(device), devices[device].customerRow)
        }
    }

    /// The row of a device's customer; none when nobody was named.
    func row(of device: UInt32) -> UInt32 { Int(device) < rows.count ? rows[Int(device)] : RowIndex.none }

    /// A device has named a customer.
    /// - Returns: whether that is another one than before.
    mutating func note(_ device: UInt32, _ row: UInt32) -> Bool {
        let index = Int(device)
        if index >= rows.count {
            let more = repeatElement(RowIndex.none, count: index + 1 - rows.count)
            rows += more
            next += more
            previous += more
        }
        guard rows[index] != row else { return false }
        remove(index)
        if Int(row) >= first.count { first += repeatElement(RowIndex.none, count: Int(row) + 1 - first.count) }
        let old = first[Int(row)]
        if old != RowIndex.none { previous[Int(old)] = device }
        (rows[index], next[index], previous[index]) = (row, old, RowIndex.none)
        first[Int(row)] = device
        return true
    }

    private mutating func remove(_ index: Int) {
        guard rows[index] != RowIndex.none else { return }
        let (before, after) = (previous[index], next[index])
        if before == RowIndex.none { first[Int(rows[index])] = after } else { next[Int(before)] = after }
        if after != RowIndex.none { previous[Int(after)] = before }
    }

    /// The devices of a customer's row, in no order.
    func devices(of row: UInt32) -> [UInt32] {
        var found: [UInt32] = []
        var device = Int(row) < first.count ? first[Int(row)] : RowIndex.none
        while device != RowIndex.none {
            found.append(device)
            device = next[Int(device)]
        }
        return found
    }
}
