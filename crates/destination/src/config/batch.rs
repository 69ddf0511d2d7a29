//! When and under which names files are exported (`batchConfig`, file-based destinations).

use super::read::{At, Object, not_among};

/// What a part of a file name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Macro {
    /// Name of the destination.
    Destination,
    /// Audience id.
    SegmentId,
    /// Audience name.
    SegmentName,
    /// Id of the connection.
    DestinationInstanceId,
    /// Name of the connection.
    DestinationInstanceName,
    /// Name of the organisation.
    OrganizationName,
    /// Name of the sandbox.
    SandboxName,
    /// `YYYYMMDD_HHMMSS` in UTC.
    Datetime,
    /// Text of the user.
    CustomText,
    /// Seconds since 1970 in ten digits.
    Timestamp,
    /// Id of the merge policy.
    MergePolicyId,
    /// Name of the merge policy.
    MergePolicyName,
}

impl Macro {
    /// Every macro in the order in which users see them, with its spelling.
    pub const ALL: &[(&str, Macro)] = &[
        ("DESTINATION", Macro::Destination),
        ("SEGMENT_ID", Macro::SegmentId),
        ("SEGMENT_NAME", Macro::SegmentName),
        ("DESTINATION_INSTANCE_ID", Macro::DestinationInstanceId),
        ("DESTINATION_INSTANCE_NAME", Macro::DestinationInstanceName),
        ("ORGANIZATION_NAME", Macro::OrganizationName),
        ("SANDBOX_NAME", Macro::SandboxName),
        ("DATETIME", Macro::Datetime),
        ("CUSTOM_TEXT", Macro::CustomText),
        ("TIMESTAMP", Macro::Timestamp),
        ("MERGE_POLICY_ID", Macro::MergePolicyId),
        ("MERGE_POLICY_NAME", Macro::MergePolicyName),
    ];

    /// The macro of this spelling.
    pub fn parse(text: &str) -> Option<Macro> {
        Self::ALL.iter().find(|(spelling, _)| *spelling == text).map(|(_, value)| *value)
    }

    /// Its spelling.
    pub fn spelling(self) -> &'static str {
        Self::ALL.iter().find(|(_, value)| *value == self).map_or("", |(spelling, _)| spelling)
    }

    /// Whether a name with it changes from export to export.
    pub fn is_time(self) -> bool {
        matches!(self, Macro::Datetime | Macro::Timestamp)
    }

    fn is_merge_policy(self) -> bool {
        matches!(self, Macro::MergePolicyId | Macro::MergePolicyName)
    }
}

/// A part of a file name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamePart {
    /// Text as it stands.
    Literal(String),
    /// `%MACRO%`.
    Macro(Macro),
}

/// What a scheduled export holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExportMode {
    /// All members, every time.
    #[default]
    DailyFull,
    /// All members once, then only new ones.
    FirstFullThenIncremental,
}

/// How often files are exported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Frequency {
    /// Once.
    Once,
    /// Every hour.
    EveryHour,
    /// Every 3 hours.
    Every3Hours,
    /// Every 6 hours.
    Every6Hours,
    /// Every 8 hours.
    Every8Hours,
    /// Every 12 hours.
    Every12Hours,
    /// Every day.
    #[default]
    Daily,
    /// Every week.
    Weekly,
    /// Every month.
    Monthly,
}

/// Names of files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilenameConfig {
    /// Macros that users may append.
    pub allowed_append: Vec<Macro>,
    /// Those that are ticked from the start.
    pub default_append: Vec<Macro>,
    /// The part that users cannot remove.
    pub default_filename: Vec<NamePart>,
}

/// Folder names of exported data sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatasetBatchConfig {
    /// Macros that users may append.
    pub allowed_append: Vec<String>,
    /// Those that are ticked from the start.
    pub default_append: Vec<String>,
    /// Modes to choose from.
    pub allowed_export_modes: Vec<ExportMode>,
    /// Frequencies to choose from.
    pub allowed_frequencies: Vec<Frequency>,
}

