// What a right summary must say, counted here by other means than the daemon's.

/// Counts for a few products, kept while the workload is made.
package struct Answers: Sendable {
    /// What is known of one product.
    package struct Product: Sendable {
        package let number: Int32
        package var events = 0
        package var byKind: [OccurrenceKind: Int] = [:]
        package var devices: Set<Int32> = []
        package var customers: Set<Int32> = []
        package var histogram = [0, 0, 0, 0, 0]
        package var uses = 0
        package var faults: [Int32: Int] = [:]
        /// The last preference by (device, aspect); a device's events come in the order of their numbers.
        package var latest: [Int64: Occurrence] = [:]
    }

    private let fleet: Fleet
    private var total = 0
    private var totalByKind: [OccurrenceKind: Int] = [:]
    package private(set) var tracked: [Product]
    private var indexOf: [Int]

    /// - Parameter products: the numbers of the products to follow.
    package init(fleet: Fleet, products: [Int]) {
        self.fleet = fleet
        tracked = products.map { Product(number: Int32($0)) }
        indexOf = Array(repeating: -1, count: fleet.productCount)
        for (index, product) in products.enumerated() { indexOf[product] = index }
    }

    package mutating func add(_ slice: [Occurrence]) {
        total += slice.count
        for event in slice {
            totalByKind[event.kind, default: 0] += 1
            let index = indexOf[Int(fleet.productOf[Int(event.device)])]
            if index >= 0 { tracked[index].add(event) }
        }
    }

    /// The answers as JSON, keys in a fixed order.
    package func json(seed: UInt64) -> String {
        let products = tracked.map { product in json(product) }.joined(separator: ",\n")
        return """
            {"events":\(total),"seed":\(seed),"kinds":\(json(totalByKind)),
            "products":[
            \(products)
            ]}

            """
    }

    private func json(_ kinds: [OccurrenceKind: Int]) -> String {
        "{" + OccurrenceKind.allCases.map { "\"\($0.name)\":\(kinds[$0] ?? 0)" }.joined(separator: ",") + "}"
    }

    private func json(_ product: Product) -> String {
        let ratings = product.histogram.reduce(0, +)
        let sum = product.histogram.enumerated().reduce(0) { $0 + ($1.offset + 1) * $1.element }
        let mean = ratings == 0 ? 0 : Double(sum) / Double(ratings)
        let faults = product.faults.sorted { $0.key < $1.key }
            .map { "\"E0\($0.key + 1)\":\($0.value)" }.joined(separator: ",")
        return """
            {"product":"\(name(fleet.products[Int(product.number)]))","events":\(product.events),\
            "kinds":\(json(product.byKind)),"devices":\(product.devices.count),\
            "customers":\(product.customers.count),"rating_mean":\(mean),\
            "histogram":[\(product.histogram.map(String.init).joined(separator: ","))],\
            "uses":\(product.uses),"faults":{\(faults)},
             "aspects":{\(aspects(product))}}
            """
    }

    /// Per aspect: how many devices prefer which choice now, or how many prefer a number and the median of those.
    private func aspects(_ product: Product) -> String {
        var choices = Array(repeating: [Int32: Int](), count: Fleet.aspectsPerProduct)
        var numbers = Array(repeating: [Double](), count: Fleet.aspectsPerProduct)
        for event in product.latest.values {
            if event.isChoice {
                choices[Int(event.aspect)][event.value, default: 0] += 1
            } else {
                numbers[Int(event.aspect)].append(Double(event.value) / 2)
            }
        }
        return choices.indices.map { aspect in
            let slot = Int(product.number) * Fleet.aspectsPerProduct + aspect
            let words = choices[aspect].sorted { $0.key < $1.key }.map {
                "\"\(name(fleet.common[Int(fleet.firstChoiceName + $0.key)]))\":\($0.value)"
            }
            let sorted = numbers[aspect].sorted()
            let median = sorted.isEmpty ? "null" : String(sorted[(sorted.count - 1) / 2])
            return """
                "\(name(fleet.common[Int(fleet.aspectName[slot])]))":\
                {"choices":{\(words.joined(separator: ","))},"numbers":\(sorted.count),"median":\(median)}
                """
        }.joined(separator: ",\n  ")
    }

    private func name(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}

extension Answers.Product {
    mutating func add(_ event: Occurrence) {
        events += 1
        byKind[event.kind, default: 0] += 1
        devices.insert(event.device)
        customers.insert(event.customer)
        switch event.kind {
        case .preference: latest[Int64(event.device) * Int64(Fleet.aspectsPerProduct) + Int64(event.aspect)] = event
        case .rating: histogram[Int(event.value) - 1] += 1
        case .use: uses += Int(event.value)
        case .text: break
        case .fault: faults[event.value, default: 0] += 1
        }
    }
}
