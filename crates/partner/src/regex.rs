//! Regular expressions out of configurations: whole text, look-around allowed, a bounded number of steps.

/// Whether the whole text matches.
///
/// # Errors
/// The pattern is none, or it takes too many steps.
pub(crate) fn matches(pattern: &str, text: &str) -> Result<bool, String> {
    let whole = fancy_regex::Regex::new(&format!("^(?:{pattern})\\z")).map_err(|error| error.to_string())?;
    whole.is_match(text).map_err(|error| error.to_string())
}
