// Messages as their authors write them, and the ids of messages as devices name them.

import Daemon
import Events
import Foundation
import Wire

/// A message in JSON. What is taken carries JSON within its bounds, and says no more than it may.
func readMessage(_ input: [UInt8]) {
    let now = Timestamp(rawValue: 1_795_132_805_000)
    do throws(MessageFault) {
        let request = try MessageRequest(input, now: now)
        precondition(request.payload.count <= MessageLimits.payloadBytes)
        precondition(request.kind.isMessage)
        guard case .object? = try? JSONDecoder().decode(JSONValue.self, from: Data(request.payload)) else {
            preconditionFailure("what is sent is no object")
        }
        // The same once more is the same.
        precondition((try? MessageRequest(input, now: now)) == request)
        if let expires = request.expires { precondition(expires > now) }
        if request.terms.isLive { precondition(request.terms.scope == .product) }
    } catch {
        precondition(!error.description.isEmpty && error.refusal.rawValue >= 4_000)
    }
}

/// The id of a message. What was read can be written, and is then read as the same.
func readMessageID(_ input: [UInt8]) {
    var details = EventDetails()
    guard details.setCause(input.span) else { return precondition(details.isEmpty) }
    precondition(details.cause > 0 && (details.hasCauseTag || details.causeTag == 0))
    var written: [UInt8] = []
    details.appendCause(to: &written)
    var again = EventDetails()
    precondition(again.setCause(written.span) && again == details)
    precondition(written.count <= input.count)
}
