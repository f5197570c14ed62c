// How many keys and tokens a running daemon goes by: a part of its status, and its answer to `access`.

/// The keys and tokens in force.
package struct AccessStanding: Codable, Sendable, Equatable {
    /// Of devices and gateways.
    package var deviceKeys = 0
    package var tokens = 0
    /// Two during a rotation, 0 without a file.
    package var masterKeys = 0
    /// `good`, or why they could not be read again, in one line with the remedy.
    package var problem = "good"

    package init() {}

    package init(deviceKeys: Int, tokens: Int, masterKeys: Int, problem: String) {
        (self.deviceKeys, self.tokens, self.masterKeys) = (deviceKeys, tokens, masterKeys)
        self.problem = problem
    }

    enum CodingKeys: String, CodingKey {
        case tokens, problem
        case deviceKeys = "device_keys"
        case masterKeys = "master_keys"
    }
}
