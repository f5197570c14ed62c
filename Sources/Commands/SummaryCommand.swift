// tidings summary: what customers prefer now, per product.

import ArgumentParser
import Daemon
import Presentation
import Projection

struct SummaryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "summary",
        abstract: "Show what customers prefer now: all products, or one of them.",
        discussion: """
            Examples: tidings summary
                      tidings summary kettle
                      tidings summary kettle --since 2026-11-01 --until 2026-11-07 --format csv

            Works while the daemon runs, and when it does not. The same tables are in summaries.sqlite, for any SQL.
            Of fewer than 5 customers (privacy.least_group; devices, where no customer is named) only counts are shown:
            of a product, of an aspect, in a window. In SQL everything stands.
            A window of days says what it cannot know. A name is also known by the form in which it is shown.
            """)

    @Argument(help: "The product; all products are listed without it.")
    var product: String?

    @Option(help: "The first day of a window, as YYYY-MM-DD (UTC).")
    var since: String?

    @Option(help: "The last day of a window, as YYYY-MM-DD (UTC).")
    var until: String?

    @Option(help: "How to print: table, json or csv.")
    var format: OutputFormat = .table

    @OptionGroup var data: DataOptions

    func validate() throws {
        for day in [since, until] {
            guard let day, Day(day) == nil else { continue }
            throw ValidationError("\(day) is not a day; write it as 2026-11-24")
        }
        guard product != nil || (since == nil && until == nil) else {
            throw ValidationError("--since and --until need a product")
        }
    }

    func run() async throws {
        let days = (since: since.flatMap { Day($0) }, until: until.flatMap { Day($0) })
        do { _ = try DayWindow(since: days.since, until: days.until) } catch { throw Failure(error) }
        let configuration = try await data.configuration()
        let (directory, smallGroups) = (configuration.dataDirectory, configuration.smallGroups)
        // A running daemon writes what is due first, so that the answer is of now; without one the file is complete.
        if let remark = await ControlClient.freshen(dataDirectory: directory) { printError("tidings: \(remark)") }
        do {
            let reader = try SummaryReader(path: directory + "/" + Projector.fileName)
            guard let product else {
                printOut(
                    renderProducts(
                        try reader.products(), position: try reader.position(), smallGroups: smallGroups, as: format,
                        style: .now))
                return
            }
            let known = try Self.name(product, reader)
            guard let summary = try reader.summary(product: known, since: days.since, until: days.until) else {
                let nearest = try reader.nearest(to: product)
                throw Failure(renderUnknown(product: product, nearest: nearest), .data)
            }
            printOut(renderSummary(summary, smallGroups: smallGroups, as: format, style: .now))
        } catch let error as ProjectionError {
            throw Failure(error)
        }
    }

    /// The product's own name, when it was given as it is shown: some characters cannot be typed.
    private static func name(_ product: String, _ reader: SummaryReader) throws -> String {
        guard product.contains("\\") else { return product }
        let names = try reader.products().map(\.product)
        return names.contains(product) ? product : names.first { visible($0) == product } ?? product
    }
}
