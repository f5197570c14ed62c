// What is known of few people is told as counts only: in the table, in JSON and in CSV, of a product, of an aspect and
// in a window of days.

import Events
import Foundation
import Log
import Presentation
import Projection
import Testing

@Suite struct SmallGroupTests {
    private static let five = SmallGroupRule(least: 5)
    private static let style = TableStyle(isUnicode: true, isColored: false, width: 100)
    private static let reason = "fewer than 5 customers: counts only (privacy.least_group)"

    /// What one device says.
    private struct Said {
        var device: Int
        var customer: Int?
        var aspect = "heat"
        var day = 0
        var kind = EventKind.preferenceSet
        var value = "MOLTEN"
        var text = ""
    }

    /// What so many devices say of one aspect, each of a customer of its own, where customers are named.
    private static func all(
        _ count: Int, areNamed: Bool = true, aspect: String = "heat", day: Int = 0, value: String = "MOLTEN"
    ) -> [Said] {
        (1...count).map { number in
            Said(device: number, customer: areNamed ? number : nil, aspect: aspect, day: day, value: value)
        }
    }

    /// Folds it into a file, and reads that.
    private static func read<Answer>(_ said: [Said], _ body: (SummaryReader) throws -> Answer) throws -> Answer {
        var vocabulary = Vocabulary()
        func word(_ kind: SymbolKind, _ text: String) -> SymbolID {
            text.isEmpty ? .none : vocabulary.symbol(kind, Array(text.utf8).span) ?? .none
        }
        var batch = EventBatch()
        for one in said {
            var event = Event()
            (event.kind, event.product, event.aspect) = (one.kind, word(.product, "kettle"), word(.aspect, one.aspect))
            event.device = vocabulary.device(product: event.product, name: Array("k\(one.device)".utf8).span) ?? .none
            if let customer = one.customer {
                event.customer = vocabulary.customer(Array("c\(customer)".utf8).span) ?? .none
            }
            switch one.kind {
            case .preferenceSet: event.value = .symbol(word(.value, one.value))
            case .ratingGiven: event.value = .whole(3)
            default: break
            }
            event.time = Timestamp(rawValue: 1_767_225_600_000 + Int64(one.day) * 86_400_000)
            if !one.text.isEmpty { batch.setText(Array(one.text.utf8).span, of: &event) }
            batch.events.append(event)
        }
        var state = SummaryState()
        state.apply(Block(firstOffset: .zero, batch: batch, definitions: vocabulary.takeDefinitions()))
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("tidings-few-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appendingPathComponent("summaries.sqlite").path
        var store = try SummaryStore(path: path, identity: "log")
        try store.checkpoint(&state, updated: Timestamp(rawValue: 1_767_225_700_000))
        try store.close()
        return try body(try SummaryReader(path: path))
    }

    private static func summary(_ said: [Said], since: String? = nil, until: String? = nil) throws -> ProductSummary {
        let days = (since: since.flatMap { Day($0) }, until: until.flatMap { Day($0) })
        let found = try read(said) { try $0.summary(product: "kettle", since: days.since, until: days.until) }
        return try #require(found)
    }

    private static func table(_ summary: ProductSummary) -> String {
        renderSummary(summary, smallGroups: five, as: .table, style: style)
    }

    private static func json(_ summary: ProductSummary) throws -> [String: Any] {
        let text = renderSummary(summary, smallGroups: five, as: .json)
        return try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }

    private static func aspects(_ summary: ProductSummary) throws -> [String: [String: Any]] {
        let all = try #require(try json(summary)["aspects"] as? [[String: Any]])
        return Dictionary(uniqueKeysWithValues: all.map { ($0["aspect"] as? String ?? "", $0) })
    }

    private static func csv(_ summary: ProductSummary) -> [Substring] {
        renderSummary(summary, smallGroups: five, as: .csv).split(separator: "\r\n")
    }

    private static func inAllFormats(_ summary: ProductSummary, _ rule: SmallGroupRule = Self.five) -> [String] {
        [OutputFormat.table, .json, .csv].map { renderSummary(summary, smallGroups: rule, as: $0, style: style) }
    }

    /// A rating and a text of the first two devices, besides what all set.
    private static func household(_ count: Int, areNamed: Bool) -> [Said] {
        let rating = Said(device: 1, customer: areNamed ? 1 : nil, kind: .ratingGiven)
        let text = Said(device: 2, customer: areNamed ? 2 : nil, kind: .feedbackText, text: "SAYS")
        return all(count, areNamed: areNamed) + [rating, text]
    }

    /// Devices, customers, events.
    @Test(arguments: [
        (4, 0, 100, true), (5, 0, 100, false), (4, 4, 100, true), (5, 5, 100, false), (9, 4, 100, true),
        (2, 5, 100, false), (1_000, 1, 5_000, true), (5, 0, 4, true), (50, 50, 4, true), (0, 0, 9, true),
    ]) func customersCountAndDevicesWhereNoneIsNamed(_ devices: Int, _ customers: Int, _ events: Int, _ isSmall: Bool) {
        let group = GroupSize(devices: devices, customers: customers)
        #expect(Self.five.isSmall(group, events: UInt64(events)) == isSmall)
        #expect(!SmallGroupRule.shown.isSmall(group, events: UInt64(events)))
    }

    @Test(arguments: [true, false]) func fourAreCountedAndFiveAreTold(areNamed: Bool) throws {
        for (count, isTold) in [(4, false), (5, true)] {
            let summary = try Self.summary(Self.household(count, areNamed: areNamed))
            let reason = areNamed ? Self.reason : Self.reason.replacing("customers", with: "devices")
            #expect(Self.table(summary).contains(reason) != isTold)
            for text in Self.inAllFormats(summary) {
                for word in ["MOLTEN", "SAYS"] { #expect(text.contains(word) == isTold, "\(count): \(text)") }
            }
            #expect(try Self.json(summary)["withheld"] as? String == (isTold ? nil : "small_group"))
            #expect(Self.csv(summary).contains("kettle,,withheld,,small_group") != isTold)
            for text in Self.inAllFormats(summary, .shown) {
                #expect(text.contains("MOLTEN") && text.contains("SAYS") && !text.contains("least_group"), "\(text)")
            }
        }
    }

    @Test func theTableOfASmallProductIsCounts() throws {
        let expected = """
            kettle
            6 events · 4 devices · 0 customers
            as of event 6, 2026-01-01T00:01:40.000Z

            Counts only
              aspect  events  devices  customers  preferences  ratings  texts
              (all)        6        4          0            4        1      1
              heat         6        4          0            4        1      1
              fewer than 5 devices: counts only (privacy.least_group)

            """
        #expect(Self.table(try Self.summary(Self.household(4, areNamed: false))) == expected)
    }

    @Test func theJSONAndTheCSVOfASmallProductHaveNothingElse() throws {
        let summary = try Self.summary(Self.household(4, areNamed: true))
        #expect(
            Set(try Self.json(summary).keys) == [
                "product", "offset", "updated", "withheld", "events", "kinds", "devices", "customers", "exact",
                "quarantined", "missing", "duplicates", "unfiled", "aspects", "days",
            ])
        let heat = try #require(try Self.aspects(summary)["heat"])
        #expect(Set(heat.keys) == ["aspect", "withheld", "events", "kinds", "devices", "customers"])
        #expect((heat["kinds"] as? [String: Int])?["rating.given"] == 1)
        let lines = Self.csv(summary).dropFirst()
        let figures = Set(lines.map { String($0.split(separator: ",", omittingEmptySubsequences: false)[2]) })
        #expect(
            figures == [
                "events", "withheld", "devices", "customers", "missing", "duplicates", "unfiled", "daily.events",
                "daily.devices", "daily.customers",
            ])
    }

