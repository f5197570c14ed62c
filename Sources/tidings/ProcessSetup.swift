// What holds for the whole process, whatever the command.

import CPlatform
import Foundation

enum ProcessSetup {
    /// To be called first: ends the process with one line when the processor is older than the program, which would
    /// otherwise end at some later instruction without a word.
    static func checkProcessor() {
        guard tidings_processor_fits() == 0 else { return }
        fail(
            Failure(
                "this processor lacks AVX2, BMI2 or FMA, for which the program was built; build it with "
                    + "TIDINGS_CPU=x86-64 swift build -c release", .configuration))
    }

    /// Has the C library keep one heap for all threads, for they allocate a few large things and not many small ones,
    /// and leave in it what is free. By default each table that has grown leaves its place to the kernel, and the next
    /// one begins on pages that the kernel must clear first: a quarter of all page faults.
    static func setUpHeap() { tidings_set_up_heap() }

    /// Prints why the command fails, in one line, and ends the process.
    static func fail(_ failure: Failure) -> Never {
        try? FileHandle.standardError.write(contentsOf: Data("tidings: \(failure.message)\n".utf8))
        exit(failure.code.rawValue)
    }
}
