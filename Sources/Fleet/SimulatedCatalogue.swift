// What the simulated makers sell, and what their customers say.

/// An aspect of a simulated product.
struct SimulatedAspect: Sendable {
    enum Range: Sendable {
        case whole(Int, Int, step: Int)
        case real(Double, Double, step: Double)
        case choices([String])
        case flag
    }

    var name: String
    var range: Range
    var unit = ""
}

/// A product, its share of the fleet in percent, and what can go wrong with it.
struct SimulatedModel: Sendable {
    var product: String
    var share: Int
    var aspects: [SimulatedAspect]
    var faults: [String]
}

let simulatedCatalogue: [SimulatedModel] = [
    SimulatedModel(
        product: "kettle", share: 25,
        aspects: [
            SimulatedAspect(name: "temperature", range: .whole(60, 100, step: 2), unit: "Cel"),
            SimulatedAspect(name: "keep_warm", range: .flag),
            SimulatedAspect(name: "volume", range: .real(0.3, 1.7, step: 0.1), unit: "l"),
            SimulatedAspect(name: "sound.ready", range: .choices(["off", "beep", "melody", "whistle"])),
        ], faults: ["limescale", "lid_open", "dry_boil"]),
    SimulatedModel(
        product: "oven", share: 18,
        aspects: [
            SimulatedAspect(name: "temperature", range: .whole(120, 260, step: 10), unit: "Cel"),
            SimulatedAspect(name: "mode", range: .choices(["fan", "grill", "pizza", "steam", "bread"])),
            SimulatedAspect(name: "door.sound", range: .choices(["off", "soft", "loud"])),
            SimulatedAspect(name: "roast.duration", range: .whole(600, 7_200, step: 300), unit: "s"),
            SimulatedAspect(name: "light", range: .flag),
        ], faults: ["door_ajar", "fan_stuck", "probe_missing"]),
    SimulatedModel(
        product: "watch", share: 22,
        aspects: [
            SimulatedAspect(name: "face", range: .choices(["classic", "digital", "sport", "moon", "photo"])),
            SimulatedAspect(name: "brightness", range: .whole(5, 100, step: 5), unit: "%"),
            SimulatedAspect(name: "goal.steps", range: .whole(4_000, 16_000, step: 500)),
            SimulatedAspect(name: "haptics", range: .flag),
        ], faults: ["strap_loose", "battery_low", "sync_failed"]),
    SimulatedModel(
        product: "settop", share: 15,
        aspects: [
            SimulatedAspect(name: "audio.language", range: .choices(["en", "de", "fr", "es", "ja", "original"])),
            SimulatedAspect(name: "subtitles", range: .flag),
            SimulatedAspect(name: "volume", range: .whole(0, 40, step: 1)),
            SimulatedAspect(name: "quality", range: .choices(["auto", "hd", "uhd", "saver"])),
        ], faults: ["hdmi_lost", "stream_stalled", "overheated"]),
    SimulatedModel(
        product: "lamp", share: 12,
        aspects: [
            SimulatedAspect(name: "colour.temperature", range: .whole(2_200, 6_500, step: 100), unit: "K"),
            SimulatedAspect(name: "brightness", range: .whole(1, 100, step: 3), unit: "%"),
            SimulatedAspect(name: "scene", range: .choices(["reading", "dinner", "film", "night", "party"])),
        ], faults: ["flicker", "unreachable"]),
    SimulatedModel(
        product: "thermostat", share: 8,
        aspects: [
            SimulatedAspect(name: "temperature.day", range: .real(18, 24, step: 0.5), unit: "Cel"),
            SimulatedAspect(name: "temperature.night", range: .real(14, 20, step: 0.5), unit: "Cel"),
            SimulatedAspect(name: "schedule", range: .choices(["home", "away", "weekend", "holiday"])),
        ], faults: ["valve_stuck", "battery_low", "window_open"]),
]

let simulatedSentences = [
    "Does exactly what I hoped for.",
    "The sound is too loud in the morning.",
    "Please remember my last setting.",
    "I love how quick it is.",
    "The app lost the connection twice this week.",
    "A softer light at night would be nice.",
    "Works well since the last update.",
    "Why is there no setting for weekends?",
    "My parents can use it without help.",
    "It forgets the time after a power cut.",
    "Great colour, poor manual.",
    "The door closes with a lovely click.",
    "Too many menus for a simple thing.",
    "Best purchase of the year.",
    "It beeps although I switched that off.",
    "Fewer notices, please.",
]
