// The address of a socket as people write it.

/// `127.0.0.1:7411`; an IPv6 address stands in brackets, so that its end can be told: `[::1]:7411`.
package func hostAndPort(_ host: String, _ port: Int) -> String {
    (host.contains(":") ? "[\(host)]" : host) + ":\(port)"
}
