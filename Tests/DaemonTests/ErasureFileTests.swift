// The file of the erasure list: what a power cut leaves, what is refused, and how long a long one takes.

import Admission
import Daemon
import Events
import Foundation
import Testing

@Suite struct ErasureFileTests {
    private let path = NSTemporaryDirectory() + "tidings-erasures-" + UUID().uuidString
    private let digests = NameDigests(key: Array(0..<32))
    private static let log = String(repeating: "ab", count: 16)

    private var file: ErasureFile { ErasureFile(path) }

    private func line(_ number: Int) -> ErasureLine {
        ErasureLine(
            time: Timestamp(rawValue: 1_767_225_600_000), state: .erased, kind: .customer, log: Self.log,
            check: digests.check, digest: digests.digest(ofCustomer: Array("c\(number)".utf8).span))
    }

    private func append(raw text: String) throws {
        let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        try handle.seekToEnd()
        try handle.write(contentsOf: Data(text.utf8))
        try handle.close()
    }

    private func refusal(_ log: String? = Self.log, _ check: [UInt8]? = nil) -> String? {
        do throws(ForgettingError) { _ = try file.read(of: log, check: check) } catch { return "\(error)" }
        return nil
    }

    @Test func linesComeBackAndAHalfOneIsCutOff() throws {
        defer { try? FileManager.default.removeItem(atPath: path) }
        #expect(try file.read(of: Self.log, check: nil) == [])
        try file.make()
        #expect(try file.read(of: Self.log, check: nil) == [])
        try file.append([line(1), line(2)])
        try append(raw: String(line(3).text.dropLast(7)))
        #expect(try file.read(of: Self.log, check: digests.check) == [line(1), line(2)])
        try file.append([line(4)])
        #expect(try file.read(of: Self.log, check: digests.check) == [line(1), line(2), line(4)])
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        #expect(mode == 0o600)
    }

    @Test func whatIsNotOfThisLogIsRefused() throws {
        defer { try? FileManager.default.removeItem(atPath: path) }
        try file.append([line(1)])
        #expect(refusal(String(repeating: "cd", count: 16))?.contains("of another log") == true)
        #expect(refusal(Self.log, NameDigests(key: [1]).check)?.contains("another sealing.secret") == true)
        #expect(refusal() == nil)
        try append(raw: "1 nonsense\n")
        try file.append([line(2)])
        #expect(refusal()?.contains("line 2 of the erasure list") == true)
    }

    @Test func aLongListIsReadAtOnce() throws {
        defer { try? FileManager.default.removeItem(atPath: path) }
        try file.append((0..<100_000).map { line($0) })
        let begun = ContinuousClock.now
        let lines = try file.read(of: Self.log, check: digests.check)
        let index = ErasureIndex(digests: digests, lines: lines)
        print("erasure list: 100,000 lines read in \(begun.duration(to: .now))")
        #expect(index.count == 100_000 && index.erasure(ofCustomer: Array("c99999".utf8).span) != nil)
    }

    @Test func aReceiptsKeyIsMadeOnceAndSigns() throws {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: path) }
        let (one, other) = (try ReceiptKey(in: path), try ReceiptKey(in: path))
        #expect(one.publicKey == other.publicKey && one.publicKey.hasPrefix("-----BEGIN PUBLIC KEY-----\n"))
        #expect(try !one.signature(of: "text").isEmpty)
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path + "/receipt.key")
        #expect(throws: ForgettingError.self) { try ReceiptKey(in: path) }
    }
}
