// How alike two words are.

import Events
import Testing

@Suite struct EditDistanceTests {
    @Test(arguments: [("port", "prt", 1), ("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3), ("a", "a", 0)])
    func distances(_ a: String, _ b: String, _ expected: Int) {
        #expect(editDistance(a.utf8, b.utf8) == expected)
        #expect(editDistance(b.utf8, a.utf8) == expected)
    }

    @Test func theNearestWordIsNearOrSharesItsBeginning() {
        let known = ["time", "type", "aspect", "device", "product"]
        #expect(nearestWord(to: "asect", among: known) == "aspect")
        #expect(nearestWord(to: "Type", among: known) == "type")
        #expect(nearestWord(to: "timestamp", among: known) == "time")
        #expect(nearestWord(to: "deviceId", among: known) == "device")
        #expect(nearestWord(to: "colour", among: known) == nil)
        #expect(nearestWord(to: String(repeating: "time", count: 100), among: known) == nil)
    }
}
