// Whose events a credential may send: of many at once the same as of each for itself.

import Admission
import Events
import Testing
import TidingsTesting

@Suite struct ScopeCheckTests {
    private static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    private static let scopes: [Scope] = [
        .everything, .device(product: bytes("kettle"), name: bytes("a")), .prefix(bytes("kettle/")),
        .prefix(bytes("kettle/hall/")), .prefix(bytes("kettle%2F1/")), .products([bytes("kettle"), bytes("oven")]),
        .products([]),
    ]

    /// Some devices, a few of which have names that nearly fit, and one that nobody knows.
    private static func devices(_ vocabulary: inout Vocabulary) throws -> [DeviceID] {
        var devices = [DeviceID.none, DeviceID(rawValue: 1_000)]
        for product in ["kettle", "kettle/1", "oven", "kettl"] {
            let found = vocabulary.symbol(.product, bytes(product).span)
            let number = try #require(found)
            for name in ["a", "b", "hall/a", "hall/b", "hall"] {
                let device = vocabulary.device(product: number, name: bytes(name).span)
                devices.append(try #require(device))
            }
        }
        return devices
    }

    private func mayHave(_ scope: Scope, _ device: DeviceID, _ vocabulary: Vocabulary) -> Bool {
        let product = vocabulary.text(.product, vocabulary.product(of: device))
        return scope.contains(product: product, name: vocabulary.name(of: device))
    }

    @Test func manyEventsAreAllowedWhenEachOfThemIs() throws {
        var vocabulary = Vocabulary()
        let devices = try Self.devices(&vocabulary)
        var generator = SeededGenerator(seed: 4_030)
        for scope in Self.scopes {
            let principal = Principal.holder(Credential(.key(7, generation: 0), scope, .send))
            let allowed = devices.filter { mayHave(scope, $0, vocabulary) }
            for device in devices {
                let may = principal.maySend(device, in: &vocabulary)
                #expect(may == allowed.contains(device))
            }
            var refused = 0
            for _ in 0..<500 {
                // Mostly what is allowed, in runs as of gateways and devices; then one strange device somewhere.
                var events: [Event] = []
                for _ in 0..<Int.random(in: 1...6, using: &generator) {
                    let device = allowed.randomElement(using: &generator) ?? .none
                    for _ in 0..<Int.random(in: 1...4, using: &generator) {
                        events.append(event(of: device, vocabulary))
                    }
                }
                if Bool.random(using: &generator) {
                    let place = Int.random(in: 0...events.count, using: &generator)
                    events.insert(event(of: devices.randomElement(using: &generator) ?? .none, vocabulary), at: place)
                }
                let each = events.allSatisfy { mayHave(scope, $0.device, vocabulary) }
                let may = principal.maySend(events[...], in: &vocabulary)
                #expect(may == each)
                if !each { refused += 1 }
            }
            #expect(scope == .everything ? refused == 0 : refused > 50)
        }
    }

    @Test func whoMayOnlyReadSendsNothing() throws {
        var vocabulary = Vocabulary()
        let devices = try Self.devices(&vocabulary)
        let principal = Principal.holder(Credential(.token(1), .everything, .read))
        for device in devices {
            let events = [event(of: device, vocabulary)]
            let mays = [
                principal.maySend(device, in: &vocabulary), principal.maySend(events[...], in: &vocabulary),
                Principal.anybody.maySend(events[...], in: &vocabulary),
            ]
            #expect(mays == [false, false, true])
        }
    }

    private func event(of device: DeviceID, _ vocabulary: Vocabulary) -> Event {
        var event = Event()
        event.device = device
        event.product = vocabulary.product(of: device)
        return event
    }
}
