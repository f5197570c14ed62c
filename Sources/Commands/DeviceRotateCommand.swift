// tidings device rotate: another key for a device, another master key for all of them.

import Access
import Admission
import ArgumentParser
import Daemon
import Events
import Presentation

struct DeviceRotateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rotate",
        abstract: "Give a device another key, or begin and end the change to another master key.",
        discussion: """
            Examples: tidings device rotate kettle/k-1
                      tidings device rotate --master
                      tidings device rotate kettle/k-1 --keep-old
                      tidings device rotate --finish

            A device's old key is over at once, and its new one is printed once. The master key is changed in three \
            steps that lock nobody out: --master puts a new one before the old; then each device gets its key of the \
            new one with --keep-old, at any time; --finish removes the old one, and with it the keys that were made \
            of it.
            """)

    @Argument(help: "The source of a device, the prefix of a gateway, or the number of a key.")
    var device: String?

    @Flag(help: "Begin with another master key; the keys made of the old one stay good.")
    var master = false

    @Flag(help: "Remove the old master key: keys that were made of it are over.")
    var finish = false

    @Flag(help: "While there are two master keys: print the device's key of the new one; the old one stays good.")
    var keepOld = false

    @Option(help: "How to print: table, json or csv.")
    var format: OutputFormat = .table

    @OptionGroup var data: DataOptions

    func validate() throws {
        guard [device != nil, master, finish].filter({ $0 }).count == 1 else {
            throw ValidationError("name a device, or --master, or --finish")
        }
        guard !keepOld || device != nil else { throw ValidationError("--keep-old goes with a device") }
    }

    func run() async throws {
        let folder = try await KeyFolder(data)
        guard let device else { return try await rotateMaster(folder) }
        let issued = try await folder.change(.deviceRotate) { store throws(AccessError) in
            guard let masters = try folder.configuration.masterKey.read() else {
                throw folder.configuration.masterKey.missing
            }
            guard !keepOld || masters.count == 2 else {
                throw .refused(
                    "there is one master key alone, so no key to keep; begin with `tidings device rotate --master`, or "
                        + "leave out --keep-old")
            }
            return try folder.issued(keepOld ? try store.key(device) : try store.rotate(device), masters)
        }
        printOut(renderIssued([issued], as: format))
    }

    private func rotateMaster(_ folder: KeyFolder) async throws {
        let file = folder.configuration.masterKey
        do throws(AccessError) {
            if master { try file.rotate() } else { try file.finishRotation() }
        } catch {
            throw Failure(error)
        }
        await folder.tellDaemon()
        await folder.note(master ? .masterRotate : .masterFinish)
        printError(
            master
                ? "tidings: \(file.path) has a new master key before the old one; keep a copy of it elsewhere, give "
                    + "each device its key with `tidings device rotate DEVICE --keep-old`, then end with --finish"
                : "tidings: \(file.path) has one master key; keep a copy of it elsewhere, and remove older copies")
    }
}
