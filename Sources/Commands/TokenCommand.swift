// tidings token: which people and vendors have tokens; a command of its own for each task.

import Access
import Admission
import ArgumentParser
import Events
import Ingest
import Presentation

struct TokenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token",
        abstract: "Give people and vendors tokens, and take them away.",
        subcommands: [TokenAddCommand.self, TokenListCommand.self, TokenRevokeCommand.self])
}

struct TokenAddCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Make a token; it is printed once.",
        discussion: """
            Examples: tidings token add --name acme --role read --product kettle --expires 90d
                      tidings token add --name metrics --role operate
                      tidings token add --name importer --role send,read --all-products

            Roles: send posts events, read asks for summaries, both of the products named; operate sees health and \
            metrics of the whole daemon, and sends messages to devices; admin may do everything. The token goes into \
            `Authorization: Bearer TOKEN`. Only a digest of it is kept. Works with and without a running daemon.
            """)

    @Option(help: "What to call it, as in the name of who gets it.")
    var name: String

    @Option(help: "What it is for: send, read, operate, admin; several with commas between.")
    var role: [String]

    @Option(help: "A product that it is for; may be given several times.")
    var product: [String] = []

    @Flag(help: "For all products, also those to come.")
    var allProducts = false

    @Option(help: "How long it is good: 90d, 12h; for ever without.")
    var expires: String?

    @Option(help: "How to print: table, json or csv.")
    var format: OutputFormat = .table

    @OptionGroup var data: DataOptions

    func validate() throws {
        let roles = try wantedRoles()
        if roles.contains(.admin) {
            guard product.isEmpty else { throw ValidationError("admin is for everything; leave out --product") }
        } else if !roles.isDisjoint(with: [.send, .read]) {
            guard product.isEmpty == allProducts else {
                throw ValidationError("send and read are for products: --product NAME, or --all-products")
            }
        } else if !product.isEmpty {
            throw ValidationError("operate is for the whole daemon; leave out --product")
        }
        if let expires, Self.milliseconds(expires) == nil {
            throw ValidationError("--expires must be a number of days or hours, as in 90d or 12h, of at most ten years")
        }
    }

    private func wantedRoles() throws -> Roles {
        var roles = Roles()
        for word in role.flatMap({ $0.split(separator: ",", omittingEmptySubsequences: false) }) {
            guard let known = Roles.words.first(where: { $0.word == word }) else {
                throw ValidationError("--role must be of send, read, operate, admin, not \(visible(String(word)))")
            }
            roles.insert(known.role)
        }
        return roles
    }

    /// How long `90d` or `12h` is; nil for what is no time, or too long.
    private static func milliseconds(_ text: String) -> Int64? {
        let unit: Int64
        switch text.last {
        case "d": unit = 86_400_000
        case "h": unit = 3_600_000
        default: return nil
        }
        guard text.utf8.dropLast().allSatisfy({ (48...57).contains($0) }), let count = Int64(text.dropLast()),
            count > 0,
            count <= AccessLimits.longestExpiry / unit
        else { return nil }
        return count * unit
    }

    func run() async throws {
        let now = wallClock()
        let expiry = expires.flatMap { Self.milliseconds($0) }.map { Timestamp(rawValue: now.rawValue + $0) }
        var products: [String] = []
        for name in product where !products.contains(name) { products.append(name) }
        let new = NewToken(
            label: name, roles: try wantedRoles(), products: products.isEmpty ? nil : products, expires: expiry)
        let (token, secret) = try await KeyFolder(data).change(.tokenAdd) { store throws(AccessError) in
            try store.add(new, now: now)
        }
        printOut(renderIssued(token, secret: secret, as: format))
    }
}

struct TokenListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the tokens: their names, what they are for, and when they were used last.",
        discussion: "Example: tidings token list --format json")

    @Option(help: "How to print: table, json or csv.")
    var format: OutputFormat = .table

    @OptionGroup var data: DataOptions

    func run() async throws {
        let tokens = try await KeyFolder(data).read(.tokenList) { store throws(AccessError) in
            try store.tokens()
        }
        printOut(renderTokens(tokens, as: format, style: .now))
    }
}

struct TokenRevokeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke",
        abstract: "End a token for good.",
        discussion: """
            Example: tidings token revoke acme

            Counts at once in a running daemon: what was opened with it is closed.
            """)

    @Argument(help: "The name of the token, or its number.")
    var token: String

    @Option(help: "How to print: table, json or csv.")
    var format: OutputFormat = .table

    @OptionGroup var data: DataOptions

    func run() async throws {
        let revoked = try await KeyFolder(data).change(.tokenRevoke) { store throws(AccessError) in
            try store.revokeToken(token, now: wallClock())
        }
        printOut(renderTokens([revoked], as: format, style: .now))
    }
}
