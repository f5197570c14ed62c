// The releases that were tested together are those that the manifest asks for, and those that were built.

import Commands
import Daemon
import Foundation
import Testing

@Suite struct VersionTests {
    private static let tested = Dictionary(uniqueKeysWithValues: testedPackages.map { ($0.key.lowercased(), $0.value) })

    @Test func theManifestAsksForWhatWasTested() {
        let manifest = Repository.read("Package.swift").text
        let asked = manifest.matches(
            of: #/\.package\(\s*url: "[^"]+\/([^"\/]+)",\s*\.upToNextMinor\(from: "([\d.]+)"\)/#)
        #expect(asked.count == manifest.matches(of: #/\.package\(\s*url:/#).count, "others than .upToNextMinor(from:)")
        for package in asked {
            let name = String(package.output.1).lowercased()
            #expect(Self.tested[name] == String(package.output.2), "\(name): Package.swift, Components.swift")
        }
    }

    private struct Resolved: Decodable {
        struct Pin: Decodable {
            struct State: Decodable { var version: String? }
            var identity: String
            var state: State
        }
        var pins: [Pin]
    }

    /// The file is there once something has been built; it is not part of the repository.
    @Test func whatWasBuiltIsWhatIsSaidToBeTested() throws {
        let file = Repository.read("Package.resolved").text
        guard !file.isEmpty else { return }
        let pins = try JSONDecoder().decode(Resolved.self, from: Data(file.utf8)).pins
        let built = Dictionary(uniqueKeysWithValues: pins.map { ($0.identity.lowercased(), $0.state.version ?? "") })
        #expect(built == Self.tested, "bring testedPackages in Sources/Commands/Components.swift up to date")
    }

    @Test(arguments: Repository.sources) func theReleaseIsSaidInOnePlace(_ file: TextFile) {
        guard file.path != "Sources/Daemon/Version.swift" else { return }
        #expect(!file.text.contains("\"\(tidingsVersion)\""), "\(file.path)")
    }

    /// What is being worked on is not released yet, and what is released has its entry.
    @Test func theChangelogKnowsTheRelease() {
        let changelog = Repository.read("CHANGELOG.md").text
        #expect(tidingsVersion.hasSuffix("-dev") || changelog.contains("\n## [\(tidingsVersion)] - "))
        #expect(tidingsVersion.contains(#/^\d+\.\d+\.\d+(-dev)?$/#))
        let latest = changelog.firstMatch(of: #/\n## \[(\d+\.\d+\.\d+)\]/#).map { String($0.output.1) } ?? "0"
        #expect(latest.compare(tidingsVersion.replacing("-dev", with: ""), options: .numeric) != .orderedDescending)
    }
}
