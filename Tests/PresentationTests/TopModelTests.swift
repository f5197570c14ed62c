// What `tidings top` makes of two looks at a daemon, and that it fits the screen whatever the names are.

import Foundation
import Presentation
import Testing

@Suite struct TopModelTests {
    private func sample(
        at seconds: Double, pid: Int32 = 7, stored: UInt64, refused: UInt64 = 0, products: [TopSample.Product] = []
    ) -> TopSample {
        var status = DaemonStatus()
        (status.version, status.pid, status.head) = ("1.2.3", pid, stored)
        var counts = DaemonStatus.Counts()
        (counts.received, counts.committed) = (stored + refused, stored)
        if refused > 0 { counts.refused = ["unauthorized": refused] }
        status.transports = ["tcp": counts]
        return TopSample(
            seconds: seconds, status: status, memoryBytes: 45_200_000, processorSeconds: seconds / 4,
            products: products)
    }

    private func model() -> TopModel {
        var model = TopModel()
        let names = ["kettle", "\u{1b}[31mred\u{7}", String(repeating: "茶", count: 42), "=1+1"]
        for second in 0..<4 {
            let grown = UInt64(second) * 500
            model.take(
                sample(
                    at: Double(second) * 2, stored: 10_000 + grown * 2, refused: 100 + UInt64(second) * 8,
                    products: names.enumerated().map {
                        .init(name: $0.element, events: 1_000 + grown * UInt64($0.offset), devices: 3)
                    }))
        }
        return model
    }

    @Test func ratesAreDifferencesOfCounts() throws {
        let line = model().figures(time: "2026-12-01T00:00:00.000Z", as: .json)
        let json = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        let rates = try #require(json["per_second"] as? [String: Double])
        #expect(rates["stored"] == 500 && rates["refused"] == 4 && rates["received"] == 504)
        #expect(json["processor_share"] as? Double == 0.25)
        let products = try #require(json["products"] as? [[String: Any]])
        #expect(products.first?["product"] as? String == "=1+1")
        #expect(products.first?["events_per_second"] as? Double == 750)
        let reasons = try #require(json["not_stored"] as? [[String: Any]])
        #expect(reasons.first?["reason"] as? String == "unauthorized" && reasons.first?["events"] as? Int == 124)
        let row = model().figures(time: "t", as: .csv).split(separator: ",", omittingEmptySubsequences: false)
        #expect(row[2] == "500.0" && row.count == TopModel.csvHeader.split(separator: ",").count)
    }

    @Test func anotherProcessHasNoRatesYet() {
        var model = model()
        model.lose("no daemon runs there", at: 9)
        #expect(model.screen(height: 24, now: 12, style: .plain).contains { $0.hasPrefix("no answer for 3 s") })
        model.take(sample(at: 13, pid: 8, stored: 5))
        let lines = model.screen(height: 24, now: 13, style: .plain)
        #expect(lines[0].contains("pid 8") && lines[0].contains("restarted once"))
        #expect(lines.contains { $0.contains("stored -/s") } && !lines.contains { $0.hasPrefix("no answer") })
    }

    @Test func keysChooseWhatIsShown() {
        var model = model()
        let stays = model.press(UInt8(ascii: "r"))
        #expect(stays)
        let refusals = model.screen(height: 24, now: 6, style: .plain)
        #expect(refusals.contains { $0.contains("unauthorized") && $0.contains("124") })
        #expect(!refusals.contains { $0.contains("kettle") })
        _ = model.press(UInt8(ascii: "x"))
        #expect(model.view == .refusals)
        _ = model.press(UInt8(ascii: "p"))
        #expect(model.view == .products)
        let ends = !model.press(UInt8(ascii: "q"))
        #expect(ends)
    }

    /// As many lines as the terminal has, none wider, no control character of a name in them.
    @Test(arguments: [(60, 10), (80, 24), (200, 60), (40, 3)])
    func aScreenFits(width: Int, height: Int) {
        var model = model()
        for view in TopModel.View.allCases {
            _ = model.press(view.rawValue)
            for isUnicode in [true, false] {
                let style = TableStyle(isUnicode: isUnicode, isColored: false, width: width)
                let lines = model.screen(height: height, now: 6, style: style)
                #expect(lines.count == height)
                for line in lines {
                    #expect(columns(line) <= width, "\(line)")
                    #expect(!line.unicodeScalars.contains { $0.value < 0x20 })
                }
            }
        }
    }
}
