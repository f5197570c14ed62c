// Names that are forgotten: who may be, how it is told that one was, and what the vocabulary does about it.

import Bytes

/// A customer or a device, by the number that stands for the name in the log.
package enum Pseudonym: Hashable, Sendable, BitwiseCopyable {
    case customer(CustomerID)
    case device(DeviceID)

    /// The number alone.
    package var number: UInt32 {
        switch self {
        case .customer(let id): id.rawValue
        case .device(let id): id.rawValue
        }
    }

    package var kind: ErasureKind {
        switch self {
        case .customer: .customer
        case .device: .device
        }
    }

    package init(_ kind: ErasureKind, _ number: UInt32) {
        switch kind {
        case .customer: self = .customer(CustomerID(rawValue: number))
        case .device: self = .device(DeviceID(rawValue: number))
        }
    }
}

/// Who may be forgotten; raw values are part of the format of identity.sqlite.
package enum ErasureKind: UInt8, CaseIterable, Sendable, BitwiseCopyable {
    case customer = 1
    case device = 2

    package var name: StaticString {
        switch self {
        case .customer: "customer"
        case .device: "device"
        }
    }
}

/// Tells whether a name that is not known was forgotten. Asked for such names alone.
package protocol ErasedNames: AnyObject, Sendable {
    /// When a customer was forgotten; nil for one who never was, or has come back since.
    func erasure(ofCustomer name: Span<UInt8>) -> Timestamp?
    /// When a device was forgotten.
    func erasure(ofDevice name: Span<UInt8>, product: Span<UInt8>) -> Timestamp?
}

/// What the vocabulary knows of the forgotten since the process has begun. Their own names are not in it, until they
/// are heard again.
package struct ForgottenNames: Sendable {
    /// Who is asked about names that are not known; nil while nobody was ever forgotten.
    package var list: (any ErasedNames)?
    /// Goes up when a name is forgotten: what stands for names elsewhere is then looked up anew.
    package fileprivate(set) var generation: UInt32 = 0
    /// Customers who were forgotten and are heard of again, with the time of the erasure and the number that they have
    /// when they have consented since.
    private var heard = Interner()
    private var heardSince: [(erased: Timestamp, number: CustomerID)] = []
    /// Devices that have a new number after their erasure, and when that was.
    package fileprivate(set) var devices: [UInt32: Timestamp] = [:]

    package init() {}

    /// Numbers from here on stand for customers who were forgotten; they never leave the ingest loop.
    package static let firstNumber: UInt32 = 1 << 31

    /// The number, or stand-in, for a customer who was forgotten; nil for anybody else.
    fileprivate mutating func customer(_ name: Span<UInt8>) -> CustomerID? {
        guard let list else { return nil }
        let known = heard.find(name)
        if known != 0 {
            let number = heardSince[Int(known) - 1].number
            return number == .none ? CustomerID(rawValue: Self.firstNumber + known) : number
        }
        guard let erased = list.erasure(ofCustomer: name) else { return nil }
        let id = heard.intern(name, limit: Limits.customers)
        guard id != 0 else { return nil }
        heardSince.append((erased, .none))
        return CustomerID(rawValue: Self.firstNumber + id)
    }

    /// Whether events may be of somebody who was forgotten.
    package var hasHeard: Bool { !heardSince.isEmpty }

    /// What is known of a stand-in; nil for the number of a customer.
    fileprivate func standIn(_ customer: CustomerID) -> (index: Int, name: ArraySlice<UInt8>)? {
        guard customer.rawValue > Self.firstNumber else { return nil }
        let index = Int(customer.rawValue - Self.firstNumber) - 1
        guard heardSince.indices.contains(index) else { return nil }
        return (index, heard.bytes(of: UInt32(index) + 1))
    }

    fileprivate func since(_ index: Int) -> (erased: Timestamp, number: CustomerID) { heardSince[index] }

    fileprivate mutating func admit(_ index: Int, as number: CustomerID) { heardSince[index].number = number }

    /// Somebody who had come back is forgotten again: what was known of it does not hold.
    fileprivate mutating func reset() {
        generation &+= 1
        heard = Interner()
        heardSince = []
    }
}

