// A new kind of event must not be forgotten: every switch over kinds names all of them, so that the compiler asks.

import Events
import Foundation
import Testing

@Suite struct KindTests {
    /// The kinds whose names no other enum has as a case.
    private static let kinds = EventKind.allCases.map { "\($0)" }.filter {
        !["custom", "receipt", "reply", "notice", "question", "settings"].contains($0)
    }

    @Test(arguments: Repository.sources) func noSwitchOverKindsHasADefault(_ file: TextFile) {
        for block in switches(in: String(decoding: blanked(file.text), as: UTF8.self)) {
            let names = block.matches(of: #/case [^:]*\.(\w+)/#).map { String($0.output.1) }
            guard !Set(names).isDisjoint(with: Self.kinds) else { continue }
            #expect(!block.contains("default:"), "\(file.path): name the other kinds instead of `default`:\n\(block)")
        }
    }

    @Test func aDefaultIsFound() {
        let text = "switch event.kind {\ncase .gap: 1\ndefault: 2\n}\nswitch x {\ncase .a: switch y { default: 1 }\n}\n"
        #expect(switches(in: text).map { $0.contains("default:") } == [true, true, false])
    }

    /// The bodies of all switches, each without those of the switches within it; inner ones first.
    private func switches(in code: String) -> [String] {
        var found: [String] = []
        var open: [(isSwitch: Bool, body: String)] = []
        var head = ""
        for character in code {
            switch character {
            case "{":
                open.append((head.contains(#/\bswitch\b/#), ""))
                head = ""
            case "}":
                if let closed = open.popLast(), closed.isSwitch { found.append(closed.body) }
                head = ""
            default:
                head = character == "\n" ? "" : head + String(character)
                if let innermost = open.lastIndex(where: \.isSwitch) { open[innermost].body.append(character) }
            }
        }
        return found
    }
}
