// What the configuration says of keys and tokens, put together with where the daemon listens.

package import Access
package import Admission
import NIOCore
import Presentation

extension DaemonConfiguration {
    /// Who may send without a credential. Unless it is set that is everybody where only this machine can connect, and
    /// nobody else; whether there are keys has no part in it.
    package var authMode: AuthMode { mode(auth) }

    private func mode(_ auth: AuthMode?) -> AuthMode { auth ?? (exposed.isEmpty ? .off : .require) }

    /// Whether another value of `auth.mode` lets in no more than the one in force, where the daemon listens now.
    func applies(auth new: AuthMode?) -> Bool { mode(new).strictness >= authMode.strictness }

    /// The listeners that other machines can reach, as `tcp 0.0.0.0`. A name other than `localhost` may lead anywhere.
    var exposed: [String] {
        listeners.filter { listener in
            guard listener.port != nil, listener.host != "localhost" else { return false }
            guard let address = try? SocketAddress(ipAddress: listener.host, port: 0) else { return true }
            return !isLoopback(address)
        }.map { "\($0.name) \($0.host)" }
    }

    /// The file of the master key.
    package var masterKey: MasterKeyFile {
        MasterKeyFile(masterKeyFile.hasPrefix("/") ? masterKeyFile : dataDirectory + "/" + masterKeyFile)
    }

    /// The file of keys and tokens.
    package var accessFile: String { dataDirectory + "/" + AccessStore.fileName }

    /// Refuses to open a port of the network to nobody at all, which nobody can want.
    ///
    /// - Parameter access: the keys and tokens that there are.
    func checkThatSomebodyMaySend(_ access: AccessStanding) throws(ConfigurationError) {
        guard auth == nil, access.deviceKeys == 0, access.tokens == 0, !exposed.isEmpty else { return }
        throw ConfigurationError(
            description: "configuration: other machines can reach \(exposed.joined(separator: ", ")), and nobody has a "
                + "key or token; make one (`tidings device add`, `tidings token add`), or set auth.mode: warn, which "
                + "lets everybody send and lists who would be refused")
    }
}

extension AuthMode {
    /// The higher, the fewer may send.
    fileprivate var strictness: Int {
        switch self {
        case .off: 0
        case .warn: 1
        case .require: 2
        }
    }
}
