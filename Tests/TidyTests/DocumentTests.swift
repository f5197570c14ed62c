// Documents have one title, links that lead somewhere, and a changelog in the usual form; scripts say what they do.

import Testing

@Suite struct DocumentTests {
    @Test(arguments: Repository.documents)
    func documentHasOneTitle(_ file: TextFile) {
        let titles = prose(of: file).filter { $0.hasPrefix("# ") }
        #expect(titles.count == 1, "\(file.path) has \(titles.count) first-level headings")
        #expect(file.text.hasPrefix("# "), "\(file.path) must begin with its title")
    }

    @Test(arguments: Repository.documents)
    func relativeLinksResolve(_ file: TextFile) {
        let folder = file.path.split(separator: "/").dropLast().map(String.init)
        for line in prose(of: file) {
            for match in line.matches(of: #/\]\(([^)\s]+)\)/#) {
                let link = String(match.output.1)
                guard !link.contains("://"), !link.hasPrefix("mailto:") else { continue }
                check(link, in: file, folder: folder)
            }
        }
    }

    @Test(arguments: Repository.documents.filter { $0.path.hasPrefix("docs/") })
    func everyDocumentIsLinkedFromSomewhere(_ file: TextFile) {
        let isLinked = Repository.documents.contains { $0.path != file.path && $0.text.contains(file.name) }
        #expect(isLinked, "nothing links to \(file.path)")
    }

    /// What comments, scripts and documents name as a file of the project is one.
    @Test(arguments: Repository.swift + Repository.scripts + Repository.documents)
    func filesThatAreNamedExist(_ file: TextFile) {
        for match in file.text.matches(of: #/\b(docs|schemas|scripts|Benchmarks)\/[A-Za-z0-9_.\/-]*[A-Za-z0-9]/#) {
            let path = String(match.output.0)
            // A name that something made up stands in, such as `schemas/events/<name>`, ends where that begins; what
            // begins with a dot is made by a command.
            let end = file.text[match.range.upperBound...].first
            guard end != "<", end != "/", end != "*", !path.contains("/.") else { continue }
            #expect(Repository.exists(path), "\(file.path) names \(path), which does not exist")
        }
        for match in file.text.matches(of: #/\b[A-Z]{4,}\.md\b/#) {
            #expect(Repository.exists(String(match.output)), "\(file.path) names \(match.output)")
        }
    }

    @Test func changelogKeepsItsForm() {
        let lines = Repository.read("CHANGELOG.md").lines
        #expect(lines.first == "# Changelog")
        let releases = lines.filter { $0.hasPrefix("## ") }
        #expect(releases.first == "## [Unreleased]")
        for release in releases.dropFirst() {
            #expect(release.wholeMatch(of: #/## \[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}/#) != nil, "\(release)")
        }
        let groups: Set = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]
        for group in lines where group.hasPrefix("### ") {
            #expect(groups.contains(String(group.dropFirst(4))), "\(group)")
        }
    }

    @Test func decisionsAreNumberedWithoutGaps() {
        let names = Repository.documents.filter { $0.path.hasPrefix("docs/decisions/") }.map(\.name)
        let numbers = names.compactMap { Int($0.prefix(4)) }
        #expect(!numbers.isEmpty && numbers == Array(1...numbers.count), "\(names)")
    }

    @Test(arguments: Repository.scripts)
    func scriptSaysWhatItDoesAndStopsAtErrors(_ file: TextFile) {
        let lines = file.lines
        #expect(lines[0].hasPrefix("#!"), "\(file.path) has no interpreter line")
        if lines[0].contains("bash") {
            #expect(lines.dropFirst().first?.hasPrefix("# ") == true, "\(file.path): line 2 must say what it does")
            #expect(lines.contains("set -euo pipefail"), "\(file.path) must stop at errors")
        } else {
            let second = lines.dropFirst().first { !$0.isEmpty } ?? ""
            #expect(second.hasPrefix("# ") || second.hasPrefix("\"\"\""), "\(file.path) must say what it does")
        }
    }

    /// The lines outside fenced blocks.
    private func prose(of file: TextFile) -> [Substring] {
        var isFenced = false
        return file.lines.filter { line in
            if line.drop(while: { $0 == " " }).hasPrefix("```") {
                isFenced.toggle()
                return false
            }
            return !isFenced
        }
    }

    private func check(_ link: String, in file: TextFile, folder: [String]) {
        let parts = link.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
        var path = folder
        for step in parts[0].split(separator: "/") {
            if step == ".." { _ = path.popLast() } else if step != "." { path.append(String(step)) }
        }
        let target = parts[0].isEmpty ? file.path : path.joined(separator: "/")
        #expect(Repository.exists(target), "\(file.path) links to \(link)")
        if parts.count == 2, target.hasSuffix(".md") {
            let anchors = prose(of: Repository.read(target)).filter { $0.hasPrefix("#") }.map(anchor)
            #expect(anchors.contains(String(parts[1])), "\(file.path) links to \(link): no such heading")
        }
    }

    /// A heading's anchor, by the rules of the usual renderers.
    private func anchor(of heading: Substring) -> String {
        let title = heading.drop { $0 == "#" }.drop { $0 == " " }.lowercased()
        return String(title.compactMap { $0 == " " ? "-" : $0.isLetter || $0.isNumber || "-_".contains($0) ? $0 : nil })
    }
}
