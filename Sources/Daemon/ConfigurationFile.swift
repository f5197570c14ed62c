// One tidings.yaml: its keys and values, where they stand, and what is wrong with it.

import Foundation
import Yams

/// The keys and values of one tidings.yaml, with their lines.
struct ConfigurationFile {
    private(set) var values: [String: String] = [:]
    private var lines: [String: Int] = [:]
    private var path = ""

    init() {}

    /// - Throws: `ConfigurationError` when the file cannot be read, is not a YAML mapping or has an unknown key.
    init(path: String) throws {
        self.path = path
        let root: Node?
        do {
            root = try Yams.compose(yaml: try Self.text(of: path))
        } catch let error as ConfigurationError {
            throw error
        } catch let error as YamlError {
            throw ConfigurationError(description: "configuration: \(path) is not YAML: \(oneLine(error))")
        } catch {
            throw ConfigurationError(description: "configuration: cannot read \(path): \(error.localizedDescription)")
        }
        guard let root else { return }
        try collect(root, prefix: "")
    }

    private static func text(of path: String) throws -> String {
        let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
        defer { try? file.close() }
        let limit = DaemonLimits.configurationBytes
        var bytes = Data()
        while bytes.count <= limit, let more = try file.read(upToCount: limit + 1 - bytes.count), !more.isEmpty {
            bytes.append(more)
        }
        guard bytes.count <= limit else {
            throw ConfigurationError(
                description: "configuration: \(path) has more than \(limit) bytes; is it the right file?")
        }
        guard let text = String(bytes: bytes, encoding: .utf8) else {
            throw ConfigurationError(description: "configuration: \(path) is not UTF-8; save it as such")
        }
        return text
    }

    /// Where a value stands, for a message.
    func place(of name: String, source: String) -> String {
        guard source == path, let line = lines[name] else { return source }
        return "\(path) line \(line)"
    }

    private mutating func collect(_ node: Node, prefix: String) throws {
        guard let mapping = node.mapping else {
            throw ConfigurationError(
                description: "configuration: \(path) line \(node.mark?.line ?? 1): "
                    + (prefix.isEmpty ? "the file" : prefix) + " must be a mapping of keys to values")
        }
        for (key, value) in mapping {
            let name = prefix.isEmpty ? (key.string ?? "") : prefix + "." + (key.string ?? "")
            let line = key.mark?.line ?? 1
            if ConfigurationKey.all.contains(where: { $0.name == name }) {
                guard let scalar = value.scalar else {
                    throw ConfigurationError(
                        description: "configuration: \(path) line \(line): \(name) must be a single value")
                }
                values[name] = scalar.string
                lines[name] = line
            } else if ConfigurationKey.all.contains(where: { $0.name.hasPrefix(name + ".") }) {
                try collect(value, prefix: name)
            } else {
                let hint =
                    ConfigurationKey.nearest(to: name).map { "; did you mean \($0)?" }
                    ?? "; `tidings check config --template` prints all keys"
                throw ConfigurationError(
                    description: "configuration: \(path) line \(line): unknown key \(name)\(hint)")
            }
        }
    }
}

/// What a parser says over several lines, in one: its first line ends with the place, its last one is the pointer.
private func oneLine(_ error: YamlError) -> String {
    let lines = error.description.split(whereSeparator: \.isNewline).map { $0.trimmingPrefix { $0.isWhitespace } }
    return lines.filter { $0 != "^" }.joined(separator: " ")
}