    /// One customer among many devices without a name: nobody knows how many people these are.
    @Test func oneNamedCustomerCountsForAll() throws {
        var said = Self.all(10, areNamed: false)
        said[0].customer = 1
        #expect(Self.table(try Self.summary(said)).contains(Self.reason))
        for number in 0..<5 { said[number].customer = number + 1 }
        #expect(Self.table(try Self.summary(said)).contains("MOLTEN 100"))
    }

    @Test func anAspectOfFewIsCountedWhereTheProductIsTold() throws {
        let few = Self.all(2, aspect: "light", value: "GREEN")
        let texts = [("light", "FEW"), ("heat", "MANY"), ("", "ALL")].map { aspect, text in
            Said(device: 1, customer: 1, aspect: aspect, kind: .feedbackText, text: text)
        }
        let summary = try Self.summary(Self.all(6) + few + texts)
        for text in Self.inAllFormats(summary) {
            for word in ["MOLTEN", "MANY", "ALL"] { #expect(text.contains(word), "\(text)") }
            for word in ["GREEN", "FEW"] { #expect(!text.contains(word), "\(text)") }
        }
        #expect(try Self.json(summary)["withheld"] == nil)
        let aspects = try Self.aspects(summary)
        #expect(aspects["heat"]?["withheld"] == nil && aspects["heat"]?["preference"] != nil)
        #expect(aspects["light"]?["withheld"] as? String == "small_group" && aspects["light"]?["preference"] == nil)
        #expect(aspects["light"]?["customers"] as? Int == 2)
        let lines = Self.csv(summary)
        #expect(lines.contains("kettle,light,withheld,,small_group"))
        #expect(!lines.contains("kettle,,withheld,,small_group"))
        #expect(lines.contains("kettle,light,events,preference.set,2"))
        let end = """
            Counts only
              aspect  events  devices  customers  preferences  texts
              light        3        2          2            2      1
              \(Self.reason)

            """
        #expect(Self.table(summary).hasSuffix(end), "\(Self.table(summary))")
    }

    /// The rating of a product is not that of its small aspects by another name.
    @Test func theRatingsOfASmallAspectAreNotTheProducts() throws {
        let rating = Said(device: 1, customer: 1, aspect: "light", kind: .ratingGiven)
        let few = Self.all(6) + [Said](repeating: rating, count: 9)
        for since in [nil, "2026-01-01"] {
            let summary = try Self.summary(few, since: since)
            #expect(!Self.table(summary).contains("rated"))
            #expect((try Self.json(summary)["rating"] as? [String: String]) == ["withheld": "small_group"])
            #expect(Self.csv(summary).contains("kettle,,withheld,rating,small_group"))
        }
        let more = (1...5).map { Said(device: $0, customer: $0, kind: .ratingGiven) }
        #expect(Self.table(try Self.summary(few + more)).contains("rated 3.00 of 5"))
        let list = try Self.read(Self.all(6) + [rating]) { reader in
            renderProducts(
                try reader.products(), position: try reader.position(), smallGroups: Self.five, as: .table)
        }
        #expect(!list.contains("3.00"), "\(list)")
    }

    @Test func aWindowOfFewIsCounted() throws {
        let said = Self.all(6) + Self.all(2, day: 1, value: "GREEN")
        let whole = Self.table(try Self.summary(said))
        #expect(whole.contains("GREEN") && whole.contains("MOLTEN"), "\(whole)")
        let many = Self.table(try Self.summary(said, until: "2026-01-01"))
        #expect(many.contains("MOLTEN") && !many.contains("counts only"), "\(many)")
        let summary = try Self.summary(said, since: "2026-01-02", until: "2026-01-02")
        for text in Self.inAllFormats(summary) { #expect(!text.contains("GREEN"), "\(text)") }
        #expect(Self.table(summary).contains(Self.reason))
        let json = try Self.json(summary)
        #expect(json["withheld"] as? String == "small_group" && json["customers"] as? Int == 2)
        #expect(json["since"] as? String == "2026-01-02")
        #expect(json["not_in_window"] as? [String] == ["aspects.devices", "aspects.customers"])
    }

    /// Of an aspect the days do not know the customers: it is small where it is so over all days, or has few events.
    @Test func anAspectOfFewInAWindowIsCounted() throws {
        var said = Self.all(6) + Self.all(2, aspect: "light") + Self.all(6, aspect: "light", day: 2)
        for _ in 0..<5 { said += Self.all(2, aspect: "sound") }
        let aspects = try Self.aspects(try Self.summary(said, since: "2026-01-01", until: "2026-01-01"))
        #expect(aspects["heat"]?["withheld"] == nil && aspects["heat"]?["preference"] != nil)
        #expect(aspects["light"]?["withheld"] as? String == "small_group")
        #expect(aspects["sound"]?["withheld"] as? String == "small_group" && aspects["sound"]?["events"] as? Int == 10)
        let later = try Self.aspects(try Self.summary(said, since: "2026-01-02"))
        #expect(later["light"]?["withheld"] == nil && later["light"]?["preference"] != nil)
    }

    @Test func aWindowWithoutEventsIsNoSmallGroup() throws {
        let summary = try Self.summary(Self.all(2), until: "2020-01-01")
        #expect(Self.table(summary).contains("no events in these days; there are some from 2026-01-01 to 2026-01-01\n"))
        #expect(try Self.json(summary)["withheld"] == nil)
    }

    @Test(arguments: [4, 5]) func theListOfProductsToo(_ count: Int) throws {
        let isTold = count == 5
        let ratings = [Said](repeating: Said(device: 1, customer: 1, kind: .ratingGiven), count: 4)
        try Self.read(Self.household(count, areNamed: true) + ratings) { reader in
            let (products, position) = (try reader.products(), try reader.position())
            func list(_ format: OutputFormat) -> String {
                renderProducts(products, position: position, smallGroups: Self.five, as: format, style: Self.style)
            }
            let lines = list(.table).split(separator: "\n")
            #expect(lines[1].contains("3.00") == isTold && lines[1].contains("2026-01-01") == isTold, "\(lines)")
            #expect(lines.contains("1 product of \(Self.reason)") != isTold, "\(lines)")
            let csv = try #require(list(.csv).split(separator: "\r\n").last)
            #expect(csv.hasSuffix(isTold ? ",0,0,3.0,2026-01-01T00:00:00.000Z," : ",0,0,,,small_group"), "\(csv)")
            let text = list(.json)
            let json = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
            let product = try #require((json["products"] as? [[String: Any]])?.first)
            #expect(product["withheld"] as? String == (isTold ? nil : "small_group"))
            #expect(product["rating_mean"] as? Double == (isTold ? 3 : nil))
            #expect(product["customers"] as? Int == count && product["ratings"] as? Int == 5)
        }
    }
}
