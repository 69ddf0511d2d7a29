//! The only place that writes to standard output and standard error.

use std::io::Write as _;

/// A line on standard output. A closed pipe ends the output, not the program.
pub(crate) fn line(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Text on standard output, as it is.
pub(crate) fn text(text: &str) {
    let _ = write!(std::io::stdout().lock(), "{text}");
}

/// An error on standard error.
pub(crate) fn complain(message: &str) {
    let _ = writeln!(std::io::stderr().lock(), "error: {message}");
}
