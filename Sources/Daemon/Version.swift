// The release. Nothing else in the code says it.

/// The version that `tidings --version`, the log and `tidings status` name; `-dev` until it is released.
package let tidingsVersion = "0.2.0-dev"
