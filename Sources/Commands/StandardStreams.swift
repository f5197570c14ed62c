// The process's standard streams and its end: the few calls of the C library that every command needs.

import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

enum StandardStreams {
    /// Makes sure that no write can end the process or go astray. To be called before anything is opened.
    static func setUp() {
        // A reader that went away is told by the write.
        _ = signal(SIGPIPE, SIG_IGN)
        // Else the next file that is opened would be the stream that is closed, and get what is printed.
        for stream in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] where fcntl(stream, F_GETFD) == -1 {
            // SAFETY: open copies the path; a String passes as NUL-terminated bytes for the call. The lowest free
            // number, which is the stream's, is given out; the direction is the wrong one, so that its use fails.
            unsafe _ = open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY)
        }
    }

    /// The columns of the terminal behind a stream; nil when it is none, or does not know.
    static func columns(_ stream: Int32) -> Int? {
        var size = winsize()
        // SAFETY: the call fills one `winsize`, which lives as long as it.
        guard unsafe ioctl(stream, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return nil }
        return Int(size.ws_col)
    }

    /// The lines of the terminal behind a stream; nil when it is none, or does not know.
    static func rows(_ stream: Int32) -> Int? {
        var size = winsize()
        // SAFETY: the call fills one `winsize`, which lives as long as it.
        guard unsafe ioctl(stream, UInt(TIOCGWINSZ), &size) == 0, size.ws_row > 0 else { return nil }
        return Int(size.ws_row)
    }

    /// How the terminal was before `beginKeys`.
    private static let before = Mutex<termios?>(nil)

    /// Has the terminal give each key at once, and not show it.
    /// - Returns: false when standard input is no terminal.
    static func beginKeys() -> Bool {
        before.withLock { before in
            var settings = termios()
            // SAFETY: the call fills one `termios`, which lives as long as it.
            guard unsafe tcgetattr(STDIN_FILENO, &settings) == 0 else { return false }
            before = settings
            settings.c_lflag &= ~tcflag_t(ICANON | ECHO)
            // SAFETY: the call reads one `termios`, which lives as long as it.
            return unsafe tcsetattr(STDIN_FILENO, TCSANOW, &settings) == 0
        }
    }

    /// Has it as it was.
    static func endKeys() {
        before.withLock { before in
            guard var settings = before else { return }
            before = nil
            // SAFETY: the call reads one `termios`, which lives as long as it.
            unsafe _ = tcsetattr(STDIN_FILENO, TCSANOW, &settings)
        }
    }

    /// Writes all bytes, however long that takes.
    /// - Returns: 0, or the error's number.
    static func write(_ bytes: [UInt8], to stream: Int32) -> Int32 {
        var done = 0
        while done < bytes.count {
            let count = writeSome(bytes, from: done, to: stream)
            if count > 0 {
                done += count
                continue
            }
            switch count == 0 ? EIO : errno {
            case EINTR: break
            case EAGAIN:
                // Somebody who shares the stream has made it one that does not wait.
                var entry = pollfd(fd: stream, events: Int16(POLLOUT), revents: 0)
                // SAFETY: one entry, which lives as long as the call.
                unsafe _ = poll(&entry, 1, -1)
            case let cause: return cause
            }
        }
        return 0
    }

    /// The system's words for an error number.
    static func reason(_ number: Int32) -> String {
        // SAFETY: strerror returns a NUL-terminated string, copied at once.
        unsafe String(cString: strerror(number))
    }

    /// Ends the process at once, whatever its other threads do.
    static func exit(_ code: Int32) -> Never { _exit(code) }
}

private func writeSome(_ bytes: [UInt8], from start: Int, to stream: Int32) -> Int {
    // SAFETY: `start` lies within the buffer, which lives as long as the call.
    unsafe bytes.withUnsafeBytes { buffer in
        unsafe write(stream, buffer.baseAddress?.advanced(by: start), buffer.count - start)
    }
}
