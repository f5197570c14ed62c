// The one executable: arranges the process, and runs the command that its arguments name.

import CProgram
import Commands

@main
enum Main {
    static func main() async {
        tidings_set_up_heap()
        await TidingsCommand.main()
    }
}
