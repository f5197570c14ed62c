// Which reason code of MQTT stands for which refusal.

import Events
import Wire

extension MQTTReason {
    /// Why a message is not stored.
    init(message refusal: Refusal) {
        self =
            switch refusal {
            case .forbidden: .notAuthorized
            case .unauthorized: .badCredentials
            case .foreignTopic: .badTopicName
            case .overQuota, .tooManyNewNames, .vocabularyFull, .tableFull: .quotaExceeded
            default: .badPayload
            }
    }

    /// Why a connection ends.
    init(connection refusal: Refusal) {
        self =
            switch refusal {
            case .shuttingDown: .shuttingDown
            case .takenOver: .takenOver
            case .unauthorized: .badCredentials
            case .forbidden: .notAuthorized
            case .foreignTopic: .badTopicName
            case .tooSlow: .keepAliveTimeout
            case .tooBig: .packetTooLarge
            case .busy, .tooManyConnections, .storageUnavailable: .serverBusy
            case .overQuota, .tooManyNewNames, .vocabularyFull: .quotaExceeded
            case .malformedFrame, .truncated: .malformedPacket
            default: .badPayload
            }
    }
}
