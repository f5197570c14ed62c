// The names file: a number keeps its name, names belong to one log, and how many there are bounds what is believed.

import Events
import Foundation
import GRDB
import Identity
import Log
import Testing

@Suite struct IdentityStoreTests {
    private let folder: Folder

    init() throws { folder = try Folder() }

    private func open(readOnly: Bool = false) throws -> IdentityStore {
        try IdentityStore(path: folder.file, readOnly: readOnly)
    }

    private func names(device: String, customer: String) -> Definitions {
        var names = Definitions()
        names.add(device: DeviceID(rawValue: 7), product: SymbolID(rawValue: 3), name: Array(device.utf8).span)
        names.add(customer: CustomerID(rawValue: 9), name: Array(customer.utf8).span)
        return names
    }

    private func texts(_ names: Definitions) -> [String] {
        names.devices.map { "\($0.id.rawValue) of \($0.product.rawValue): " + text(names.name(of: $0)) }
            + names.customers.map { "\($0.id.rawValue): " + text(names.name(of: $0)) }
    }

    private func text(_ bytes: some Sequence<UInt8>) -> String { String(decoding: Array(bytes), as: UTF8.self) }

    @Test func namesComeBackAfterReopening() throws {
        let store = try open()
        try store.record(names(device: "kettle\u{0}1", customer: "Zoë"))
        store.close()
        let reopened = try open(readOnly: true)
        defer { reopened.close() }
        #expect(texts(try reopened.names()) == ["7 of 3: kettle\u{0}1", "9: Zoë"])
        #expect(try reopened.lastDevice() == 7)
    }

    @Test func aNumberKeepsItsFirstName() throws {
        let store = try open()
        defer { store.close() }
        try store.record(names(device: "first", customer: "first"))
        try store.record(names(device: "second", customer: "second"))
        #expect(texts(try store.names()) == ["7 of 3: first", "9: first"])
    }

    @Test func namesOfAnotherLogAreRefused() throws {
        let store = try open()
        defer { store.close() }
        let (one, other): ([UInt8], [UInt8]) = (Array(repeating: 1, count: 16), Array(repeating: 2, count: 16))
        #expect(try store.logID() == nil)
        try store.bind(to: one, isNew: true)
        try store.bind(to: one, isNew: false)
        #expect(throws: LogError.self) { try store.bind(to: other, isNew: false) }
        #expect(try store.logID() == one)
        // A log without segments takes the names that are there.
        try store.bind(to: other, isNew: true)
        #expect(try store.logID() == other)
    }

    @Test func withoutAFileThereAreNoNamesAndNothingIsMade() throws {
        let store = try open(readOnly: true)
        #expect(texts(try store.names()).isEmpty)
        #expect(try store.lastDevice() == 0)
        #expect(!FileManager.default.fileExists(atPath: folder.file))
        #expect(throws: LogError.self) { try store.record(names(device: "d", customer: "c")) }
    }

    @Test func aFileOfAnotherFormatIsRefused() throws {
        try open().close()
        let queue = try DatabaseQueue(path: folder.file)
        try queue.write { db in try db.execute(sql: "PRAGMA user_version = 2") }
        try queue.close()
        #expect(throws: LogError.version("\(folder.file) has format 2")) { try open(readOnly: true) }
    }

    /// Where there is no file of names, whatever the format allows is believed; else about as many as have names.
    @Test func namesBoundTheDevicesThatAreBelieved() throws {
        #expect(DeviceBound(namesIn: folder.file).allows(Limits.devices))
        let store = try open()
        try store.record(names(device: "d", customer: "c"))
        store.close()
        let bound = DeviceBound(namesIn: folder.file)
        #expect(bound.allows(LogLimits.believedDevices + 14))
        #expect(!bound.allows(LogLimits.believedDevices + 15))
    }
}
