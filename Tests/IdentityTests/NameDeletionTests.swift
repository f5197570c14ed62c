// Names that are deleted leave no byte in the file, and their numbers stay taken.

import Events
import Foundation
import Identity
import Log
import Testing

@Suite struct NameDeletionTests {
    private let path = NSTemporaryDirectory() + "tidings-deletion-" + UUID().uuidString

    init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }

    private func names(_ numbers: Range<UInt32>) -> Definitions {
        var names = Definitions()
        for number in numbers {
            names.add(
                device: DeviceID(rawValue: number), product: SymbolID(rawValue: 1),
                name: Array("DEVICE-\(number)-x".utf8).span)
            names.add(customer: CustomerID(rawValue: number), name: Array("CUSTOMER-\(number)-x".utf8).span)
        }
        return names
    }

    private func holds(_ text: String) throws -> Bool {
        try FileManager.default.contentsOfDirectory(atPath: path).contains { name in
            FileManager.default.contents(atPath: path + "/" + name)?.range(of: Data(text.utf8)) != nil
        }
    }

    @Test func nothingIsLeftOfADeletedName() throws {
        defer { try? FileManager.default.removeItem(atPath: path) }
        let file = path + "/" + IdentityStore.fileName
        let store = try IdentityStore(path: file, readOnly: false)
        try store.record(names(1..<2_000))
        #expect(try holds("CUSTOMER-77-x") && holds("DEVICE-1999-x"))
        let gone: [Pseudonym] = [.customer(CustomerID(rawValue: 77)), .device(DeviceID(rawValue: 1_999))]
        try store.delete(gone, lines: 3)
        #expect(try !holds("CUSTOMER-77-x") && !holds("DEVICE-1999-x"))
        #expect(try holds("CUSTOMER-78-x") && holds("DEVICE-77-x"))
        #expect(try store.lastDevice() == 1_999)
        #expect(try store.reserved().customer == 1_999 && store.reserved().device == 1_999)
        var begun = try store.begunErasures()
        #expect(begun.unfinished == gone && begun.lines == 3)
        // Once more does no harm, and a smaller count takes nothing back.
        try store.delete(gone, lines: 2)
        try store.finishErasures([gone[0]])
        begun = try store.begunErasures()
        #expect(begun.unfinished == [gone[1]] && begun.lines == 3)
        store.close()
        let reader = try IdentityStore(path: file, readOnly: true)
        defer { reader.close() }
        let found = try reader.pseudonyms { stored in
            stored.name.count == 13 && stored.pseudonym.kind == .customer
        }
        #expect(found.count == 90 - 1, "names of two digits, without the one that is deleted")
        #expect(try reader.reserved().customer == 1_999 && reader.reserved().device == 1_999)
    }

    @Test func aFileWithoutErasuresHasNone() throws {
        defer { try? FileManager.default.removeItem(atPath: path) }
        let store = try IdentityStore(path: path + "/" + IdentityStore.fileName, readOnly: false)
        defer { store.close() }
        #expect(try store.begunErasures() == BegunErasures())
        #expect(try store.reserved().customer == 0 && store.reserved().device == 0)
        try store.finishErasures([])
    }
}
