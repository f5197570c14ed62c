// The document that tells a device how it is to stand, and who is told when it changes.

import Daemon
import Events
import Projection
import Testing

@Suite struct StateDocumentTests {
    private func setting(_ version: UInt32, _ payload: String, _ policy: SettingPolicy = .offer) -> WantedSetting {
        WantedSetting(
            aspect: SymbolID(rawValue: version), version: version, policy: policy, payload: Array(payload.utf8))
    }

    private func text(_ settings: [WantedSetting]) -> String {
        String(decoding: StateDocument(settings).json, as: UTF8.self)
    }

    @Test func itNamesEachAspectWithItsVersion() {
        #expect(text([]) == #"{"settings":{},"version":0}"#)
        let settings = [
            setting(21, #"{"aspect":"keep_warm","policy":"offer","value":null}"#),
            setting(17, #"{"aspect":"temperature","policy":"require","unit":"Cel","value":88}"#, .require),
        ]
        #expect(
            text(settings)
                == #"{"settings":{"keep_warm":null,"temperature":"#
                + #"{"policy":"require","unit":"Cel","value":88,"version":17}},"version":21}"#)
    }

    @Test func whatIsTooMuchIsCounted() {
        let many = (1...70).reversed().map { setting(UInt32($0), #"{"aspect":"a\#($0)","value":\#($0)}"#) }
        let document = text(many)
        #expect(document.contains(#""more":6"#) && document.contains(#""a70":{"#) && !document.contains(#""a6":{"#))
    }
}
