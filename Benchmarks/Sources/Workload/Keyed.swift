// Whose keys a load needs: a text with one line for each of its connections, by which a benchmark makes the keys.

/// Gateways whose keys each allow the devices of one product: as many for a product as its strings need, so that those
/// of a connection fit the default table.
package struct ProductGateways: Sendable {
    /// The product of each gateway.
    package let products: [Int32]
    /// The gateway of each device.
    package let gatewayOf: [Int32]

    /// Devices of one gateway, at most; with their customers and words they stay below 4,096 strings.
    package static let devicesEach = 700

    package init(fleet: Fleet) {
        var products: [Int32] = []
        /// The gateway of each product that has room, and for how many more devices.
        var open: [Int32: (gateway: Int32, room: Int)] = [:]
        gatewayOf = fleet.productOf.map { product in
            var (gateway, room) = open[product] ?? (0, 0)
            if room == 0 {
                (gateway, room) = (Int32(products.count), Self.devicesEach)
                products.append(product)
            }
            open[product] = (gateway, room - 1)
            return gateway
        }
        self.products = products
    }
}

/// The source of each device in a line, or the prefix of each product gateway.
package struct KeyNamesRecorder: Recorder {
    package let fileName: String
    package var bytes: [UInt8] = []

    /// The devices, by number.
    package init(devicesOf fleet: Fleet) {
        fileName = "devices.names"
        for device in 0..<fleet.deviceCount { bytes += fleet.source(of: device) + [UInt8(ascii: "\n")] }
    }

    /// The gateways, by number; those of one product have one key.
    package init(_ gateways: ProductGateways, of fleet: Fleet) {
        fileName = "gateways.names"
        for product in gateways.products { bytes += fleet.products[Int(product)] + Array("/\n".utf8) }
    }

    package mutating func add(_ slice: [Occurrence]) {}
    package mutating func finish() {}
}