/// When and under which names files are exported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchConfig {
    /// Users may pick mandatory attributes.
    pub allow_mandatory_field_selection: bool,
    /// Users may pick a deduplication key.
    pub allow_dedupe_key_field_selection: bool,
    /// The mode that is set at first.
    pub default_export_mode: ExportMode,
    /// Modes to choose from; empty: all.
    pub allowed_export_modes: Vec<ExportMode>,
    /// Frequencies to choose from; empty: all.
    pub allowed_frequencies: Vec<Frequency>,
    /// The frequency that is set at first.
    pub default_frequency: Frequency,
    /// Hour and minute in UTC at first.
    pub default_start_time: (u8, u8),
    /// Names of files; absent: `%DESTINATION%_%SEGMENT_ID%_%DATETIME%`.
    pub filename: Option<FilenameConfig>,
    /// One file per merge policy instead of one per audience.
    pub segment_grouping_enabled: bool,
    /// Data sets only.
    pub datasets: Option<DatasetBatchConfig>,
    /// Given here in older documents; see `DestinationConfig::backfill_historical_profile_data`.
    pub(crate) backfill: Option<bool>,
}

const MODES: &[(&str, ExportMode)] = &[
    ("DAILY_FULL_EXPORT", ExportMode::DailyFull),
    ("FIRST_FULL_THEN_INCREMENTAL", ExportMode::FirstFullThenIncremental),
];
const FREQUENCIES: &[(&str, Frequency)] = &[
    ("ONCE", Frequency::Once),
    ("EVERY_HOUR", Frequency::EveryHour),
    ("EVERY_3_HOURS", Frequency::Every3Hours),
    ("EVERY_6_HOURS", Frequency::Every6Hours),
    ("EVERY_8_HOURS", Frequency::Every8Hours),
    ("EVERY_12_HOURS", Frequency::Every12Hours),
    ("DAILY", Frequency::Daily),
    ("WEEKLY", Frequency::Weekly),
    ("MONTHLY", Frequency::Monthly),
];
const FOLDER_MACROS: &[(&str, &str)] = &[
    ("DESTINATION", "DESTINATION"),
    ("DATASET_ID", "DATASET_ID"),
    ("DATASET_NAME", "DATASET_NAME"),
    ("DESTINATION_INSTANCE_ID", "DESTINATION_INSTANCE_ID"),
    ("DESTINATION_INSTANCE_NAME", "DESTINATION_INSTANCE_NAME"),
    ("ORGANIZATION_NAME", "ORGANIZATION_NAME"),
    ("SANDBOX_NAME", "SANDBOX_NAME"),
    ("DATETIME", "DATETIME"),
    ("EXPORT_TIME", "EXPORT_TIME"),
    ("CUSTOM_TEXT", "CUSTOM_TEXT"),
];

/// Reads the batch settings. `datasets`: the destination exports data sets, not audiences.
pub(crate) fn batch_config(object: &Object<'_>, datasets: bool) -> Option<BatchConfig> {
    let modes = object.get_any("allowedExportModes", &["allowedExportMode"]).and_then(|at| spelled(&at, MODES));
    let frequencies = object.get("allowedScheduleFrequency").and_then(|at| spelled(&at, FREQUENCIES));
    let default_mode = one_among(object, "defaultExportMode", MODES, modes.as_deref(), "allowedExportModes");
    let default_frequency =
        one_among(object, "defaultFrequency", FREQUENCIES, frequencies.as_deref(), "allowedScheduleFrequency");
    let grouping = object.flag("segmentGroupingEnabled").unwrap_or(false);
    let dedupe = ["allowDedupKeyFieldSelection", "allowJoinKeyFieldSelection"];
    let dataset_batch = if datasets {
        object.get("datasetBatchConfig").and_then(|at| at.object(dataset_batch_config))
    } else {
        object.refuse("datasetBatchConfig", "is for sources [\"DATASETS\"]");
        None
    };
    Some(BatchConfig {
        allow_mandatory_field_selection: object.flag("allowMandatoryFieldSelection").unwrap_or(false),
        allow_dedupe_key_field_selection: object
            .get_any("allowDedupeKeyFieldSelection", &dedupe)
            .and_then(|at| at.boolean())
            .unwrap_or(false),
        default_export_mode: default_mode.unwrap_or_default(),
        allowed_export_modes: modes.unwrap_or_default(),
        allowed_frequencies: frequencies.unwrap_or_default(),
        default_frequency: default_frequency.unwrap_or_default(),
        default_start_time: object.get("defaultStartTime").and_then(|at| start_time(&at)).unwrap_or((0, 0)),
        filename: object.get("filenameConfig").and_then(|at| at.object(|object| filename(object, grouping))),
        segment_grouping_enabled: grouping,
        datasets: dataset_batch,
        backfill: object.flag("backfillHistoricalProfileData"),
    })
}

