// Which variables of the environment are settings, which are of somebody else, and which are probably misspelt.

import Events

/// The `TIDINGS_…` variables of an environment.
struct EnvironmentVariables {
    /// By key; only keys that are known.
    private(set) var values: [String: String] = [:]
    /// A line for each variable that is of nobody.
    private(set) var warnings: [String] = []

    private static let prefix = "TIDINGS_"
    /// What the commands, scripts and tests of this project read besides the keys.
    static let ours: Set = [
        "TIDINGS_BIN", "TIDINGS_CONFIG", "TIDINGS_CPU", "TIDINGS_DEADLINE", "TIDINGS_DEMO", "TIDINGS_FORGET_CRASH",
        "TIDINGS_FUZZ", "TIDINGS_FUZZ_SEED", "TIDINGS_FUZZ_TARGET", "TIDINGS_SIMULATION_FROM",
        "TIDINGS_SIMULATION_MUTATION", "TIDINGS_SIMULATION_SEEDS",
    ]

    init(_ environment: [String: String]) {
        for key in ConfigurationKey.all {
            guard let value = environment[key.environmentName] else { continue }
            if Self.isAddress(value), Self.isServiceLink(key.environmentName, value, environment) { continue }
            values[key.name] = value
        }
        let known = Set(ConfigurationKey.all.map(\.environmentName)).union(Self.ours)
        for (name, value) in environment.sorted(by: { $0.key < $1.key })
        where name.hasPrefix(Self.prefix) && !known.contains(name) && !Self.isServiceLink(name, value, environment) {
            let nearest = Self.nearest(to: name).map { "; did you mean \($0)?" } ?? ""
            warnings.append("environment variable \(name) names no key and has no effect\(nearest)")
        }
    }

    private static func nearest(to name: String) -> String? {
        nearestWord(
            to: name, among: ConfigurationKey.all.map(\.environmentName),
            within: max(3, (name.count - prefix.count) / 2))
    }

    /// Whether a variable is one of those that Kubernetes (and `docker --link`) set for every service, here for one
    /// that is called `tidings` or `tidings-…`: `TIDINGS_PORT=tcp://10.0.0.9:7411` and a dozen more.
    ///
    /// A service `tidings-listen-tcp` has a variable with the name of a key, `TIDINGS_LISTEN_TCP_PORT`. Its value is an
    /// address, and `TIDINGS_LISTEN_TCP_SERVICE_HOST` is there too: only then it is not taken for the key.
    private static func isServiceLink(_ name: String, _ value: String, _ environment: [String: String]) -> Bool {
        let words = name.split(separator: "_")
        if words.suffix(2) == ["SERVICE", "HOST"] || isPair("SERVICE", "PORT", in: words) { return true }
        if isPort(words.suffix(3))
            || isPort(words.suffix(4).dropLast()) && addressParts.contains(words[words.count - 1])
        {
            return true
        }
        if name.hasSuffix("_PORT"), isAddress(value) {
            let isKey = ConfigurationKey.all.contains { $0.environmentName == name }
            return !isKey || environment[name.dropLast("PORT".count) + "SERVICE_HOST"] != nil
        }
        return name.hasSuffix("_NAME") && value.hasPrefix("/") || name.hasPrefix("TIDINGS_ENV_")
    }

    private static let protocols: Set<Substring> = ["TCP", "UDP", "SCTP"]
    private static let addressParts: Set<Substring> = ["PROTO", "PORT", "ADDR", "START", "END"]

    /// `PORT_7411_TCP`
    private static func isPort(_ words: ArraySlice<Substring>) -> Bool {
        guard words.count == 3, let first = words.first, let last = words.last else { return false }
        return first == "PORT" && protocols.contains(last) && UInt16(words[words.startIndex + 1]) != nil
    }

    /// Whether two words stand one behind the other.
    private static func isPair(_ first: String, _ second: String, in words: [Substring]) -> Bool {
        zip(words, words.dropFirst()).contains { $0 == first && $1 == second }
    }

    private static func isAddress(_ value: String) -> Bool {
        ["tcp://", "udp://", "sctp://"].contains { value.hasPrefix($0) }
    }
}
