//! Evaluation methods: which are eligible, and how `evaluationInfo` says one (pql.md §16, profile.md §10).
//!
//! The method is what AEP would document for the audience; every audience is evaluated as records
//! arrive whatever it says (design, §11.10).

use crate::error::Error;
use crate::fields::Fields;
use pql::Method;
use serde_json::{Value as Json, json};

/// All methods, with their member of `evaluationInfo` and their word.
const METHODS: [(Method, &str, &str); 3] = [
    (Method::Batch, "batch", "batch"),
    (Method::Streaming, "continuous", "streaming"),
    (Method::Edge, "synchronous", "edge"),
];

/// What stands against the faster methods; what is against streaming is against edge, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Obstacles {
    pub(crate) streaming: Option<String>,
    pub(crate) edge: Option<String>,
}

impl Obstacles {
    /// One reason against both.
    pub(crate) fn both(reason: &str) -> Obstacles {
        Obstacles { streaming: Some(reason.to_owned()), edge: Some(reason.to_owned()) }
    }

    fn best(&self) -> Method {
        match (&self.streaming, &self.edge) {
            (Some(_), _) => Method::Batch,
            (None, Some(_)) => Method::Streaming,
            (None, None) => Method::Edge,
        }
    }

    fn against(&self, method: Method) -> Option<&str> {
        match method {
            Method::Batch => None,
            Method::Streaming => self.streaming.as_deref(),
            Method::Edge => self.streaming.as_deref().or(self.edge.as_deref()),
        }
    }
}

/// The value of `evaluationInfo` for a method.
pub(crate) fn info(chosen: Method) -> Json {
    let member =
        |(method, member, _): (Method, &str, &str)| (member.to_owned(), json!({ "enabled": method == chosen }));
    Json::Object(METHODS.into_iter().map(member).collect())
}

/// The method of a definition: the one asked for if nothing stands against it, else the best.
pub(crate) fn choose(fields: &Fields<'_>, obstacles: &Obstacles) -> Result<Method, Error> {
    const FIELD: &str = "evaluationInfo";
    let Some(info) = fields.object(FIELD, "evaluationInfo.", &METHODS.map(|(_, member, _)| member))? else {
        return Ok(obstacles.best());
    };
    let mut asked = Vec::new();
    for (method, member, word) in METHODS {
        if enabled(&info, member)? {
            asked.push((method, word));
        }
    }
    match asked[..] {
        [(method, word)] => match obstacles.against(method) {
            None => Ok(method),
            Some(reason) => Err(Error::field(FIELD, format_args!("{word} evaluation is not possible: {reason}"))),
        },
        [] => Err(Error::field(FIELD, "one of batch, continuous and synchronous must be enabled; none is")),
        _ => Err(Error::field(FIELD, "only one of batch, continuous and synchronous may be enabled")),
    }
}

fn enabled(info: &Fields<'_>, member: &str) -> Result<bool, Error> {
    let flag = info.object(member, "", &["enabled"]).and_then(|value| match value {
        Some(value) => value.flag("enabled"),
        None => Ok(None),
    });
    flag.map(|flag| flag.unwrap_or_default())
        .map_err(|_| Error::field(info.path(member), "must be {\"enabled\": true} or {\"enabled\": false}"))
}
