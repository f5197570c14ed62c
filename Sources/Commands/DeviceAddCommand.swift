// tidings device add: gives devices or gateways keys.

import Access
import ArgumentParser
import Events
import Ingest
import Presentation

struct DeviceAddCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Give devices or a gateway a key; it is printed once.",
        discussion: """
            Examples: tidings device add kettle/k-1
                      tidings device add --gateway kettle/hall-3/
                      tidings device add - --format csv <serials.txt

            A device sends for itself alone, a gateway for every device whose source begins with its prefix. What is \
            printed is all that the device needs: the number of the key, the key (32 bytes in base64url), and the \
            token that is made of it for HTTP and other private connections. Nothing of it can be shown again. Works \
            with and without a running daemon. The first key makes the master key too (auth.master_key_file). \
            Exits 65 when a device has a key already, 78 when the master key is missing or wrong.
            """)

    @Argument(help: "Sources as the devices send them, as in kettle/k-1; - reads them from standard input, one a line.")
    var sources: [String] = []

    @Option(help: "Instead of a source: what the sources of a gateway's devices begin with; it ends at a slash.")
    var gateway: String?

    @Option(help: "The product, for sources that name none.")
    var product: String?

    @Option(help: "What to write down beside the key.")
    var note = ""

    @Option(help: "How to print: table, json or csv.")
    var format: OutputFormat = .table

    @OptionGroup var data: DataOptions

    func validate() throws {
        guard sources.isEmpty == (gateway != nil) else {
            throw ValidationError("name the sources of devices, or --gateway PREFIX")
        }
        guard product == nil || gateway == nil else {
            throw ValidationError("--product goes with the source of a device")
        }
    }

    func run() async throws {
        let folder = try await KeyFolder(data)
        let scopes: [Scope]
        do throws(AccessError) { scopes = try wanted() } catch { throw Failure(error) }
        let issued = try await folder.change(.deviceAdd) { store throws(AccessError) in
            let masters = try folder.masters(for: store)
            return try store.add(scopes, note: note, now: wallClock()).map { key throws(AccessError) in
                try folder.issued(key, masters)
            }
        }
        printOut(renderIssued(issued, as: format))
    }

    private func wanted() throws(AccessError) -> [Scope] {
        if let gateway { return [try Scope(gateway: gateway)] }
        var scopes: [Scope] = []
        for source in sources where source != "-" { scopes.append(try Scope(source: source, product: product)) }
        guard sources.contains("-") else { return scopes }
        while let line = readLine() {
            if line.isEmpty { continue }
            scopes.append(try Scope(source: line, product: product))
            guard scopes.count <= AccessLimits.deviceKeys else {
                throw .refused(
                    "standard input names more than \(AccessLimits.deviceKeys) devices, the most there may be")
            }
        }
        guard !scopes.isEmpty else { throw .refused("standard input names no device; give one source a line") }
        return scopes
    }
}
