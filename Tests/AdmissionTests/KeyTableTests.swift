// The packed table of keys says the same as a dictionary of them, whatever is looked for.

import Admission
import Events
import Testing
import TidingsTesting
import Wire

@Suite struct KeyTableTests {
    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    /// What the table has under a number, as it shows through the list that holds it.
    private func expectSame(_ entries: [KeyEntry], _ missing: [UInt32]) {
        let master = MasterKeys(Array(repeating: 3, count: 32))
        let list = AccessList(masters: master, keys: entries, tokens: [])
        for entry in entries {
            let (keys, credential) = (list.candidates(entry.id), list.credential(key: entry.id))
            #expect(keys.first?.bytes == master?.keys(id: entry.id, generation: entry.generation).first?.bytes)
            let expected = Credential(.key(entry.id, generation: entry.generation), entry.scope, .send)
            #expect(credential == (entry.isRevoked ? nil : expected))
            #expect(list.isInForce(expected, now: Timestamp(rawValue: 0)) == !entry.isRevoked)
        }
        for id in missing { #expect(list.credential(key: id) == nil) }
    }

    @Test func everyScopeComesBack() {
        let scopes: [Scope] = [
            .device(product: bytes("kettle"), name: bytes("k-1")), .device(product: [], name: []), .prefix(bytes("a/")),
            .everything, .products([bytes("a"), bytes("b")]), .prefix([]),
            .device(product: Array(repeating: 1, count: 70_000), name: [2]),
        ]
        let entries = scopes.enumerated().map {
            KeyEntry(id: UInt32($0 * 3 + 1), scope: $1, generation: UInt32($0), isRevoked: $0 % 3 == 2)
        }
        expectSame(entries, [0, 2, 3, 5, 20, .max])
    }

    @Test(arguments: 0...40) func anyNumberOfThemIsFound(_ count: Int) {
        var random = SeededGenerator(seed: UInt64(count))
        let ids = Set((0..<count).map { _ in UInt32.random(in: 1...100, using: &random) })
        let entries = ids.shuffled(using: &random).map {
            KeyEntry(id: $0, scope: .prefix(bytes("\($0)/")), generation: $0 &* 7)
        }
        expectSame(entries, (0...101).filter { !ids.contains($0) } + [.max])
    }

    @Test func ofTwoWithOneNumberTheLastOneCounts() {
        let list = AccessList(
            masters: MasterKeys(Array(repeating: 3, count: 32)),
            keys: [KeyEntry(id: 1, scope: .everything), KeyEntry(id: 1, scope: .prefix(bytes("a/")), generation: 4)],
            tokens: [])
        #expect(list.credential(key: 1) == Credential(.key(1, generation: 4), .prefix(bytes("a/")), .send))
    }
}
