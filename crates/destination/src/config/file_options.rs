//! Format of exported files (`fileConfigurations`).

use super::read::{At, Object, not_among};
use super::template::{Templated, templated_for_files};

/// Format of exported files; what is absent takes its default.
#[derive(Clone, Debug, Default)]
pub struct FileConfigurations {
    /// `csv` (default), `parquet` or `json`.
    pub file_type: Option<Templated>,
    /// `none` (default), `bzip2`, `gzip`, `lz4`, `snappy` or `deflate`, in any case.
    pub compression: Option<Templated>,
    /// Options of CSV.
    pub csv: CsvOptions,
    /// Rows in one file.
    pub max_file_row_count: u32,
    /// `true` when a manifest goes with the files.
    pub include_file_manifest: Option<Templated>,
}

/// Rows in one file when nothing else is said.
pub(crate) const ROWS_DEFAULT: u32 = 5_000_000;

/// Options of CSV; each default is the one of the published table.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "each field is named as the option it holds")]
pub struct CsvOptions {
    pub sep: Option<Templated>,
    pub quote: Option<Templated>,
    pub quote_all: Option<Templated>,
    pub escape: Option<Templated>,
    pub escape_quotes: Option<Templated>,
    pub char_to_escape_quote_escaping: Option<Templated>,
    pub header: Option<Templated>,
    pub ignore_leading_white_space: Option<Templated>,
    pub ignore_trailing_white_space: Option<Templated>,
    pub null_value: Option<Templated>,
    pub empty_value: Option<Templated>,
    pub date_format: Option<Templated>,
    pub timestamp_format: Option<Templated>,
    pub encoding: Option<Templated>,
    pub line_sep: Option<Templated>,
}

/// What a constant of an option may be. A template is checked when it is rendered, by [`check_option`].
#[derive(Clone, Copy)]
enum Rule {
    Among(&'static [&'static str]),
    AmongAnyCase(&'static [&'static str]),
    OneCharacter,
    NotEmpty,
    Any,
}

const BOOLEAN: Rule = Rule::Among(&["true", "false"]);
const RULES: &[(&str, Rule)] = &[
    ("fileType", Rule::AmongAnyCase(&["csv", "parquet", "json"])),
    ("compression", Rule::AmongAnyCase(&["none", "bzip2", "gzip", "lz4", "snappy", "deflate"])),
    ("includeFileManifest", BOOLEAN),
    ("sep", Rule::NotEmpty),
    ("delimiter", Rule::NotEmpty),
    ("quote", Rule::OneCharacter),
    ("quoteAll", BOOLEAN),
    ("escape", Rule::OneCharacter),
    ("escapeQuotes", BOOLEAN),
    ("charToEscapeQuoteEscaping", Rule::OneCharacter),
    ("header", BOOLEAN),
    ("ignoreLeadingWhiteSpace", BOOLEAN),
    ("ignoreTrailingWhiteSpace", BOOLEAN),
    ("encoding", Rule::Among(&["UTF-8", "UTF-16"])),
    ("lineSep", Rule::OneCharacter),
];

/// What is wrong with the value of an option, by the name of the option (`quoteAll`, `fileType`).
pub fn check_option(name: &str, value: &str) -> Option<String> {
    match RULES.iter().find(|(option, _)| *option == name).map_or(Rule::Any, |(_, rule)| *rule) {
        Rule::Among(names) => (!names.contains(&value)).then(|| not_among(value, names)),
        Rule::AmongAnyCase(names) => {
            let found = names.iter().any(|name| name.eq_ignore_ascii_case(value));
            (!found).then(|| not_among(value, names))
        }
        Rule::OneCharacter => (value.chars().count() > 1).then(|| format!("must be one character; given {value:?}")),
        Rule::NotEmpty => value.is_empty().then(|| "must not be empty".to_owned()),
        Rule::Any => None,
    }
}

pub(crate) fn file_configurations(object: &Object<'_>) -> Option<FileConfigurations> {
    let rows = object.get("maxFileRowCount").and_then(|at| at.integer(1_000_000, 10_000_000));
    Some(FileConfigurations {
        file_type: option(object.get("fileType"), "fileType"),
        compression: option(object.get("compression"), "compression"),
        csv: object.get("csvOptions").and_then(|at| at.object(csv_options)).unwrap_or_default(),
        max_file_row_count: rows.unwrap_or(ROWS_DEFAULT),
        include_file_manifest: option(object.get("includeFileManifest"), "includeFileManifest"),
    })
}

fn csv_options(object: &Object<'_>) -> Option<CsvOptions> {
    let read = |name: &'static str| option(object.get(name), name);
    Some(CsvOptions {
        sep: option(object.get_any("sep", &["delimiter"]), "sep"),
        quote: read("quote"),
        quote_all: read("quoteAll"),
        escape: read("escape"),
        escape_quotes: read("escapeQuotes"),
        char_to_escape_quote_escaping: read("charToEscapeQuoteEscaping"),
        header: read("header"),
        ignore_leading_white_space: read("ignoreLeadingWhiteSpace"),
        ignore_trailing_white_space: read("ignoreTrailingWhiteSpace"),
        null_value: read("nullValue"),
        empty_value: read("emptyValue"),
        date_format: read("dateFormat"),
        timestamp_format: read("timestampFormat"),
        encoding: read("encoding"),
        line_sep: read("lineSep"),
    })
}

fn option(at: Option<At<'_>>, name: &str) -> Option<Templated> {
    let at = at?;
    let value = templated_for_files(&at)?;
    if let Some(message) = value.constant().and_then(|text| check_option(name, text)) {
        at.reading.fault(&at.path.key("value"), message);
    }
    Some(value)
}
