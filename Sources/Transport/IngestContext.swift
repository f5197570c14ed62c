// What all connections and datagram sockets of the ingest loop share, and whose bytes are being read.

package import Admission
package import Events
import NIOCore
import TLS
package import Wire

/// The intake, the settings and the scratch memory of one ingest event loop. Confined to that loop.
package final class IngestContext {
    package let intake: any Intake
    package var settings: TransportSettings { settingsInForce }
    /// Private, so that the compiler sees that nobody reads it while it is replaced, and need not check that each time.
    private var settingsInForce: TransportSettings
    /// The body of the deflated frame that is being read.
    package var inflated: [UInt8] = []
    /// The answers of the read that is being dealt with.
    package var output: [UInt8] = []
    /// The JSON lines that are being decoded.
    package var window = EventLineWindow()
    /// What requests over HTTP share besides.
    let requests: RequestScratch
    /// What connections of MQTT share besides, and what is kept of their clients.
    let messages: MQTTScratch
    let mqtt = MQTTSessions()
    /// From where the bytes come that are being read; nil when nobody knows, and then no quota of an address holds.
    package var sender: SenderAddress?
    /// Who has which key or token.
    package private(set) var access = AccessList.empty
    /// Which certificates of clients are revoked, once that has changed since the start.
    var clients: ClientCertificates?
    /// Whether nothing is taken of whoever has shown no credential, and whether it is noted who that is.
    private(set) var requiresCredentials: Bool
    private(set) var notesMissing: Bool
    /// Who was refused for a credential, or would be if they were required.
    package internal(set) var faults = CredentialFaults()
    /// What was wrong with the last one, until its sender is told.
    var lastFault: CredentialFault?
    /// The keys of datagrams that have come since the access list was replaced.
    var signers: [UInt32: KnownSigner] = [:]
    /// The datagram whose signature is checked.
    var signed: [UInt8] = []
    /// Whether nobody can read along on the connection that is being read: it is encrypted, or of this machine.
    package var isPrivate = false
    private var tokenUses: [UInt32: Timestamp] = [:]
    private var receipts: [TransportReceipt] = []
    /// The way back that the datagram at hand has opened, and what an ACK datagram says; taken by its socket.
    package var contact: DatagramContact?
    package var acknowledged: (request: DatagramHeader, received: [MessageID])?
    /// On whose behalf they come. A session that has checked a credential says so here, and it holds for the rest of
    /// its connection, or for its datagram. `anybody` between two reads. What is decoded then names only devices that
    /// this principal may send for: no session can forget to ask.
    package var principal = Principal.anybody {
        didSet { if isNarrowed || principal.isKnown { narrowNames() } }
    }
    /// Whether the vocabulary has a scope.
    private var isNarrowed = false
    /// The device at the other end of a connection, once its session knows: it says so here, once, and what is meant
    /// for the device can be sent on the connection. A gateway, which speaks for many, has none. `.none` between two
    /// reads.
    package var device = DeviceID.none
    /// Devices whose messages a connection has asked for by their names, be they one or many. Empty between two reads.
    package private(set) var served: [DeviceID] = []
    /// Devices of which a connection has asked how they are to stand. Empty between two reads.
    package private(set) var watched: [DeviceID] = []
    /// How many messages wait for each device.
    package var waiting = WaitingCounts()
    /// Nil when there is none.
    package var quotas: Quotas?
    private(set) var limitsEvents: Bool
    private(set) var limitsNames: Bool
    /// The new names that the sender at hand was granted; nil when it is not limited.
    var grantedNames: Int?
    /// The clock of the quotas; tests set their own.
    package var uptime: () -> Uptime = { NIODeadline.now().uptimeNanoseconds }

    package init(intake: any Intake, settings: TransportSettings) {
        self.intake = intake
        settingsInForce = settings
        requests = RequestScratch(settings: settings)
        messages = MQTTScratch(settings: settings)
        limitsEvents = settings.quotas.limitsEvents
        limitsNames = settings.quotas.limitsNames
        requiresCredentials = settings.authMode == .require
        notesMissing = settings.authMode == .warn
        quotas = limitsEvents || limitsNames ? Quotas(settings.quotas) : nil
        window.keepsUnknown = settings.keepsUnknown
    }

    /// Takes what is to be written; nil when there is nothing. Often there is nothing, and then nobody asks for the
    /// allocator, which lies behind some references.
    func takeOutput(_ allocator: @autoclosure () -> ByteBufferAllocator) -> ByteBuffer? {
        guard !output.isEmpty else { return nil }
        let answer = allocator().buffer(bytes: output)
        dropOutput()
        return answer
    }

    /// Forgets what was to be written.
    func dropOutput() { output.removeAll(keepingCapacity: true) }

    /// What the events of a native batch take from whoever sends it.
    func batchContext(source: DeviceID = .none, epoch: UInt32 = 0) -> BatchContext {
        BatchContext(source: source, arrival: intake.now, epoch: epoch, keepsUnknown: settings.keepsUnknown)
    }

    /// Goes on with other settings; not to be called during a read. Shares that were used stay used.
    package func change(to new: TransportSettings) {
        settingsInForce = new
        window.keepsUnknown = new.keepsUnknown
        limitsEvents = new.quotas.limitsEvents
        limitsNames = new.quotas.limitsNames
        requiresCredentials = new.authMode == .require
        notesMissing = new.authMode == .warn
        guard limitsEvents || limitsNames else {
            quotas = nil
            return
        }
        if quotas == nil { quotas = Quotas(new.quotas) } else { quotas?.change(to: new.quotas, at: uptime()) }
    }

    /// Notes that a token was shown, and was right; a device's key leaves no trace.
    package func noteUse(of credential: Credential) {
        guard case .token(let id) = credential.holder else { return }
        tokenUses[id] = intake.now
    }

    /// The tokens that were used since this was asked last, and when.
    package func takeTokenUses() -> [UInt32: Timestamp] {
        defer { tokenUses.removeAll(keepingCapacity: true) }
        return tokenUses
    }

    /// Notes that the connection at hand is to be sent what is meant for a device, beside those that it has asked for
    /// before.
    func serve(_ device: DeviceID) { served.append(device) }

    /// What was noted since this was asked last.
    package func takeServed() -> [DeviceID] {
        defer { served.removeAll() }
        return served
    }

    /// Notes that the connection at hand is to be told how a device is to stand.
    func watch(_ device: DeviceID) { watched.append(device) }

    /// What was noted since this was asked last.
    package func takeWatched() -> [DeviceID] {
        defer { watched.removeAll() }
        return watched
    }

    /// Notes what a protocol has learnt of a message; the log is told at the end of the turn of the loop.
    package func note(_ receipt: TransportReceipt) { receipts.append(receipt) }

    /// What was noted since this was asked last.
    package func takeReceipts() -> [TransportReceipt] {
        guard !receipts.isEmpty else { return [] }
        defer { receipts.removeAll(keepingCapacity: true) }
        return receipts
    }

    /// Goes on with other keys and tokens; not to be called during a read.
    package func change(access new: AccessList) {
        access = new
        signers = [:]
    }

    private func narrowNames() {
        isNarrowed = principal.isKnown
        intake.vocabulary.scope = principal.sends
    }
}
