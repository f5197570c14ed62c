// The fold: what all events so far amount to, in memory.

package import Admission
package import Events
package import Log

/// The state of the summaries after the events `0 ..< offset` of the log.
///
/// It depends on those events and their order alone: never on the clock, on hash seeds or on where blocks end. A plain
/// value of flat tables indexed by the log's own numbers; owned by one thread at a time (the `Projector`), and not to
/// be copied on the way, for it is large.
package struct SummaryState: Sendable {
    /// The offset after the last event folded.
    package private(set) var offset = Offset.zero
    /// What has been taken from whom, as of `offset`.
    package var dedupe: DedupeTable { DedupeTable(current: devices.indices.map(identity), memory: identities) }

    func identity(of device: Int) -> DeviceIdentity {
        DeviceIdentity(devices[device].epochs, newestTime: newestTimes[device])
    }

    /// Events that could not be read or believed and so are in no summary (damage in the log).
    package internal(set) var skipped: UInt64 = 0

    var products: [ProductRow] = []
    var productDays: [ProductDayRow] = []
    var productDayDevices: [DistinctCount] = []
    var productDayCustomers: [DistinctCount] = []
    var aspects: [AspectRow] = []
    /// One for each aspect; with nothing in it when a snapshot is written.
    var openDays: [OpenDay] = []
    var aspectDays: [AspectDayRow] = []
    var devices: [DeviceRow] = []
    /// The newest time of each device's own (`DeviceIdentity`); as many as `devices`.
    var newestTimes: [Int64] = []
    /// With the epochs of `devices` and these times, all that has been taken from whom.
    var identities = IdentityMemory()
    /// Who has consented to what, as of `offset`.
    package internal(set) var consents = ConsentTable()
    var customers: [CustomerRow] = []
    /// What messages to devices have become there.
    var outbox = Outbox()
    /// Which devices are whose, while somebody is to be written to; it follows from `devices`.
    var customerDevices: CustomerDevices?
    var preferences = PreferencePool()
    var otherPreferences = OtherPreferences()
    var ratings: [RatingRow] = []
    var choices: [ChoiceRow] = []
    var faults: [FaultRow] = []
    var bins: [BinRow] = []
    var dayChoices: [DayChoiceRow] = []
    var otherUnits: [OtherUnitRow] = []
    var dayUnits: [DayUnitRow] = []
    var quarantines: [QuarantineRow] = []
    var words = KnownWords()

    /// Indexes over the rows above; rebuilt from them after a restart.
    var slotIndex = IndexTable()
    var productDayIndex = IndexTable()
    var aspectDayIndex = IndexTable()
    var choiceIndex = IndexTable()
    var faultIndex = IndexTable()
    var binIndex = IndexTable()
    var dayChoiceIndex = IndexTable()
    var customerIndex = IndexTable()
    /// (slot, device) and (slot, customer) of aspects that have no bit in the masks.
    var wideDevices = PairSet()
    var wideCustomers = PairSet()

    /// Room for what the passes over a window of events tell each other (Folding.swift).
    var items = [FoldItem](repeating: FoldItem(), count: Self.windowEvents)
    var lookups = [RowLookup](repeating: RowLookup(), count: Self.windowEvents)
    /// The window's events, when some are to be folded as others than they are; otherwise empty.
    var restated: [Event] = []
    /// Members for the sets of products' days, until they are flushed.
    var dayDevices = DayMembers()
    var dayCustomers = DayMembers()
    /// Events folded since all aspects were flushed.
    var unflushedEvents = 0

    /// What a snapshot holds apart from the rows of devices, until `reindex`.
    var restoredDedupe = DedupeTable()
    var restoredPreferences: [Preference] = []
    var restoredRanks: [UInt32] = []
    var restoredConsents: [Consent] = []

    /// What the next checkpoint has to write.
    var dirty = DirtyRows()

    package init() {}

    /// Rows changed since the last checkpoint.
    struct DirtyRows: Sendable {
        var products: [UInt32] = []
        var productDays: [UInt32] = []
        var aspects: [UInt32] = []
        var symbols: [Symbol] = []
        var texts: [PendingText] = []
        var textBytes: [UInt8] = []
        /// Whose texts are to go from what is written already.
        var erasedCustomers: [UInt32] = []
        var erasedDevices: [UInt32] = []
        /// When there are so many texts, or bytes of them, those that later ones have pushed out are forgotten; more
        /// when even then so many are left.
        var textBound = ProjectionLimits.waitingTexts
        var textBytesBound = ProjectionLimits.waitingTextBytes
    }

    /// The number of rows that a checkpoint would write now.
    package var dirtyRowCount: Int {
        dirty.products.count + dirty.productDays.count + dirty.aspects.count
            + dirty.symbols.count + dirty.texts.count + dirty.erasedCustomers.count + dirty.erasedDevices.count
            + outbox.dirty.count
    }

    /// Folds a block. Events before `offset` were folded already and are passed over; a block that begins after it
    /// means that the log has lost events, which are counted in `skipped`.
    package mutating func apply(_ block: Block) {
        note(block.definitions)
        let first = block.firstOffset.rawValue
        let end = block.endOffset.rawValue
        guard end > offset.rawValue else { return }
        if first > offset.rawValue { skipped += first - offset.rawValue }
        let start = offset.rawValue > first ? Int(offset.rawValue - first) : 0
        if block.isIdentityCertain {
            fold(block.batch, from: start, at: first)
        } else {
            skipped += UInt64(block.batch.events.count - start)
        }
        offset = block.endOffset
    }

    /// Goes on behind events that cannot be read.
    package mutating func skip(to next: Offset) {
        guard next > offset else { return }
        skipped += next.rawValue - offset.rawValue
        offset = next
    }

    /// Everything changed is written.
    mutating func clearDirty() {
        for index in dirty.products { products[Int(index)].isDirty = false }
        for index in dirty.productDays { productDays[Int(index)].isDirty = false }
        for index in dirty.aspects { openDays[Int(index)].isDirty = false }
        dirty = DirtyRows()
        outbox.clearDirty()
    }

    mutating func restore(offset: Offset) { self.offset = offset }

    private mutating func note(_ definitions: Definitions) {
        for symbol in definitions.symbols where symbol.kind != .type {
            dirty.symbols.append(symbol)
            words.note(symbol.kind, symbol.id, symbol.text)
        }
    }
}
