// The libFuzzer entry: one program, and in it a target for every reader of bytes from outside. Run by scripts/fuzz.

import Foundation
import Transport

/// A reader to be fuzzed. The names are those of the folders in Fuzz/Corpus.
enum FuzzTarget: String, CaseIterable {
    case frames, datagrams, bodies, control, lines, inflate, connections, http, mqtt, packets, answers, requests
    case messages, ids
    case blocks, columns, keyframes, deflate, segments, snapshots, configuration, certificates

    /// What one input may not do, whatever it is: crash, read out of bounds, or leave more behind than it brought.
    func read(_ input: [UInt8]) {
        switch self {
        case .frames: readStream(input)
        case .datagrams: readDatagram(input)
        case .bodies: readBody(input)
        case .lines: readLine(input)
        case .control: readControl(input)
        case .inflate: readInflated(input)
        case .connections: readConnection(input) { TCPSession() }
        // How many messages of MQTT 5 may wait is bounded, so what is durable in between matters.
        case .mqtt: readConnection(input, commitsBetween: false) { MQTTSession() }
        case .packets: readPackets(input)
        case .http: readRequestsOverHTTP(input)
        case .answers: readAnswers(input)
        case .requests: readRequests(input)
        case .messages: readMessage(input)
        case .ids: readMessageID(input)
        case .blocks: readBlock(input)
        case .columns: readColumns(input)
        case .keyframes: readKeyframe(input)
        case .deflate: writeDeflated(input)
        case .configuration: readConfiguration(input)
        case .certificates: readCertificate(input)
        case .snapshots: SnapshotFuzz.shared.read(input)
        case .segments: SegmentFuzz.shared.read(input)
        }
    }

    static let chosen: FuzzTarget = {
        let name = ProcessInfo.processInfo.environment["TIDINGS_FUZZ_TARGET"] ?? ""
        if name == "list" {
            print(allCases.map(\.rawValue).joined(separator: "\n"))
            exit(0)
        }
        guard let target = FuzzTarget(rawValue: name) else {
            print("TIDINGS_FUZZ_TARGET must be one of: \(allCases.map(\.rawValue).joined(separator: " "))")
            exit(64)
        }
        if let folder = ProcessInfo.processInfo.environment["TIDINGS_FUZZ_SEED"] {
            target.writeSeeds(URL(filePath: folder))
            // libFuzzer takes exit for a finding.
            _exit(0)
        }
        return target
    }()
}

/// What libFuzzer calls with every input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let target = FuzzTarget.chosen
    guard let start = unsafe start, count > 0 else { return 0 }
    // SAFETY: libFuzzer gives `count` readable bytes that live for the duration of the call; they are copied.
    let input = unsafe Array(UnsafeBufferPointer(start: start, count: count))
    target.read(input)
    return 0
}
