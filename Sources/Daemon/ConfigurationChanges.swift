// Two configurations compared, key by key: what can be applied while the daemon runs, and what needs a restart.

package import Presentation

extension DaemonConfiguration {
    /// The keys whose values differ, in the order of `ConfigurationKey.all`.
    package func changes(to new: DaemonConfiguration) -> [SettingChange] {
        let (olds, news) = (values, new.values)
        return ConfigurationKey.all.compactMap { key in
            guard let before = olds[key.name], let after = news[key.name], !key.isSame(before, after) else {
                return nil
            }
            let outcome: SettingChange.Outcome = applies(key, of: new) ? .applied : .needsRestart
            return SettingChange(key: key.name, old: before, new: after, outcome: outcome)
        }
    }

    /// This configuration with those values of another one that can change while the daemon runs. Who can reach the
    /// daemon, and who may read its files, is never among them.
    package func applying(_ new: DaemonConfiguration) -> DaemonConfiguration {
        var result = self
        result.tls = new.tls
        if applies(auth: new.auth) { result.auth = new.auth }
        result.masterKeyFile = new.masterKeyFile
        result.maxConnections = new.maxConnections
        result.idleTimeout = new.idleTimeout
        result.firstByteTimeout = new.firstByteTimeout
        result.frameTimeout = new.frameTimeout
        result.quotas = new.quotas
        result.retentionAge = new.retentionAge
        result.retentionBytes = new.retentionBytes
        result.emails = new.emails
        result.consent = new.consent
        result.personalAspects = new.personalAspects
        result.keepsUnknown = new.keepsUnknown
        result.acceptsForeignTopics = new.acceptsForeignTopics
        result.logLevel = new.logLevel
        result.effective = zip(ConfigurationKey.all, zip(effective, new.effective)).map { key, settings in
            applies(key, of: new) ? settings.1 : settings.0
        }
        return result
    }

    /// Whether the value of a key in another configuration can be taken over while the daemon runs.
    private func applies(_ key: ConfigurationKey, of new: DaemonConfiguration) -> Bool {
        switch key.takesEffect {
        case .onReload: true
        case .onReloadIfStricter: applies(auth: new.auth)
        case .onRestart: false
        }
    }

    private var values: [String: String] {
        Dictionary(uniqueKeysWithValues: effective.map { ($0.name, $0.value) })
    }
}

extension ConfigurationKey {
    /// Whether two texts stand for the same value: `010` is `10`.
    fileprivate func isSame(_ one: String, _ other: String) -> Bool {
        switch kind {
        case .number, .port:
            if let one = Int(one), let other = Int(other) { return one == other }
            return one == other
        case .text, .file, .group, .addresses, .choice, .products, .aspects: return one == other
        }
    }
}