fn spelled<T: Copy + PartialEq>(at: &At<'_>, spellings: &[(&str, T)]) -> Option<Vec<T>> {
    let mut read = Vec::new();
    for item in at.items()? {
        let Some(value) = item.one_of(spellings) else { continue };
        if read.contains(&value) {
            item.fault("is given twice");
        }
        read.push(value);
    }
    Some(read)
}

fn one_among<T: Copy + PartialEq>(
    object: &Object<'_>,
    name: &'static str,
    spellings: &[(&str, T)],
    allowed: Option<&[T]>,
    list: &str,
) -> Option<T> {
    let at = object.get(name)?;
    let value = at.one_of(spellings)?;
    if allowed.is_some_and(|allowed| !allowed.is_empty() && !allowed.contains(&value)) {
        at.fault(format!("must be one of {list}; given {:?}", at.text().unwrap_or_default()));
    }
    Some(value)
}

fn start_time(at: &At<'_>) -> Option<(u8, u8)> {
    let text = at.text()?;
    let two = |part: &str| {
        let right = part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
        if right { part.parse::<u8>().ok() } else { None }
    };
    let time = text.split_once(':').and_then(|(hour, minute)| Some((two(hour)?, two(minute)?)));
    let time = time.filter(|(hour, minute)| *hour < 24 && *minute < 60);
    if time.is_none() {
        at.fault(format!("must be a time of day HH:MM from 00:00 to 23:59; given {text:?}"));
    }
    time
}

fn filename(object: &Object<'_>, grouping: bool) -> Option<FilenameConfig> {
    let allowed_at = object.need("allowedFilenameAppendOptions");
    let default_at = object.need("defaultFilenameAppendOptions");
    let name_at = object.get("defaultFilename");
    let config = FilenameConfig {
        allowed_append: allowed_at.as_ref().and_then(|at| spelled(at, Macro::ALL)).unwrap_or_default(),
        default_append: default_at.as_ref().and_then(|at| spelled(at, Macro::ALL)).unwrap_or_default(),
        default_filename: name_at.as_ref().and_then(default_filename).unwrap_or_default(),
    };
    let fixed: Vec<Macro> = macros_of(&config.default_filename).collect();
    for (at, list) in [(&allowed_at, &config.allowed_append), (&default_at, &config.default_append)] {
        let Some(items) = at.as_ref().and_then(|at| at.json.is_array().then(|| at.items())).flatten() else { continue };
        for item in items {
            let Some(value) = item.json.as_str().and_then(Macro::parse) else { continue };
            let name = value.spelling();
            if fixed.contains(&value) {
                item.fault(format!("{name} is in defaultFilename already"));
            }
            if value.is_merge_policy() && !grouping {
                item.fault(format!("{name} is for segmentGroupingEnabled true only"));
            }
            if std::ptr::eq(list, &config.default_append) && !config.allowed_append.contains(&value) {
                item.fault(format!("must be one of allowedFilenameAppendOptions; given {name:?}"));
            }
        }
    }
    check_default_name(object, &config, &fixed, grouping);
    Some(config)
}

