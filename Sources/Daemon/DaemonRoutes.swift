// Every path of the HTTP port, which schemas/openapi.yaml describes.

package import Transport

extension HTTPRoutes {
    /// All that the daemon answers.
    package init(_ health: HealthReporter) {
        self = health.routes
        addReading("/openapi.json", "Describes every path, as an OpenAPI document.") { _ in
            HTTPReply(body: Array(openAPIDocument.utf8))
        }
    }
}
