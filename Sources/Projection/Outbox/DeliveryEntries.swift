// The devices of one message and what has become of it at each: a list of few, or pages of one byte a device.

import Events

/// The entries of one message. Up to `MessageLimits.few` they are a list, sorted by device; more are pages of that many
/// device numbers each, with a byte for every device of the page.
struct DeliveryEntries: Sendable {
    /// The list: devices in their order, and their entries.
    private(set) var devices: [UInt32] = []
    private var few: [UInt8] = []
    /// The pages by their number; an empty one has no entries. Nothing while there is a list.
    private(set) var pages: [[UInt8]] = []

    /// What a checkpoint must write: devices of the list, or pages.
    private(set) var dirtyDevices: Set<UInt32> = []
    private(set) var dirtyPages: Set<UInt32> = []
    /// Whether the rows of a list are to be taken away, since there are pages now.
    private(set) var hasOutgrownList = false

    static let pageDevices = MessageLimits.few

    init() {}

    var isPaged: Bool { !pages.isEmpty }
    var isDirty: Bool { !dirtyDevices.isEmpty || !dirtyPages.isEmpty }

    /// What they take in memory, bytes.
    var bytes: Int { devices.count * 5 + pages.reduce(0) { $0 + $1.count } }

    subscript(device: UInt32) -> Delivery {
        if isPaged {
            let page = Int(device) / Self.pageDevices
            guard page < pages.count, !pages[page].isEmpty else { return Delivery(byte: 0) }
            return Delivery(byte: pages[page][Int(device) % Self.pageDevices])
        }
        let index = index(of: device)
        guard index < devices.count, devices[index] == device else { return Delivery(byte: 0) }
        return Delivery(byte: few[index])
    }

    mutating func set(_ device: UInt32, _ entry: Delivery) {
        if isPaged { return setPaged(device, entry) }
        let index = index(of: device)
        if index < devices.count, devices[index] == device {
            few[index] = entry.byte
        } else if devices.count < MessageLimits.few {
            devices.insert(device, at: index)
            few.insert(entry.byte, at: index)
        } else {
            makePages()
            return setPaged(device, entry)
        }
        dirtyDevices.insert(device)
    }

    private mutating func setPaged(_ device: UInt32, _ entry: Delivery) {
        let page = Int(device) / Self.pageDevices
        if page >= pages.count { pages += repeatElement([], count: page + 1 - pages.count) }
        if pages[page].isEmpty { pages[page] = [UInt8](repeating: 0, count: Self.pageDevices) }
        pages[page][Int(device) % Self.pageDevices] = entry.byte
        dirtyPages.insert(UInt32(page))
    }

    private mutating func makePages() {
        let (listed, bytes) = (devices, few)
        (devices, few) = ([], [])
        for (device, byte) in zip(listed, bytes) { setPaged(device, Delivery(byte: byte)) }
        hasOutgrownList = true
        dirtyDevices = []
    }

    /// The index of a device in the list, or the one that it would get.
    private func index(of device: UInt32) -> Int {
        // Most come in their order.
        if let last = devices.last, last < device { return devices.count }
        var (low, high) = (0, devices.count)
        while low < high {
            let middle = (low + high) / 2
            if devices[middle] < device { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Every entry, in the order of the devices.
    func visit(_ body: (UInt32, Delivery) -> Void) {
        for (device, byte) in zip(devices, few) { body(device, Delivery(byte: byte)) }
        for (page, bytes) in pages.enumerated() {
            for (index, byte) in bytes.enumerated() where byte != 0 {
                body(UInt32(page * Self.pageDevices + index), Delivery(byte: byte))
            }
        }
    }

    mutating func clearDirty() { (dirtyDevices, dirtyPages, hasOutgrownList) = ([], [], false) }

    // MARK: Pieces, as a snapshot has them

    /// How many pieces they come in: the list, or the pages that are there.
    var pieceCount: Int { isPaged ? pages.count : devices.isEmpty ? 0 : 1 }

    /// The numbers of a piece: whether it is of a page, which, and its entries; of a list also the devices.
    func piece(_ index: Int) -> [UInt64] {
        guard isPaged else {
            return [0, UInt64(devices.count)] + devices.map { UInt64($0) } + few.map { UInt64($0) }
        }
        return [1, UInt64(index), UInt64(pages[index].count)] + pages[index].map { UInt64($0) }
    }

    /// Puts back a piece. False when it is damaged.
    mutating func restore(_ reader: inout ByteReader) -> Bool {
        if reader.read8() == 0 {
            let count = Int(reader.read32())
            guard count <= MessageLimits.few, devices.isEmpty else { return false }
            for _ in 0..<count where !reader.isDamaged { devices.append(reader.read32()) }
            for _ in 0..<count where !reader.isDamaged { few.append(reader.read8()) }
            return !reader.isDamaged && zip(devices, devices.dropFirst()).allSatisfy { $0 < $1 }
        }
        let (page, count) = (Int(reader.read32()), Int(reader.read32()))
        guard page == pages.count, count == 0 || count == Self.pageDevices else { return false }
        var bytes: [UInt8] = []
        for _ in 0..<count where !reader.isDamaged { bytes.append(reader.read8()) }
        pages.append(bytes)
        return !reader.isDamaged
    }
}
