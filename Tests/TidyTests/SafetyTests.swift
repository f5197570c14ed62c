// What the code may not do, and where the few exceptions are.

import Testing

@Suite struct SafetyTests {
    /// The only files that may say `unsafe`: those that call C functions.
    static let unsafeFiles: Set<String> = [
        "Sources/Bytes/Checksums.swift", "Sources/Bytes/Zlib.swift", "Sources/Events/Prefetch.swift",
        "Sources/Log/Deflate/Deflater.swift",
        "Sources/SQLite/FileAccess.swift", "Sources/SQLite/RowInserter.swift",
        "Sources/SQLiteLog/Files.swift", "Sources/Transport/Descriptors.swift",
        "Sources/Transport/PeerAddress.swift", "Sources/Transport/DatagramSocket.swift",
        "Sources/Transport/DatagramInbox.swift", "Sources/Transport/DatagramAddress.swift",
        "Sources/Transport/HTTP/StreamInflater.swift",
        // The width of the terminal, writing whose failure is an answer, and reading what a pipe holds now.
        "Sources/Commands/StandardStreams.swift", "Sources/Commands/StandardInput.swift",
    ]
    /// Words that mark unfinished work, put together here so that this file does not trip over itself.
    static let unfinished = ["TO" + "DO", "FIX" + "ME", "X" + "XX"]
    /// Would end the process, or start work that nobody waits for.
    static let banned = ["try!", "fatalError(", "Task {", "Task.detached", "preconditionFailure(", "unsafeBitCast"]

    @Test(arguments: Repository.sources)
    func unsafeIsRareAndExplained(_ file: TextFile) {
        let code = blanked(file.text)
        let found = lines(of: "unsafe", inBlanked: code)
        guard !found.isEmpty else { return }
        #expect(Self.unsafeFiles.contains(file.path), "\(file.path):\(found[0]): unsafe code outside an adapter")
        let text = file.lines
        let extents = functions(inBlanked: code).map { $0.firstLine..<($0.firstLine + $0.lineCount) }
        for line in found {
            // Within the same function, or at most three lines above.
            let function = extents.last { $0.contains(line) }
            let near = text[(max(function?.lowerBound ?? 1, 4) - 4)..<(function?.upperBound ?? line + 1) - 1]
            let isClose = text[max(0, line - 4)..<line].contains { $0.contains("// SAFETY:") }
            let isExplained = isClose || function != nil && near.contains { $0.contains("// SAFETY:") }
            #expect(isExplained, "\(file.path):\(line): say why it is safe")
        }
    }

    @Test func listOfUnsafeFilesIsTrue() {
        for path in Self.unsafeFiles {
            let code = blanked(Repository.read(path).text)
            #expect(!lines(of: "unsafe", inBlanked: code).isEmpty, "\(path) has no unsafe code: take it off the list")
        }
    }

    @Test(arguments: Repository.sources)
    func nothingEndsTheProcessOrRunsUnawaited(_ file: TextFile) {
        let code = blanked(file.text)
        for word in Self.banned {
            for line in lines(of: word, inBlanked: code) { Issue.record("\(file.path):\(line): \(word)") }
        }
    }

    /// What ends the process is printed, and may reach a crash report: it must not say what an event says.
    @Test(arguments: Repository.sources)
    func noTrapSaysWhatIsInAnEvent(_ file: TextFile) {
        for (index, line) in file.lines.enumerated() where line.contains(#/\b(precondition|assert|assertionFailure)\(/#)
        {
            // A message may stand on the next line.
            let statement = file.lines[index..<min(index + 3, file.lines.count)].prefix { !$0.isEmpty }.joined()
            #expect(!statement.contains("\\("), "\(file.path):\(index + 1): a trap with something of the run in it")
        }
    }

    @Test(arguments: Repository.sources)
    func uncheckedSendableHasAReason(_ file: TextFile) {
        let text = file.lines
        for line in lines(of: "@unchecked Sendable", inBlanked: blanked(file.text)) {
            let near = text[max(0, line - 4)..<line]
            #expect(near.contains { $0.contains("//") }, "\(file.path):\(line): say which thread or lock protects it")
        }
    }

    @Test(arguments: Repository.swift + Repository.scripts + Repository.documents)
    func nothingIsUnfinished(_ file: TextFile) {
        for (index, line) in file.lines.enumerated() {
            for word in Self.unfinished where line.contains(word) {
                Issue.record("\(file.path):\(index + 1): \(word)")
            }
        }
    }

    /// Texts must be true on every machine: no path of the one on which they were written.
    @Test(arguments: Repository.swift + Repository.scripts + Repository.documents + Repository.schemas)
    func nothingNamesTheMachineItWasWrittenOn(_ file: TextFile) {
        let paths = ["work", "root", "Users", "farm"].map { "/\($0)/" }
        for (index, line) in file.lines.enumerated() {
            for path in paths where line.contains(path) { Issue.record("\(file.path):\(index + 1): \(path)") }
        }
    }
}
