// Sealed parts: opened by their key in their place alone, equal when they are made again, and of bounded length.

import Bytes
import Events
import Foundation
import Identity
import Log
import Testing

@Suite struct PartSealerTests {
    private let folder: Folder
    private let store: IdentityStore
    private let sealer: PartSealer
    private static let secret = Array(UInt8(0)..<32)
    private static let first = Offset(rawValue: 1_000)

    init() throws {
        folder = try Folder()
        store = try IdentityStore(path: folder.file, readOnly: false)
        try store.record(Self.names())
        sealer = PartSealer(try #require(SealingSecret(Self.secret)), store)
    }

    private static func names() -> Definitions {
        var names = Definitions()
        for id: UInt32 in 1...3 {
            names.add(
                customer: CustomerID(rawValue: id), name: Array("customer \(id)".utf8).span,
                seed: Seed(first: UInt64(id), second: 7))
        }
        names.add(seed: Seed(first: 99, second: 1), of: SymbolID(rawValue: 5))
        return names
    }

    /// An event with a text and every other part.
    private func said(_ text: String, by customer: UInt32, _ batch: inout EventBatch) {
        var event = Event()
        event.kind = .feedbackText
        event.customer = CustomerID(rawValue: customer)
        event.product = SymbolID(rawValue: 5)
        batch.setText(Array(text.utf8).span, of: &event)
        var details = EventDetails()
        details.extra = batch.append(part: Array("{\"mood\":\"\(text)\"}".utf8).span)
        details.raw = batch.append(part: Array("raw \(text)".utf8).span, isCut: true)
        details.payload = batch.append(part: Array("{\"say\":\"\(text)\"}".utf8).span)
        details.personalValue = batch.append(part: Array("value \(text)".utf8).span)
        batch.setDetails(details, of: &event)
        batch.events.append(event)
    }

    private func sealed(_ batch: EventBatch, at first: Offset = Self.first) throws -> EventBatch {
        var sealed = EventBatch()
        #expect(try sealer.seal(batch, at: first, into: &sealed))
        return sealed
    }

    /// How many parts of a batch are still sealed after it was opened.
    private func closed(_ batch: EventBatch, at first: Offset = Self.first) throws -> Int {
        var opened = batch
        try sealer.open(&opened, at: first)
        return opened.events.reduce(0) { count, event in
            let details = opened.details(of: event)
            return count + EventDetails.parts.count { details[keyPath: $0].codec == .sealed }
        }
    }

    @Test func whatIsSealedIsOpenedAgain() throws {
        var batch = EventBatch()
        for (index, text) in ["too hot", "", "grüße an alle", String(repeating: "long ", count: 700)].enumerated() {
            said(text, by: UInt32(index), &batch)
        }
        batch.events.append(Event())
        let sealed = try sealed(batch)
        #expect(sealed.events.allSatisfy { $0.textLength == 0 })
        for word in ["hot", "alle", "long", "mood", "value"] {
            #expect(sealed.text.firstRange(of: Array(word.utf8)) == nil, "\(word)")
        }
        var opened = sealed
        try sealer.open(&opened, at: Self.first)
        #expect(opened == batch)
    }

    @Test func nothingSaidIsNothingSealed() throws {
        var batch = EventBatch()
        batch.events.append(Event())
        var sealed = EventBatch()
        #expect(try !sealer.seal(batch, at: Self.first, into: &sealed))
        #expect(sealed.isEmpty)
    }

    @Test func aSealedPartIsAFunctionOfKeyAndPlace() throws {
        var batch = EventBatch()
        said("the same words", by: 1, &batch)
        #expect(try sealed(batch) == sealed(batch))
        let other = try Folder()
        let copy = try IdentityStore(path: other.file, readOnly: false)
        defer { copy.close() }
        try copy.record(Self.names())
        var again = EventBatch()
        let twin = PartSealer(try #require(SealingSecret(Self.secret)), copy)
        #expect(try twin.seal(batch, at: Self.first, into: &again))
        #expect(try sealed(batch) == again)
        #expect(try sealed(batch, at: Self.first + 1).text != again.text)
    }

    /// At most 32 bytes more, and always a multiple of 16.
    @Test(arguments: [1, 2, 14, 15, 16, 17, 31, 32, 33, 4_095, 4_096])
    func lengths(_ count: Int) throws {
        var batch = EventBatch()
        var event = Event()
        event.customer = CustomerID(rawValue: 1)
        batch.setText(Array(repeating: UInt8(ascii: "x"), count: count).span, of: &event)
        batch.events.append(event)
        let length = try sealed(batch).text.count
        #expect(length % 16 == 0 && length <= count + LogLimits.sealingBytes && length >= count + 17)
    }

    @Test func inAnotherPlaceItStaysSealed() throws {
        var batch = EventBatch()
        said("mine", by: 1, &batch)
        let whole = try sealed(batch)
        #expect(try closed(whole) == 0)
        #expect(try closed(whole, at: Self.first + 1) == 5)
        func changed(_ change: (inout EventBatch) -> Void) -> EventBatch {
            var changed = whole
            change(&changed)
            return changed
        }
        #expect(try closed(changed { $0.events[0].customer = CustomerID(rawValue: 2) }) == 5)
        #expect(try closed(changed { $0.events[0].customer = .none }) == 5)
        #expect(try closed(changed { $0.events[0].kind = .ratingGiven }) == 5)
        let (raw, extra) = (whole.details[0].raw, whole.details[0].extra)
        #expect(try closed(changed { ($0.details[0].raw, $0.details[0].extra) = (extra, raw) }) == 2)
        #expect(try closed(changed { $0.details[0].raw.length -= 1 }) == 1)
        #expect(try closed(changed { $0.details[0].raw.length = 3 }) == 1)
        for byte in Int(whole.details[0].raw.start)..<Int(whole.details[0].raw.start + whole.details[0].raw.length) {
            #expect(try closed(changed { $0.text[byte] ^= 1 }) == 1)
        }
    }

    @Test func withoutItsNameNobodyHasTheKey() throws {
        var batch = EventBatch()
        said("remember me", by: 3, &batch)
        let before = try sealed(batch)
        store.close()
        let reopened = try IdentityStore(path: folder.file, readOnly: false)
        defer { reopened.close() }
        let secret = try #require(SealingSecret(Self.secret))
        var opened = before
        try PartSealer(secret, reopened).open(&opened, at: Self.first)
        #expect(opened == batch)
        // Another secret, or no seed: closed.
        opened = before
        try PartSealer(try #require(SealingSecret(Array(repeating: 1, count: 32))), reopened)
            .open(&opened, at: Self.first)
        #expect(opened.details == before.details)
    }

    /// Names of a release that sealed nothing have no seed until something of theirs is sealed.
    @Test func aNameWithoutASeedGetsOne() throws {
        var names = Definitions()
        names.add(customer: CustomerID(rawValue: 8), name: Array("old".utf8).span)
        try store.record(names)
        #expect(try store.seed(of: .customer(CustomerID(rawValue: 8))) == nil)
        var batch = EventBatch()
        said("old friend", by: 8, &batch)
        let one = try sealed(batch)
        let seed = try #require(try store.seed(of: .customer(CustomerID(rawValue: 8))))
        #expect(try store.drawSeed(of: .customer(CustomerID(rawValue: 8))) == seed)
        #expect(try closed(one) == 0)
        // Of a customer who has no name: for nobody to read.
        var gone = EventBatch()
        said("nobody", by: 77, &gone)
        #expect(try closed(try sealed(gone)) == 5)
    }

    @Test func theSecretIsMadeOnceAndKept() throws {
        #expect(try SealingSecret.read(in: folder.path) == nil)
        _ = try SealingSecret.readOrMake(in: folder.path, isNeeded: false)
        let path = folder.path + "/" + SealingSecret.fileName
        let bytes = FileManager.default.contents(atPath: path)
        #expect(bytes?.count == 32)
        _ = try SealingSecret.readOrMake(in: folder.path, isNeeded: true)
        #expect(FileManager.default.contents(atPath: path) == bytes)
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
        #expect { _ = try SealingSecret.read(in: folder.path) } throws: { "\($0)".contains("chmod 600") }
        try FileManager.default.removeItem(atPath: path)
        #expect { _ = try SealingSecret.readOrMake(in: folder.path, isNeeded: true) } throws: {
            "\($0)".contains("put it back")
        }
        _ = FileManager.default.createFile(
            atPath: path, contents: Data(count: 31), attributes: [.posixPermissions: 0o600])
        #expect { _ = try SealingSecret.read(in: folder.path) } throws: { "\($0)".contains("31 bytes") }
    }
}
