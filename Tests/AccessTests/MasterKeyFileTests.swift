// The master key's file: made once, never overwritten, refused when others may read it or its length is wrong.

import Access
import Admission
import Foundation
import Testing
import Wire

@Suite struct MasterKeyFileTests {
    private let folder: KeyFolder

    init() throws { folder = try KeyFolder() }

    @Test func itIsMadeOnceAndForItsOwnerAlone() throws {
        let (keys, isNew) = try folder.master.readOrMake(isNeeded: false)
        #expect(isNew && keys.count == 1 && folder.bytes.count == 32)
        #expect(try folder.mode(folder.master.path) == 0o600)
        let before = folder.bytes
        #expect(try folder.master.readOrMake(isNeeded: false).isNew == false)
        #expect(try folder.master.readOrMake(isNeeded: true).keys == keys)
        #expect(folder.bytes == before)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["master.key"])
    }

    @Test func oneThatIsNeededIsNotMadeAnew() throws {
        let line = refusal { _ = try folder.master.readOrMake(isNeeded: true) }
        #expect(line.contains("master.key is not there") && line.contains("auth.master_key_file"))
        #expect(!FileManager.default.fileExists(atPath: folder.master.path))
        #expect(try folder.master.read() == nil)
    }

    @Test(arguments: [0, 1, 31, 33, 63, 65, 4_096])
    func otherLengthsAreRefused(_ count: Int) throws {
        try folder.write(Array(repeating: 7, count: count))
        #expect(refusal { _ = try folder.master.read() }.contains("has \(count) bytes; a master key has 32"))
        #expect(refusal { _ = try folder.master.readOrMake(isNeeded: false) }.contains("a master key has 32"))
        #expect(
            !refusal { try folder.master.rotate() }.isEmpty && !refusal { try folder.master.finishRotation() }.isEmpty)
        #expect(folder.bytes.count == count)
    }

    @Test(arguments: [0o644, 0o640, 0o604, 0o620, 0o602, 0o610, 0o777])
    func whatOthersMayReachIsRefused(_ mode: Int) throws {
        try folder.write(Array(repeating: 7, count: 32), mode: mode)
        #expect(refusal { _ = try folder.master.read() }.hasSuffix("chmod 600 \(folder.master.path)"))
    }

    @Test(arguments: [0o600, 0o400, 0o700])
    func theOwnersOwnIsTaken(_ mode: Int) throws {
        try folder.write(Array(repeating: 7, count: 32), mode: mode)
        #expect(try folder.master.read() == MasterKeys(Array(repeating: 7, count: 32)))
    }

    @Test func aLinkLeadsToIt() throws {
        try folder.write(Array(repeating: 7, count: 64))
        let link = folder.path + "/link"
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: folder.master.path)
        #expect(try MasterKeyFile(link).read()?.count == 2)
        #expect(refusal { _ = try MasterKeyFile(folder.path).read() }.contains("is no file"))
    }

    @Test func rotationPutsANewOneInFront() throws {
        #expect(refusal { try folder.master.rotate() }.contains("is not there"))
        try folder.write(Array(repeating: 7, count: 32))
        #expect(refusal { try folder.master.finishRotation() }.contains("one master key alone"))
        try folder.master.rotate()
        let two = folder.bytes
        #expect(two.count == 64 && Array(two.suffix(32)) == Array(repeating: 7, count: 32))
        #expect(Array(two.prefix(32)) != Array(repeating: 7, count: 32))
        #expect(refusal { try folder.master.rotate() }.contains("has two master keys already"))
        try folder.master.finishRotation()
        #expect(folder.bytes == Array(two.prefix(32)))
        #expect(try folder.mode(folder.master.path) == 0o600)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["master.key"])
    }
}
