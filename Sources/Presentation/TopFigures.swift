// What `tidings top` knows, for programs.

extension TopModel {
    /// One look as JSON on a line, or as a row of CSV.
    package func figures(time: String, as format: OutputFormat) -> String {
        guard let newest else { return "" }
        let status = newest.status
        guard format == .json else {
            let counts = rates.map {
                [$0.received, $0.stored, $0.duplicate, $0.stale, $0.apart, $0.refused, $0.dropped]
            }
            let rates = counts.map { $0.map { fixed($0, 1) } } ?? Array(repeating: "", count: 7)
            let behind = status.head - min(status.head, status.projected)
            return csvLine(
                [time] + rates + ["\(status.head)", "\(behind)", status.diskHoursLeft.map { fixed($0, 1) } ?? ""]
                    + [newest.memoryBytes.map { "\($0)" } ?? "", "\(status.connections)"]
                    + ["\(newest.waitingDeliveries)", status.isHealthy ? "true" : "false"])
        }
        return JSONWriter.line { json in
            json.add("time", time)
            json.add("version", status.version)
            json.add("pid", Int(status.pid))
            json.add("uptime_seconds", status.uptimeSeconds)
            json.add("healthy", status.isHealthy)
            json.object("per_second") { json in
                json.add("received", rates?.received)
                json.add("stored", rates?.stored)
                json.add("duplicate", rates?.duplicate)
                json.add("stale", rates?.stale)
                json.add("kept_apart", rates?.apart)
                json.add("refused", rates?.refused)
                json.add("dropped", rates?.dropped)
            }
            json.add("head", status.head)
            json.add("summaries_behind", status.head - min(status.head, status.projected))
            json.addIfKnown("disk_free_bytes", status.diskFreeBytes.map { Int(clamping: $0) })
            json.add("disk_hours_left", status.diskHoursLeft)
            json.addIfKnown("memory_bytes", newest.memoryBytes.map { Int(clamping: $0) })
            json.add("processor_share", processorShare)
            json.add("connections", status.connections)
            json.add("messages_open", newest.openMessages)
            json.add("deliveries_waiting", newest.waitingDeliveries)
            json.array("products") { json in
                for product in busiest().prefix(Self.products) {
                    json.object { json in
                        json.add("product", product.name)
                        json.add("events_per_second", productRates[product.name])
                        json.add("events", product.events)
                        json.add("devices", product.devices)
                    }
                }
            }
            json.array("not_stored") { json in
                for one in reasons() {
                    json.object { json in
                        json.add("outcome", one.reason.outcome.replacing(" ", with: "_"))
                        json.add("reason", one.reason.name)
                        json.add("events_per_second", one.rates.last)
                        json.add("events", one.total)
                    }
                }
            }
        }
    }

    /// Of so many products at most, the busiest, is told.
    private static let products = 100

    package static let csvHeader = csvLine([
        "time", "received_per_s", "stored_per_s", "duplicate_per_s", "stale_per_s", "kept_apart_per_s",
        "refused_per_s", "dropped_per_s", "head", "summaries_behind", "disk_hours_left", "memory_bytes", "connections",
        "deliveries_waiting", "healthy",
    ])
}
