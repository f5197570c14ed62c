// Numbers that documents share with the code, and codes that are a contract, are the same in both.

import Foundation
import Testing

@Suite struct NumberTests {
    /// A document, a sentence of it, and the line of the code that makes it true.
    private static let shared: [(document: String, says: String, file: String, because: String)] = [
        (
            "docs/delivery-semantics.md", "more than 98,304 events (six blocks) behind",
            "Sources/Ingest/IngestLimits.swift", "highWatermarkEvents = 6 * UInt64(Limits.blockEvents)"
        ),
        (
            "docs/delivery-semantics.md", "stand still for half a second", "Sources/Ingest/IngestLimits.swift",
            "stallTimeout: Duration = .milliseconds(500)"
        ),
        (
            "docs/delivery-semantics.md", "It tries again twice a second", "Sources/Log/Appender.swift",
            "retryDelay: Duration = .milliseconds(500)"
        ),
        (
            "docs/delivery-semantics.md", "bounded by eight blocks under way", "Sources/Ingest/IngestLimits.swift",
            "blocksInFlight = 8"
        ),
        (
            "docs/delivery-semantics.md", "within ten seconds", "Sources/Daemon/DaemonLimits.swift",
            "drainTime: Duration = .seconds(10)"
        ),
        (
            "docs/delivery-semantics.md", "the highest number and the 63 below it",
            "Sources/Admission/SequenceWindow.swift", "width: UInt64 { 64 }"
        ),
        (
            "docs/delivery-semantics.md", "A number 64 or more below the highest",
            "Sources/Admission/SequenceWindow.swift", "if back >= Self.width { return .stale }"
        ),
        (
            "docs/delivery-semantics.md", "the device's last 16,384 ids", "Sources/Admission/AdmissionLimits.swift",
            "idsPerDevice = 16_384"
        ),
        (
            "docs/delivery-semantics.md", "Of each device 32 epochs are remembered",
            "Sources/Admission/AdmissionLimits.swift", "epochsPerDevice = 32"
        ),
        (
            "docs/delivery-semantics.md", "The numbers of the last 256 that went are kept",
            "Sources/Admission/AdmissionLimits.swift", "epochsGone = 256"
        ),
        (
            "docs/delivery-semantics.md", "at least 60 seconds later than the newest such time",
            "Sources/Admission/AdmissionLimits.swift", "reuseMilliseconds: Int64 = 60_000"
        ),
        (
            "docs/delivery-semantics.md", "At most 1,000 of a device are stored",
            "Sources/Admission/AdmissionLimits.swift", "reusedPerDay = 1_000"
        ),
        ("docs/keys.md", "10,000 tokens", "Sources/Access/AccessLimits.swift", "tokens = 10_000"),
        ("docs/keys.md", "4,194,304 keys", "Sources/Access/AccessLimits.swift", "deviceKeys = 1 << 22"),
        (
            "docs/operating.md", "more than 16,384", "Sources/Admission/AdmissionLimits.swift", "idsPerDevice = 16_384"
        ),
        (
            "docs/delivery-semantics.md", "more than 8 million", "Sources/Admission/AdmissionLimits.swift",
            "idsTotal = 8 << 20"
        ),
        (
            "docs/delivery-semantics.md", "closed when 1 MiB of them wait", "Sources/Transport/TransportLimits.swift",
            "unreadAnswerBytes = 1 << 20"
        ),
        (
            "docs/operating.md", "ends within ten seconds with exit code 0", "Sources/Daemon/DaemonLimits.swift",
            "drainTime: Duration = .seconds(10)"
        ),
        (
            "docs/operating.md", "does not answer within ten seconds", "Sources/Daemon/DaemonLimits.swift",
            "controlTimeout: Duration = .seconds(10)"
        ),
        (
            "docs/operating.md", "names up to 100 places", "Sources/Log/LogLimits.swift", "damagesNamed = 100"
        ),
        (
            "docs/operating.md", "net.core.rmem_max=16777216", "Sources/Transport/TransportLimits.swift",
            "datagramReceiveBuffer = 16 << 20"
        ),
        (
            "docs/operating.md", "whose number is 64 or more below the highest",
            "Sources/Admission/SequenceWindow.swift", "width: UInt64 { 64 }"
        ),
        (
            "docs/operating.md", "a sealed segment an hour", "Sources/Daemon/ConfigurationKeys.swift",
            #""log.scrub_interval_minutes", 0...525_600, 60,"#
        ),
        (
            "docs/operating.md",
            "10.3 bytes per event in the standard work of `Benchmarks` at 2 million events (5.8 at 100", "README.md",
            "| log on disk, bytes per event (texts sealed; before that 7.2) | 10.3 | 5.8 |"
        ),
    ]

    @Test(arguments: shared.indices) func sharedNumbersAreTheCodes(_ index: Int) {
        let claim = Self.shared[index]
        let (document, code) = (Repository.read(claim.document).text, Repository.read(claim.file).text)
        // A sentence may be broken into lines anywhere.
        let sentence = document.split { " \n".contains($0) }.joined(separator: " ")
        #expect(sentence.contains(claim.says), "\(claim.document) no longer says: \(claim.says)")
        #expect(code.contains(claim.because), "\(claim.file) no longer makes true: \(claim.says)")
    }

    @Test func exitCodesOfTheDocumentAreTheCodes() {
        let source = Repository.read("Sources/Commands/Failure.swift").text
        let codes = Set(source.matches(of: #/case \w+ = (\d+)/#).map { String($0.output.1) })
        let document = Repository.read("docs/operating.md").text
        let table = document.components(separatedBy: "## Exit codes").last ?? ""
        let stated = Set(table.matches(of: #/\n\| (\d+) \|/#).map { String($0.output.1) })
        // 0 is success, 64 is that of the library which parses the command line.
        #expect(codes.union(["0", "64"]) == stated)
        let help = Repository.read("Sources/Commands/TidingsCommand.swift").text
        for code in stated { #expect(help.contains(" \(code) "), "the help does not say \(code)") }
    }

    /// Every message that the document tells an operator to look for is one that the program can print.
    @Test func symptomsOfTheDocumentAreTheProgramsWords() {
        let document = Repository.read("docs/operating.md").text
        let section = (document.components(separatedBy: "## When something is wrong").last ?? "")
            .components(separatedBy: "\n## ")[0]
        let code = Repository.sources.map(\.text).joined().replacing(#/" *\n *\+ "/#, with: "")
        let cells = section.split(separator: "\n").filter { $0.hasPrefix("| `") }
        #expect(cells.count > 10)
        for cell in cells {
            let symptoms = cell.dropFirst(2).components(separatedBy: " | ")[0]
            for symptom in symptoms.matches(of: #/`([^`]+)`/#) {
                for part in String(symptom.output.1).replacing(": ", with: "…").components(separatedBy: "…") {
                    for words in part.components(separatedBy: " N") {
                        let words = words.trimmingPrefix { $0 == " " }
                        #expect(words.isEmpty || code.contains(words), "no message says: \(words)")
                    }
                }
            }
        }
    }
}
