//! Names of exported files.
//!
//! In: the batch settings, what is exported, the macros that the user appended. Out: a name without extension, the
//! name of each part of a split file, a storage path. Always: a name has at most 255 characters (with room for its
//! extension left to the caller's check by [`part_name`]) and holds no path separator.

use super::batch::{BatchConfig, FilenameConfig, Macro, NamePart, macros_of};
use super::fault::Fault;
use model::Timestamp;

/// What a file name may show.
#[derive(Clone, Debug, Default)]
pub struct FileNameContext {
    /// Name of the destination.
    pub destination: String,
    /// The audience; none when one file holds those of a merge policy.
    pub segment: Option<Segment>,
    /// Id of the connection.
    pub instance_id: String,
    /// Name of the connection.
    pub instance_name: String,
    /// Name of the organisation.
    pub organization: String,
    /// Name of the sandbox.
    pub sandbox: String,
    /// Time of the export.
    pub now: Timestamp,
    /// Text of the user.
    pub custom_text: Option<String>,
    /// The merge policy, when one file holds its audiences.
    pub merge_policy: Option<MergePolicy>,
}

/// An audience.
#[derive(Clone, Debug, Default)]
pub struct Segment {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// A merge policy.
#[derive(Clone, Debug, Default)]
pub struct MergePolicy {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// Longest name of a file, in characters.
pub(crate) const NAME_MAX: usize = 255;
/// Between the fixed part and appended macros, and between these (destination-sdk.md, B.11).
const JOINER: &str = "_";

/// The name of a file without its extension: the fixed part, then the appended macros in their usual order.
pub fn file_name(batch: &BatchConfig, context: &FileNameContext, appended: &[Macro]) -> Result<String, Fault> {
    let standard = standard_name();
    let config = batch.filename.as_ref().unwrap_or(&standard);
    check_appended(config, appended)?;
    let mut name = String::new();
    for part in &config.default_filename {
        match part {
            NamePart::Literal(text) => name.push_str(text),
            NamePart::Macro(value) => name.push_str(&clean(&text_of(*value, context)?)),
        }
    }
    for (_, value) in Macro::ALL.iter().filter(|(_, value)| appended.contains(value)) {
        if !name.is_empty() {
            name.push_str(JOINER);
        }
        name.push_str(&clean(&text_of(*value, context)?));
    }
    if name.is_empty() {
        return Err(Fault::new("filename", "must not be empty: choose at least one macro"));
    }
    check_length(&name)?;
    Ok(name)
}

/// The name of one part of a split file, counted from 1; the first has no number: `name.csv`, `name_2.csv`.
pub fn part_name(name: &str, part: u32, extension: &str) -> Result<String, Fault> {
    let number = if part > 1 { format!("_{part}") } else { String::new() };
    let dot = if extension.is_empty() { "" } else { "." };
    let name = format!("{name}{number}{dot}{extension}");
    check_length(&name)?;
    Ok(name)
}

/// A storage path with `%SEGMENT_NAME%`, `%SEGMENT_ID%` and further macros replaced. Other text between percent
/// signs is left as it stands, because percent signs are ordinary in paths.
pub fn expand_path(path: &str, context: &FileNameContext) -> Result<String, Fault> {
    let mut text = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(start) = rest.find('%') {
        text.push_str(&rest[..start]);
        let inner = &rest[start + 1..];
        let found = inner.find('%').and_then(|end| Some((Macro::parse(&inner[..end])?, end)));
        match found {
            Some((value, end)) => {
                text.push_str(&clean(&text_of(value, context)?));
                rest = &inner[end + 1..];
            }
            None => {
                text.push('%');
                rest = inner;
            }
        }
    }
    text.push_str(rest);
    Ok(text)
}

fn standard_name() -> FilenameConfig {
    let mut parts = Vec::new();
    for value in [Macro::Destination, Macro::SegmentId, Macro::Datetime] {
        if !parts.is_empty() {
            parts.push(NamePart::Literal(JOINER.to_owned()));
        }
        parts.push(NamePart::Macro(value));
    }
    FilenameConfig { default_filename: parts, ..FilenameConfig::default() }
}

fn check_appended(config: &FilenameConfig, appended: &[Macro]) -> Result<(), Fault> {
    let fault = |message: String| Err(Fault::new("filename", message));
    for (index, value) in appended.iter().enumerate() {
        let name = value.spelling();
        if !config.allowed_append.contains(value) {
            let allowed: Vec<&str> = config.allowed_append.iter().map(|value| value.spelling()).collect();
            return fault(format!("{name} cannot be appended; allowed: {}", allowed.join(", ")));
        }
        if appended[..index].contains(value) {
            return fault(format!("{name} is appended twice"));
        }
    }
    let times = macros_of(&config.default_filename).chain(appended.iter().copied()).filter(|value| value.is_time());
    if times.count() > 1 {
        return fault("DATETIME and TIMESTAMP exclude each other".to_owned());
    }
    Ok(())
}

fn check_length(name: &str) -> Result<(), Fault> {
    let length = name.chars().count();
    if length > NAME_MAX {
        let message = format!("must have at most {NAME_MAX} characters; this name would have {length}");
        return Err(Fault::new("filename", message));
    }
    Ok(())
}

fn text_of(value: Macro, context: &FileNameContext) -> Result<String, Fault> {
    let missing = |what: &str| Fault::new("filename", format!("{} has no value: {what}", value.spelling()));
    let segment = || context.segment.as_ref().ok_or_else(|| missing("the file holds all audiences of a merge policy"));
    let policy = || context.merge_policy.as_ref().ok_or_else(|| missing("the file holds one audience"));
    Ok(match value {
        Macro::Destination => context.destination.clone(),
        Macro::SegmentId => segment()?.id.clone(),
        Macro::SegmentName => segment()?.name.clone(),
        Macro::DestinationInstanceId => context.instance_id.clone(),
        Macro::DestinationInstanceName => context.instance_name.clone(),
        Macro::OrganizationName => context.organization.clone(),
        Macro::SandboxName => context.sandbox.clone(),
        Macro::Datetime => datetime(context.now),
        Macro::Timestamp => format!("{:010}", context.now.0.div_euclid(1000)),
        Macro::CustomText => context.custom_text.clone().ok_or_else(|| missing("no text is given"))?,
        Macro::MergePolicyId => policy()?.id.clone(),
        Macro::MergePolicyName => policy()?.name.clone(),
    })
}

fn datetime(now: Timestamp) -> String {
    let (year, month, day) = model::time::civil_from_days(now.0.div_euclid(model::time::DAY_MS));
    let second = now.0.rem_euclid(model::time::DAY_MS) / 1000;
    format!("{year:04}{month:02}{day:02}_{:02}{:02}{:02}", second / 3600, second / 60 % 60, second % 60)
}

/// A value inside a name: what would start another directory or is no text is replaced.
fn clean(text: &str) -> String {
    text.chars().map(|c| if matches!(c, '/' | '\\') || c.is_control() { '_' } else { c }).collect()
}
