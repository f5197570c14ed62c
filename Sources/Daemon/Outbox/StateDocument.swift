// How a device is to stand, as one JSON document: what a subscriber of its state is told (MQTT).

import Events
import Foundation
package import Projection

/// The settings in force at a device: `{"version":21,"settings":{"temperature":{"value":88,"version":17,...},...}}`.
package struct StateDocument: Sendable, Equatable {
    package private(set) var json: [UInt8] = []

    /// - Parameter settings: the newest first; beyond `DaemonLimits.stateAspects` only how many more there are is told.
    package init(_ settings: [WantedSetting]) {
        var aspects: [String: JSONValue] = [:]
        for setting in settings.prefix(DaemonLimits.stateAspects) {
            guard let payload = try? JSONDecoder().decode(JSONValue.self, from: Data(setting.payload)).object,
                let aspect = payload["aspect"]?.text
            else { continue }
            guard let value = payload["value"], value != .null else {
                // The aspect is the device's own again.
                aspects[aspect] = .null
                continue
            }
            var one: [String: JSONValue] = [
                "value": value, "version": .whole(Int64(setting.version)), "policy": .text("\(setting.policy.name)"),
            ]
            for key in ["unit", "data"] { one[key] = payload[key] }
            aspects[aspect] = .object(one)
        }
        var document: [String: JSONValue] = [
            "version": .whole(Int64(settings.first?.version ?? 0)), "settings": .object(aspects),
        ]
        if settings.count > DaemonLimits.stateAspects {
            document["more"] = .whole(Int64(settings.count - DaemonLimits.stateAspects))
        }
        json = JSONValue.object(document).canonical
    }
}
