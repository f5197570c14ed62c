// The room's only calls of C: how many files and sockets the process may have open.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Raises the process's limit of open files as far as the system allows, and returns it.
///
/// The usual limit of 1,024 is for programs that use `select`; a daemon that runs into it cannot accept, and neither
/// can the libraries that it stands on open what they need.
package func raiseDescriptorLimit() -> Int {
    var limit = rlimit()
    // SAFETY: both calls use the struct only while they run.
    guard unsafe getrlimit(descriptors, &limit) == 0 else { return 1_024 }
    let before = limit.rlim_cur
    limit.rlim_cur = min(limit.rlim_max, rlim_t(TransportLimits.descriptors))
    if limit.rlim_cur <= before { return Int(clamping: before) }
    // SAFETY: as above.
    return unsafe setrlimit(descriptors, &limit) == 0 ? Int(clamping: limit.rlim_cur) : Int(clamping: before)
}

#if canImport(Glibc)
    private let descriptors = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
#else
    private let descriptors = RLIMIT_NOFILE
#endif
