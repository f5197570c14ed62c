// The release, in one place.

/// The version that `tidings --version`, the log and `tidings status` name.
package let tidingsVersion = "0.1.0"
