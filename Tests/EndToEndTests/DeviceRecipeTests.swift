// Every recipe of docs/devices.md is run as it stands there, against the shipped binary.

import Foundation
import Testing

@Suite(.serialized, .timeLimit(.minutes(2))) struct DeviceRecipeTests {
    private struct Recipe {
        var language: String
        var code: String
    }

    /// The blocks of code, with the ports of a daemon in place of the usual ones.
    private func recipes(_ daemon: DaemonProcess) throws -> [Recipe] {
        let document = try String(contentsOfFile: Binary.checkout + "/docs/devices.md", encoding: .utf8)
        var recipes: [Recipe] = []
        // scripts/check-mqtt runs those of MQTT, whose port this daemon does not open; what gets messages needs some.
        let others = ["MQTT\n", "Getting messages\n"]
        for section in document.components(separatedBy: "\n## ") where !others.contains(where: section.hasPrefix) {
            let isDatagram = section.hasPrefix("One JSON datagram") || section.hasPrefix("The library in C")
            let port = isDatagram ? daemon.udpPort : daemon.tcpPort
            for block in section.components(separatedBy: "\n```").enumerated() where block.offset % 2 == 1 {
                let end = block.element.firstIndex(of: "\n") ?? block.element.endIndex
                let code = block.element[end...].replacing("7411", with: "\(port)")
                    .replacing("7480", with: "\(daemon.httpPort)")
                    .replacing("clients/c", with: Binary.checkout + "/clients/c")
                recipes.append(Recipe(language: String(block.element[..<end]), code: code + "\n"))
            }
        }
        return recipes
    }

    /// What runs a file with a recipe of this language, and the tool that it needs.
    private func line(_ language: String, _ file: String) -> (tool: String, line: String)? {
        switch language {
        case "sh": ("sh", "sh '\(file)'")
        case "python": ("python3", "python3 '\(file)'")
        case "js": ("node", "node '\(file)'")
        case "c": ("cc", "cc -x c -Wall -Werror '\(file)' -o '\(file).run' && '\(file).run'")
        default: nil
        }
    }

    @Test func everyRecipeStoresItsEvent() async throws {
        try await withDaemon { daemon in
            let events = #"{"product":"kettle","device":"k-1","id":1,"type":"feature.used","aspect":"boil"}"# + "\n"
            try events.write(toFile: daemon.data + "/events.ndjson", atomically: true, encoding: .utf8)
            let recipes = try recipes(daemon)
            #expect(recipes.count == 11)
            for (index, recipe) in recipes.enumerated() {
                let file = daemon.data + "/recipe-\(index)"
                try recipe.code.write(toFile: file, atomically: true, encoding: .utf8)
                let (tool, line) = try #require(self.line(recipe.language, file))
                guard try await shell("command -v \(tool)").status == 0 else { continue }
                let done = try await shell("cd '\(daemon.data)' && \(line)")
                #expect(done.status == 0, "\(recipe.code): \(done)")
                let isTaken = done.output.contains("\"ack\":1") || done.output.contains(/received['"]?: ?1/)
                #expect(isTaken, "\(recipe.code): \(done)")
            }
        }
    }
}
