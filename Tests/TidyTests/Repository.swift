// The files of this repository, as the house rules see them.

import Foundation
import Testing

/// One text file of the repository.
struct TextFile: Sendable, CustomTestStringConvertible {
    /// From the repository's root, with `/`.
    let path: String
    let text: String

    var lines: [Substring] { text.split(separator: "\n", omittingEmptySubsequences: false) }
    var testDescription: String { path }
    var name: String { String(path.split(separator: "/").last ?? "") }

    /// The folder below `Sources` or `Tests` that the file stands in.
    var room: String {
        let parts = path.split(separator: "/")
        return parts.count > 2 ? String(parts[1]) : ""
    }
}

/// Finds and reads files below the repository's root.
enum Repository {
    /// The nearest folder above this file that holds ARCHITECTURE.md.
    static let root: URL = {
        var folder = URL(filePath: #filePath).deletingLastPathComponent()
        while folder.path().count > 1 {
            let mark = folder.appending(path: "ARCHITECTURE.md")
            if FileManager.default.fileExists(atPath: mark.path()) { return folder }
            folder = folder.deletingLastPathComponent()
        }
        return URL(filePath: #filePath)
    }()

    static let sources = swiftFiles(below: "Sources")
    static let tests = swiftFiles(below: "Tests")
    static let otherSwift = swiftFiles(below: "Fuzz") + swiftFiles(below: "Benchmarks") + [read("Package.swift")]
    /// All Swift that people write.
    static let swift = sources + tests + otherSwift
    static let documents =
        files(below: "", recursive: false) { $0.hasSuffix(".md") } + files(below: "docs") { $0.hasSuffix(".md") }
        + files(below: "schemas") { $0.hasSuffix(".md") } + files(below: "Benchmarks") { $0.hasSuffix(".md") }
    /// Everything below `scripts` and `.ci`.
    static let scripts = files(below: "scripts") { _ in true } + files(below: ".ci") { _ in true }
    static let schemas = files(below: "schemas") { $0.hasSuffix(".json") }

    static func read(_ path: String) -> TextFile {
        let text = try? String(contentsOf: root.appending(path: path), encoding: .utf8)
        return TextFile(path: path, text: text ?? "")
    }

    static func exists(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: root.appending(path: path).path())
    }

    private static func swiftFiles(below folder: String) -> [TextFile] {
        files(below: folder) { $0.hasSuffix(".swift") && !$0.contains("/Generated/") }
    }

    /// The text files below a folder, sorted; hidden folders, build products and binary files are left out.
    static func files(below folder: String, recursive: Bool = true, where wanted: (String) -> Bool) -> [TextFile] {
        let start = folder.isEmpty ? root : root.appending(path: folder)
        let names = (try? FileManager.default.contentsOfDirectory(atPath: start.path())) ?? []
        var found: [TextFile] = []
        for name in names.sorted() where !name.hasPrefix(".") && name != "__pycache__" {
            let path = folder.isEmpty ? name : "\(folder)/\(name)"
            let kind = (try? FileManager.default.attributesOfItem(atPath: root.appending(path: path).path()))?[.type]
            if kind as? FileAttributeType == .typeDirectory {
                if recursive { found += files(below: path, where: wanted) }
            } else if wanted(path), let text = try? String(contentsOf: root.appending(path: path), encoding: .utf8) {
                found.append(TextFile(path: path, text: text))
            }
        }
        return found
    }
}
