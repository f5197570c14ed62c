// What the tests of this room share: ways of sending to the stub daemon, and somebody who listens to the sender.

import Fleet
import Synchronization
import TidingsClient
import TidingsTesting

/// Collects what a sender of lines says.
final class Listener: Sendable {
    let verdicts = Mutex<[SendVerdict]>([])
    let hints = Mutex<[String]>([])

    var observer: FleetObserver {
        var observer = FleetObserver()
        observer.verdict = { verdict in self.verdicts.withLock { $0.append(verdict) } }
        observer.hint = { hint in self.hints.withLock { $0.append(hint) } }
        return observer
    }

    /// The verdicts as they are printed, in the order of the lines.
    var lines: [String] {
        verdicts.withLock { verdicts in
            verdicts.sorted { $0.number < $1.number }.map { "\($0.number) \($0)" }
        }
    }
}

enum Way: CaseIterable {
    case native, json, udp

    func options(_ daemon: StubDaemon) -> FleetOptions {
        var options = FleetOptions()
        options.port = self == .udp ? daemon.udpPort : daemon.port
        options.linesPort = daemon.port
        options.path = self == .udp ? .udp : .tcp
        options.format = self == .json ? .json : .native
        options.stream.firstPause = .milliseconds(5)
        return options
    }
}

func line(_ device: String, _ seq: Int, _ rest: String = #""type":"feature.used","aspect":"a""#) -> String {
    #"{"product":"kettle","device":"\#(device)","id":\#(seq),\#(rest)}"#
}

/// Sends a text, in pieces of a few bytes.
func send(_ text: String, _ options: FleetOptions, _ listener: Listener = Listener()) async throws -> SendTotals {
    var rest = Array(text.utf8)[...]
    return try await FleetSender(options, observer: listener.observer).runLines {
        defer { rest = rest.dropFirst(1_000) }
        return Array(rest.prefix(1_000))
    }
}