fn check_default_name(object: &Object<'_>, config: &FilenameConfig, fixed: &[Macro], grouping: bool) {
    let fault = |name: &str, message: &str| object.at.reading.fault(&object.at.path.key(name), message);
    if config.default_filename.is_empty()
        && config.allowed_append.is_empty()
        && object.get("allowedFilenameAppendOptions").is_some_and(|at| at.json.as_array().is_some_and(Vec::is_empty))
    {
        fault("allowedFilenameAppendOptions", "must hold at least one macro when defaultFilename is empty");
    }
    for value in fixed.iter().filter(|value| value.is_merge_policy() && !grouping) {
        fault("defaultFilename", &format!("{} is for segmentGroupingEnabled true only", value.spelling()));
    }
    let times = fixed.iter().chain(&config.default_append).filter(|value| value.is_time()).count();
    if times > 1 {
        fault("defaultFilenameAppendOptions", "DATETIME and TIMESTAMP exclude each other in one file name");
    }
}

/// The macros among the parts of a name.
pub(crate) fn macros_of(parts: &[NamePart]) -> impl Iterator<Item = Macro> {
    parts.iter().filter_map(|part| match part {
        NamePart::Macro(value) => Some(*value),
        NamePart::Literal(_) => None,
    })
}

fn default_filename(at: &At<'_>) -> Option<Vec<NamePart>> {
    let text = at.text()?;
    let mut parts = Vec::new();
    for (index, piece) in text.split('%').enumerate() {
        if index % 2 == 0 {
            if !piece.is_empty() {
                parts.push(NamePart::Literal(piece.to_owned()));
            }
            continue;
        }
        match Macro::parse(piece) {
            Some(Macro::CustomText) => at.fault("CUSTOM_TEXT is not allowed in defaultFilename"),
            Some(value) => {
                if macros_of(&parts).any(|other| other == value) {
                    at.fault(format!("{piece} is given twice"));
                }
                parts.push(NamePart::Macro(value));
            }
            None => {
                let names: Vec<&str> = Macro::ALL.iter().map(|(name, _)| *name).collect();
                at.fault(format!("holds an unknown macro: {}", not_among(piece, &names)));
            }
        }
    }
    if text.matches('%').count() % 2 == 1 {
        at.fault(format!("macros stand between two percent signs, %SEGMENT_ID%; given {text:?}"));
    }
    if text.contains(['/', '\\']) || text.contains(char::is_control) {
        at.fault(format!("must not hold path separators or control characters; given {text:?}"));
    }
    Some(parts)
}

fn dataset_batch_config(object: &Object<'_>) -> Option<DatasetBatchConfig> {
    let macros = |name: &'static str| object.get(name).and_then(|at| spelled(&at, FOLDER_MACROS)).unwrap_or_default();
    let allowed = macros("allowedFoldernameAppendOptions");
    let default = macros("defaultFoldernameAppendOptions");
    if let Some(missing) = default.iter().find(|name| !allowed.contains(name)) {
        let message = format!("must be among allowedFoldernameAppendOptions; given {missing:?}");
        object.at.reading.fault(&object.at.path.key("defaultFoldernameAppendOptions"), message);
    }
    let modes = object.get_any("allowedExportModes", &["allowedExportMode"]).and_then(|at| spelled(&at, MODES));
    let frequencies = object.get("allowedScheduleFrequency").and_then(|at| spelled(&at, FREQUENCIES));
    Some(DatasetBatchConfig {
        allowed_append: allowed.into_iter().map(str::to_owned).collect(),
        default_append: default.into_iter().map(str::to_owned).collect(),
        allowed_export_modes: modes.unwrap_or_default(),
        allowed_frequencies: frequencies.unwrap_or_default(),
    })
}
