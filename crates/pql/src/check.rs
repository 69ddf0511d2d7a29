//! Rules of authoring that need no scope: near-miss suggestions, arguments of functions.

use crate::functions::Takes;
use crate::types::{Class, Ty};

/// The candidate that a misspelt word most likely means.
pub(crate) fn nearest<'c>(word: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    let allowed = (word.chars().count() / 3).clamp(1, 3);
    let scored = candidates.map(|c| (edits(word, c), c)).filter(|(n, c)| *n <= allowed && *c != word);
    scored.min_by_key(|(n, c)| (*n, c.len().abs_diff(word.len()))).map(|(_, c)| c)
}

/// Insertions, deletions, replacements and exchanges of neighbours that lead from one word to the
/// other; letters that differ in case only cost nothing.
fn edits(from: &str, to: &str) -> usize {
    let folded = |word: &str| word.chars().take(64).flat_map(char::to_lowercase).collect::<String>();
    strsim::osa_distance(&folded(from), &folded(to))
}

/// True if a parameter takes a value of that type.
pub(crate) fn takes(parameter: Takes, given: &Ty) -> bool {
    let class = given.class();
    class == Class::Any
        || match parameter {
            Takes::Any | Takes::PerItem => true,
            Takes::Text | Takes::Regex | Takes::DatePattern | Takes::Locale | Takes::DateLocale => class == Class::Text,
            Takes::Number => class == Class::Number,
            Takes::Boolean => class == Class::Boolean,
            Takes::Time => matches!(class, Class::Time | Class::Text),
            Takes::Array => class == Class::Array,
            Takes::Map => class == Class::Object,
        }
}

/// What a parameter takes, as a message names it.
pub(crate) fn wanted(parameter: Takes) -> &'static str {
    match parameter {
        Takes::Any | Takes::PerItem => "a value",
        Takes::Text | Takes::Regex | Takes::DatePattern | Takes::Locale | Takes::DateLocale => "a String",
        Takes::Number => "a number",
        Takes::Boolean => "a Boolean",
        Takes::Time => "a date or time",
        Takes::Array => "an array",
        Takes::Map => "a map or object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_what_is_near() {
        let near = |word| nearest(word, ["countryISO", "city", "postalCode"].into_iter());
        assert_eq!(near("contryISO"), Some("countryISO"));
        assert_eq!(near("countryIso"), Some("countryISO"));
        assert_eq!(near("ctiy"), Some("city"));
        assert_eq!(near("street"), None);
    }
}
