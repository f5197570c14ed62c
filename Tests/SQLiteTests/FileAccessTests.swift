// Copies of files: whole, told by path and error number when they cannot be made, and put in place without a trace.

import Foundation
import SQLite
import Testing

@Suite struct FileAccessTests {
    private let folder: String

    init() throws {
        folder = NSTemporaryDirectory() + "/file-access-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    @Test(arguments: [0, 1, 1 << 20, 3 << 20 + 17]) func aCopyIsWholeAndItsOwnersAlone(count: Int) throws {
        let (old, new) = (folder + "/old", folder + "/new")
        let bytes = Data((0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) })
        try bytes.write(to: URL(fileURLWithPath: old))
        var told = 0
        try FileAccess.copy(old, to: new) { told += $0 }
        #expect(try Data(contentsOf: URL(fileURLWithPath: new)) == bytes)
        #expect(told == count)
        let mode = try FileManager.default.attributesOfItem(atPath: new)[.posixPermissions] as? Int
        #expect(mode == Int(FileAccess.fileMode))
        try FileManager.default.removeItem(atPath: folder)
    }

    @Test func whatCannotBeCopiedIsNamed() throws {
        let failure = #expect(throws: FileAccess.Failure.self) {
            try FileAccess.copy(folder + "/none", to: folder + "/new")
        }
        #expect(failure?.path == folder + "/none")
        #expect(failure?.number == ENOENT)
        let full = #expect(throws: FileAccess.Failure.self) { try FileAccess.copy("/dev/zero", to: "/dev/full") }
        #expect(full?.path == "/dev/full")
        #expect(full?.number == ENOSPC)
        #expect(throws: FileAccess.Failure.self) { try FileAccess.syncFolder(folder + "/none") }
        try FileManager.default.removeItem(atPath: folder)
    }

    /// Who has the old file open keeps it; the new one has its bytes and its permissions, and nothing is left over.
    @Test func aDetachedFileIsAnother() throws {
        let path = folder + "/file"
        try Data("what was".utf8).write(to: URL(fileURLWithPath: path))
        try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: path)
        let reader = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
        #expect(FileAccess.detach(path))
        try Data("what is".utf8).write(to: URL(fileURLWithPath: path))
        #expect(try reader.readToEnd() == Data("what was".utf8))
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["file"])
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        #expect(mode == 0o640)
        #expect(!FileAccess.detach(folder + "/none"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["file"])
        try FileManager.default.removeItem(atPath: folder)
    }

    @Test func aDatabaseInMemoryLeavesNoFile() {
        FileAccess.prepare(":memory:")
        #expect(FileAccess.look(at: ":memory:") == .missing)
    }
}
