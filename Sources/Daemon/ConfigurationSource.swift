// Where a configuration was read from, so that it can be read again from there and nowhere else.

import Foundation

/// The file, flags and environment that the daemon was started with.
package struct ConfigurationSource: Sendable {
    private let file: String?
    private let flags: [String: String]
    private let environment: [String: String]

    /// - Parameters:
    ///   - file: the path of tidings.yaml; nil for `tidings.yaml` in the working directory, if it is there.
    ///   - flags: values from the command line by key name.
    ///   - environment: usually the process's.
    package init(
        file: String? = nil, flags: [String: String] = [:],
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) {
        let files = FileManager.default
        // A file that was there at start must be there when it is read again: without it all is at its default.
        let path = file ?? (files.fileExists(atPath: "tidings.yaml") ? "tidings.yaml" : nil)
        self.file = path.map { $0.hasPrefix("/") ? $0 : files.currentDirectoryPath + "/" + $0 }
        self.flags = flags
        self.environment = environment
    }

    /// Reads and checks it again.
    ///
    /// - Throws: `ConfigurationError`, also when the file is no longer there, or was a pipe, which is empty now.
    package func load() async throws -> DaemonConfiguration {
        if let file, FileManager.default.fileExists(atPath: file) {
            let kind = try? URL(fileURLWithPath: file).resolvingSymlinksInPath()
                .resourceValues(forKeys: [.isRegularFileKey])
            guard kind?.isRegularFile == true else {
                throw ConfigurationError(
                    description: "configuration: \(file) is no file that can be read again; restart the daemon instead")
            }
        }
        return try await DaemonConfiguration.load(file: file, flags: flags, environment: environment)
    }
}