extension Vocabulary {
    /// The number of a known customer, or nil.
    package func find(customer name: Span<UInt8>) -> CustomerID? {
        let id = customers.find(name)
        return id == 0 ? nil : CustomerID(rawValue: id)
    }

    /// Forgets the names of customers and devices, and overwrites them. Their numbers stay taken, so that nobody else
    /// gets them; who comes again under such a name gets a new one.
    ///
    /// - Parameter isInUse: whether events that are not committed yet may be of them: then names that were given out
    ///   for these still go along with them, to be deleted once they are committed.
    package mutating func forget(_ pseudonyms: [Pseudonym], isInUse: Bool) {
        for pseudonym in pseudonyms {
            switch pseudonym {
            case .customer(let id): customers.forget(id.rawValue)
            case .device(let id):
                devices.forget(id.rawValue)
                forgotten.devices[id.rawValue] = nil
            }
        }
        forgotten.reset()
        if !isInUse { pending.remove(pseudonyms) }
    }

    /// Keeps numbers from being given out that were those of the forgotten.
    package mutating func reserve(customers lastCustomer: Int, devices lastDevice: Int) {
        customers.reserve(upTo: UInt32(clamping: min(lastCustomer, Limits.customers)))
        devices.reserve(upTo: UInt32(clamping: min(lastDevice, Limits.devices)))
    }

    /// A customer who is not known: one who was forgotten gets a stand-in.
    mutating func forgottenCustomer(_ name: Span<UInt8>) -> CustomerID? { forgotten.customer(name) }

    /// Notes when a device was forgotten that has now got a new number.
    mutating func noteReturn(of device: DeviceID, name: Span<UInt8>, product: SymbolID) {
        guard let list = forgotten.list else { return }
        let product = products.bytes(of: product.rawValue)
        if let erased = list.erasure(ofDevice: name, product: product.span) {
            forgotten.devices[device.rawValue] = erased
        }
    }

    /// Notes the same for all devices that are known; at start.
    package mutating func noteReturnedDevices() {
        for number in 1..<UInt32(devices.count + 1) {
            let name = devices.bytes(of: number)
            guard !name.isEmpty else { continue }
            noteReturn(
                of: DeviceID(rawValue: number), name: name.span,
                product: SymbolID(rawValue: devices.scope(of: number)))
        }
    }

    /// The customer behind a stand-in, once there is one again.
    ///
    /// - Returns: `.none` as long as the customer stays forgotten; nil when it is no stand-in.
    package func readmitted(_ customer: CustomerID) -> CustomerID? {
        forgotten.standIn(customer).map { forgotten.since($0.index).number }
    }

    /// When the customer behind a stand-in was forgotten.
    package func erasure(of customer: CustomerID) -> Timestamp? {
        forgotten.standIn(customer).map { forgotten.since($0.index).erased }
    }

    /// Gives the customer behind a stand-in a new number, as a new person; nil when there is none left.
    ///
    /// - Returns: the number and the name, which is to be taken from the list.
    package mutating func readmit(_ customer: CustomerID) -> (number: CustomerID, name: [UInt8])? {
        guard let (index, name) = forgotten.standIn(customer) else { return nil }
        let bytes = Array(name)
        guard let number = newCustomer(bytes.span) else { return nil }
        forgotten.admit(index, as: number)
        return (number, bytes)
    }
}

extension Interner {
    /// Forgets the bytes of an entry and overwrites them; its number stays taken.
    package mutating func forget(_ id: UInt32) {
        guard id > 0, Int(id) <= count, let slot = slot(of: id) else { return }
        blank(id)
        free(slot)
    }
}
