//! Where a destination delivers to, and how that is authenticated (`destinationDelivery`).

use super::read::{At, Object};

/// How calls are authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthenticationRule {
    /// With what the customer entered.
    Customer,
    /// With a credential of the platform.
    Platform,
    /// Not at all.
    None,
}

/// One delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// How calls are authenticated.
    pub authentication_rule: AuthenticationRule,
    /// The credential, with [`AuthenticationRule::Platform`].
    pub authentication_id: Option<String>,
    /// The server.
    pub destination_server_id: String,
    /// Which data goes there; empty: all.
    pub matchers: Vec<DeliveryMatcher>,
}

/// `{type, value}`: only data of these sources goes to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryMatcher {
    /// The sources; `batch` for files.
    pub sources: Vec<String>,
}

impl Delivery {
    /// Whether it takes data of batches, as file-based destinations must.
    pub fn takes_batches(&self) -> bool {
        self.matchers.iter().any(|matcher| matcher.sources.iter().any(|source| source == "batch"))
    }
}

const RULES: &[(&str, AuthenticationRule)] = &[
    ("CUSTOMER_AUTHENTICATION", AuthenticationRule::Customer),
    ("PLATFORM_AUTHENTICATION", AuthenticationRule::Platform),
    ("NONE", AuthenticationRule::None),
];

pub(crate) fn authentication_rule(at: &At<'_>) -> Option<AuthenticationRule> {
    at.one_of(RULES)
}

pub(crate) fn deliveries(at: &At<'_>) -> Option<Vec<Delivery>> {
    let read = at.list(|item| item.object(delivery))?;
    if at.json.as_array().is_some_and(Vec::is_empty) {
        at.fault("must hold at least one delivery");
    }
    Some(read)
}

fn delivery(object: &Object<'_>) -> Option<Delivery> {
    let rule = object.need("authenticationRule").and_then(|at| authentication_rule(&at));
    let server = object.need("destinationServerId").and_then(|at| at.filled().map(str::to_owned));
    let id = object.get("authenticationId");
    let authentication_id = match (rule, id) {
        (Some(AuthenticationRule::Platform), Some(at)) => at.filled().map(str::to_owned),
        (Some(AuthenticationRule::Platform), None) => {
            let path = object.at.path.key("authenticationId");
            object.at.reading.fault(&path, "is required with PLATFORM_AUTHENTICATION: the instanceId of a credential");
            None
        }
        (_, Some(at)) => {
            if at.text().is_some_and(|text| !text.is_empty()) {
                at.fault("is for authenticationRule PLATFORM_AUTHENTICATION only");
            }
            None
        }
        _ => None,
    };
    let matchers = object.get("deliveryMatchers").and_then(|at| at.list(|item| item.object(matcher)));
    Some(Delivery {
        authentication_rule: rule?,
        authentication_id,
        destination_server_id: server?,
        matchers: matchers.unwrap_or_default(),
    })
}

fn matcher(object: &Object<'_>) -> Option<DeliveryMatcher> {
    let kind = object.need("type").and_then(|at| at.one_of(&[("SOURCE", ())]));
    let sources = object.need("value")?.list(|item| item.one_of(&[("batch", "batch")]).map(str::to_owned))?;
    kind?;
    Some(DeliveryMatcher { sources })
}
