// The rooms stand in the order in which an event passes through them, and each sees only the rooms before it.

import Testing

/// A target as Package.swift declares it.
private struct Target {
    let name: String
    let isTest: Bool
    /// Targets and products.
    let dependencies: [String]
    /// Whether it has the settings that all targets share, alone or with those for the processor.
    let isStrict: Bool
}

@Suite struct ManifestTests {
    /// The flow of an event (ARCHITECTURE.md); adapters of C libraries stand at the end.
    static let flow = [
        "Bytes", "Events", "Wire", "Admission", "TLS", "Transport", "Log", "Ingest", "SQLite", "Identity", "Access",
        "SQLiteLog", "Projection", "Presentation", "TidingsClient", "Fleet", "Daemon", "TidingsTesting", "Commands",
        "tidings",
    ]
    static let adapters = ["CPrefetch", "CDatagrams", "CDeflate", "CZlib", "CProgram"]
    static let hotRooms: Set = ["Bytes", "Events", "Wire", "Admission", "Log", "Transport"]
    /// Part of every toolchain, and allowed in every room.
    static let toolchain: Set = ["Swift", "Synchronization", "Glibc", "Musl", "Darwin"]

    @Test func targetsStandInFlowOrder() {
        let names = targets().filter { !$0.isTest }.map(\.name)
        #expect(names.filter { !Self.adapters.contains($0) && $0 != "FuzzTargets" } == Self.flow)
        #expect(names.filter(Self.adapters.contains) == Self.adapters)
    }

    @Test func targetsDependOnlyOnTargetsAboveThem() {
        var above: Set<String> = Set(Self.adapters)
        let all = Set(targets().map(\.name))
        for target in targets() {
            for dependency in target.dependencies where all.contains(dependency) {
                #expect(above.contains(dependency), "\(target.name) depends on \(dependency), which stands below it")
            }
            above.insert(target.name)
        }
    }

    @Test func everyRoomHasTestsAndNoStrangerIsThere() {
        let tests = Set(targets().filter(\.isTest).map(\.name))
        for room in Self.flow where room != "tidings" && room != "TidingsTesting" {
            #expect(tests.contains("\(room)Tests"), "no test target for \(room)")
        }
        let folders = Set(Repository.sources.map(\.room))
        #expect(folders == Set(Self.flow), "Sources holds other rooms than the flow has")
    }

    @Test func roomsImportOnlyWhatTheyDeclare() {
        let declared = Dictionary(uniqueKeysWithValues: targets().map { ($0.name, Set($0.dependencies)) })
        for file in Repository.sources {
            for module in imports(of: file) {
                let isAllowed =
                    declared[file.room]?.contains(module) == true || Self.toolchain.contains(module)
                    || (isLibraryOfTheSystem(module) && !Self.hotRooms.contains(file.room))
                #expect(isAllowed, "\(file.path) imports \(module)")
            }
        }
    }

    @Test func everyTargetHasTheSameStrictSettings() {
        #expect(Repository.read("Package.swift").text.contains("let daemon = strict + processor\n"))
        for target in targets() where !Self.adapters.contains(target.name) {
            #expect(target.isStrict, "\(target.name) has other settings than `strict` or `daemon`")
        }
    }

    /// Foundation and Dispatch: part of the toolchain, and too heavy for the rooms that every event passes.
    private func isLibraryOfTheSystem(_ module: String) -> Bool {
        module.hasPrefix("Foundation") || module == "Dispatch"
    }

    private func imports(of file: TextFile) -> [String] {
        let pattern = #/^(?:@[A-Za-z_()]+ +)*(?:(?:package|public|internal|private|fileprivate) +)?import +/#
            .anchorsMatchLineEndings()
        return file.text.matches(of: pattern).map { match in
            let words = file.text[match.range.upperBound...].prefix { $0 != "\n" }.split(separator: " ")
            let isScoped = ["struct", "class", "enum", "func", "protocol", "typealias", "let", "var"]
                .contains(words.first.map(String.init) ?? "")
            return String((words.dropFirst(isScoped ? 1 : 0).first ?? "").prefix { $0 != "." })
        }
    }

    /// All targets in the order of the manifest's text.
    private func targets() -> [Target] {
        let manifest = Repository.read("Package.swift").text
        let start = #/\.(target|executableTarget|testTarget|systemLibrary)\(\s*name: "([A-Za-z]+)"/#
        let matches = manifest.matches(of: start).filter { !isInDependencies($0.range.lowerBound, of: manifest) }
        return matches.indices.map { index in
            let match = matches[index]
            let end = index + 1 < matches.count ? matches[index + 1].range.lowerBound : manifest.endIndex
            let body = manifest[match.range.upperBound..<end]
            return Target(
                name: String(match.output.2), isTest: match.output.1 == "testTarget",
                dependencies: dependencies(in: String(body)),
                isStrict: body.contains(#/swiftSettings: (strict|daemon)\b/#))
        }
    }

    /// `.target(name:)` may also be written inside a list of dependencies.
    private func isInDependencies(_ index: String.Index, of manifest: String) -> Bool {
        let line = manifest[..<index].split(separator: "\n", omittingEmptySubsequences: false).last ?? ""
        return line.contains("dependencies:")
    }

    private func dependencies(in body: String) -> [String] {
        guard let start = body.firstRange(of: "dependencies: [") else { return [] }
        let list = body[start.upperBound...].prefix { $0 != "]" }
        let products = list.matches(of: #/\.product\(name: "([A-Za-z0-9_]+)"/#).map { String($0.output.1) }
        let plain = list.replacing(#/\.product\([^)]*\)/#, with: "").matches(of: #/"([A-Za-z0-9_]+)"/#)
        return products + plain.map { String($0.output.1) }
    }
}
