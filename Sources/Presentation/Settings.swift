// The settings that are in force: what `tidings check config` prints.

/// One setting, with where its value comes from.
package struct SettingInForce: Sendable, Equatable {
    /// The key, as in `listen.tcp.port`.
    package var name: String
    package var value: String
    /// `flag`, `environment`, the path of the file, or `default`.
    package var source: String

    package init(name: String, value: String, source: String) {
        (self.name, self.value, self.source) = (name, value, source)
    }
}

/// All settings in their order: a line each, an array of JSON, or CSV.
package func renderSettings(_ settings: [SettingInForce], as format: OutputFormat) -> String {
    switch format {
    case .table:
        let width = settings.map { columns($0.name) }.max() ?? 0
        return settings.map { setting in
            let name = setting.name + String(repeating: " ", count: width - columns(setting.name))
            return "ok  \(name)  \(visible(setting.value))  (\(visible(setting.source)))\n"
        }.joined()
    case .json:
        var json = JSONWriter()
        json.array { json in
            for setting in settings {
                json.object { json in
                    json.add("key", setting.name)
                    json.add("value", setting.value)
                    json.add("source", setting.source)
                }
            }
        }
        return json.text + "\n"
    case .csv:
        return csvLine(["key", "value", "source"])
            + settings.map { csvLine([$0.name, $0.value, $0.source]) }.joined()
    }
}
