// The first inputs of the targets whose bytes nobody could write by hand.

import Events
import Foundation
import Log
import TidingsTesting

extension FuzzTarget {
    /// Writes this target's first inputs into a folder.
    func writeSeeds(_ folder: URL) {
        for (name, bytes) in seeds() {
            do {
                try Data(bytes).write(to: folder.appending(path: name))
            } catch {
                print("cannot write \(name): \(error)")
                exit(1)
            }
        }
    }

    private func seeds() -> [(String, [UInt8])] {
        switch self {
        case .blocks, .columns: blocks()
        case .keyframes: keyframes()
        case .snapshots:
            ((try? SnapshotFuzz.shared.pages()) ?? []).map {
                ("part-\($0.part)", [UInt8($0.part)] + $0.body.prefix(4_000))
            }
        case .segments:
            (0..<23).map { ("column-\($0)", [$0, 1, 0, 7, 0, 0, 0, 0, 0, 0, 0]) }
                + [("bytes", [255, 100, 1, 0, 1, 0, 32, 0, 255])]
        case .frames, .datagrams, .bodies, .lines, .inflate, .configuration: []
        }
    }

    private func blocks() -> [(String, [UInt8])] {
        [1, 3, 20, 60].compactMap { count in
            var sample = SampleEvents(seed: UInt64(count))
            guard var encoder = try? BlockEncoder(), let block = try? encoder.encode(sample.batch(count).batch) else {
                return nil
            }
            let size = block.stored.rawSize
            let head = [UInt8(count), UInt8((size >> 16) << 6), UInt8(size & 255), UInt8(size >> 8 & 255)]
            return ("events-\(count)", self == .columns ? Array(encoder.raw.prefix(size)) : head + block.stored.body)
        }
    }

    private func keyframes() -> [(String, [UInt8])] {
        [1, 30, 200].compactMap { count in
            var sample = SampleEvents(seed: UInt64(count))
            guard var encoder = try? BlockEncoder(), (try? encoder.encode(sample.batch(count).batch)) != nil,
                let frame = try? encoder.state.keyframe()
            else { return nil }
            let size = frame.rawSize
            return ("events-\(count)", [UInt8(size & 255), UInt8(size >> 8 & 255), UInt8(size >> 16)] + frame.body)
        }
    }
}
