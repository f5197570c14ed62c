// Why a request is not carried out, in the words of HTTP: a status and a line for people.

package import Events

/// The statuses that are answered.
package enum HTTPStatus: UInt16, CaseIterable, Sendable {
    case ok = 200
    case noContent = 204
    case badRequest = 400
    case unauthorized = 401
    case forbidden = 403
    case notFound = 404
    case methodNotAllowed = 405
    case requestTimeout = 408
    case conflict = 409
    case lengthRequired = 411
    case contentTooLarge = 413
    case uriTooLong = 414
    case unsupportedMediaType = 415
    case expectationFailed = 417
    case unprocessableContent = 422
    case headerFieldsTooLarge = 431
    case serviceUnavailable = 503

    /// The registered reason phrase (RFC 9110, 15; RFC 6585, 5).
    package var phrase: String {
        switch self {
        case .ok: "OK"
        case .noContent: "No Content"
        case .badRequest: "Bad Request"
        case .unauthorized: "Unauthorized"
        case .forbidden: "Forbidden"
        case .notFound: "Not Found"
        case .methodNotAllowed: "Method Not Allowed"
        case .requestTimeout: "Request Timeout"
        case .conflict: "Conflict"
        case .lengthRequired: "Length Required"
        case .contentTooLarge: "Content Too Large"
        case .uriTooLong: "URI Too Long"
        case .unsupportedMediaType: "Unsupported Media Type"
        case .expectationFailed: "Expectation Failed"
        case .unprocessableContent: "Unprocessable Content"
        case .headerFieldsTooLarge: "Request Header Fields Too Large"
        case .serviceUnavailable: "Service Unavailable"
        }
    }

    /// The status of a request of which nothing was taken for this reason (docs/wire.md).
    package init(_ refusal: Refusal) {
        self =
            switch refusal {
            case .malformedFrame, .badChecksum, .badMagic, .malformedBody, .badInflate, .malformedJSON, .badUTF8,
                .duplicateKey, .tooDeep, .truncated, .noDevice, .noProduct, .badIdentity, .tooLong, .wrongType,
                .alreadyQuarantined, .badMessage, .badCohort:
                .badRequest
            case .unauthorized: .unauthorized
            case .forbidden, .noConsent: .forbidden
            case .unknownMessage, .unknownTarget, .foreignTopic: .notFound
            case .versionConflict, .alreadyClosed, .rolloutActive, .takenOver: .conflict
            case .tooSlow: .requestTimeout
            case .messageTooBig, .tooBig, .tooManyEvents, .inflatesTooBig, .tableFull, .vocabularyFull: .contentTooLarge
            case .mediaType: .unsupportedMediaType
            case .unknownReference: .unprocessableContent
            case .tooManyConnections, .overQuota, .tooManyNewNames, .tooManyOpen, .busy, .storageUnavailable,
                .shuttingDown:
                .serviceUnavailable
            }
    }
}

/// What is wrong with a request whatever it asks for.
package enum HTTPFault: Hashable, Sendable {
    case malformed, noHost, twoHosts, badHost, badTarget, badLength, badTransferEncoding, chunkedInOldVersion
    case framingTooBig, targetTooLong, headTooBig, unknownExpectation, tooSlow, brokenOff
    case isTLS, isPlain, isHTTP2, isNative
    case noPath, notInForce, connect, busy, storageUnavailable, shuttingDown, tooManyConnections

    package var status: HTTPStatus {
        switch self {
        case .malformed, .noHost, .twoHosts, .badHost, .badTarget, .badLength, .badTransferEncoding,
            .chunkedInOldVersion,
            .framingTooBig, .brokenOff, .isTLS, .isPlain, .isHTTP2, .isNative:
            .badRequest
        case .targetTooLong: .uriTooLong
        case .headTooBig: .headerFieldsTooLarge
        case .unknownExpectation: .expectationFailed
        case .tooSlow: .requestTimeout
        case .noPath: .notFound
        case .notInForce: .unauthorized
        case .connect: .methodNotAllowed
        case .busy, .storageUnavailable, .shuttingDown, .tooManyConnections: .serviceUnavailable
        }
    }

    /// Cause and remedy in one line. No quotes and no control characters, so that it needs no escaping.
    package var text: StaticString {
        switch self {
        case .malformed: "not a request of HTTP/1.1; check the request line, the fields and the length of the body"
        case .noHost: "the field Host is missing; send it once"
        case .twoHosts: "the field Host occurs twice; send it once"
        case .badHost: "the field Host is no host; send a name or address and, if need be, a port"
        case .badTarget: "the target is neither a path nor an absolute http address; send a path such as /v1/events"
        case .badLength: "Content-Length is no single number, or stands beside Transfer-Encoding; send one of them"
        case .badTransferEncoding: "Transfer-Encoding is other than chunked; send chunked, or Content-Length"
        case .chunkedInOldVersion: "HTTP/1.0 has no Transfer-Encoding; send Content-Length, or speak HTTP/1.1"
        case .framingTooBig: "the chunks are smaller, or their extensions longer, than allowed; send larger chunks"
        case .targetTooLong: "the target is longer than 4 KiB; send parameters in the body"
        case .headTooBig: "the head is larger than allowed (16 KiB, a field 8 KiB, 64 fields); send less"
        case .unknownExpectation: "Expect is other than 100-continue; leave it out"
        case .tooSlow: "the request was begun and not ended in time; send it in one go"
        case .brokenOff: "the request ends in the middle; send it whole"
        case .isTLS: "TLS is not spoken on this port; use http, or set listen.http.tls to on"
        case .isPlain: "this port speaks TLS; use https"
        case .isHTTP2: "HTTP/2 is not spoken here; use HTTP/1.1"
        case .isNative: "native frames and JSON lines are spoken on the TCP port; this is HTTP"
        case .noPath: "no such path here; events are posted to /v1/events, and GET /openapi.json describes them all"
        case .notInForce: "the credential was revoked or has expired; ask whoever runs the daemon for another one"
        case .connect: "this is no proxy; send a path"
        case .busy: "the daemon is full; send the same request again in a second: what is stored is not stored twice"
        case .storageUnavailable:
            "the log cannot be written now; send the same request again later: what is stored is not stored twice"
        case .shuttingDown: "the daemon is stopping; send the same request again later"
        case .tooManyConnections: "as many connections as allowed, in all or from one address; try again later"
        }
    }
}
