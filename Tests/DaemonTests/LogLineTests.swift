// A record of the log is one line whatever is in it, for people and for programs.

import Daemon
import Foundation
import Logging
import Testing

@Suite struct LogLineTests {
    private static let hostile = [
        "a b", "", "x=\"y\"", "line\nbreak\r", "\u{1b}[2J", "\u{202e}txt.exe", "\u{2028}", "tee \\",
    ]

    private func line(_ format: LineLogHandler.Format, _ value: String) -> String {
        var handler = LineLogHandler(format: format, level: .info)
        handler[metadataKey: "always"] = "1"
        return handler.line(
            LogEvent(
                level: .notice, message: "stored", metadata: ["value": "\(value)"], source: nil, file: "", function: "",
                line: 0))
    }

    @Test(arguments: hostile) func whatItHoldsComesBackFromJSON(_ value: String) throws {
        let line = line(.json, value)
        let fields = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: String]
        #expect(fields?["value"] == value && fields?["message"] == "stored" && fields?["always"] == "1")
        #expect(fields?["level"] == "notice" && fields?["time"]?.hasSuffix("Z") == true)
    }

    @Test(arguments: hostile) func nothingReachesTheTerminalOrBreaksTheLine(_ value: String) {
        for format in [LineLogHandler.Format.json, .logfmt] {
            let harmful = line(format, value).unicodeScalars.filter {
                $0.value < 0x20 || (0x7f...0x9f).contains($0.value) || [0x202e, 0x2028].contains($0.value)
            }
            #expect(harmful.isEmpty)
        }
    }

    @Test func plainValuesAreNotQuotedInLogfmt() {
        #expect(line(.logfmt, "plain").hasSuffix(" level=notice message=stored always=1 value=plain"))
        #expect(line(.logfmt, "two words").hasSuffix(#" value="two words""#))
        #expect(line(.logfmt, "").hasSuffix(#" value="""#))
    }
}
