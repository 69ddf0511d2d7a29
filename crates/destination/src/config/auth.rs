//! How customers authenticate (`customerAuthenticationConfigurations`), and OAuth 2 with its grants.

use super::credential::{Secret, secret};
use super::data_field::{Pattern, pattern, text_of};
use super::http::{HttpTemplate, ResponseField, address, http_template, response_fields, templated_address};
use super::read::{At, Object, shown};
use super::template::{Templated, templated};
use serde_json::Value as Json;
use smol_str::SmolStr;

/// One way to authenticate.
#[derive(Clone, Debug)]
pub enum CustomerAuthentication {
    /// User name and password.
    Basic,
    /// A bearer token.
    Bearer,
    /// OAuth 2.
    OAuth2(Box<OAuth2>),
    /// Access key and secret key.
    S3,
    /// Connection string of Azure Blob.
    AzureConnectionString,
    /// Service principal of Azure Data Lake Storage.
    AzureServicePrincipal,
    /// SFTP with password.
    SftpWithPassword,
    /// SFTP with key.
    SftpWithSshKey,
    /// Access key and secret of Google Cloud Storage.
    GoogleCloudStorage,
}

impl CustomerAuthentication {
    /// Its `authType`.
    pub fn auth_type(&self) -> &'static str {
        match self {
            CustomerAuthentication::Basic => "BASIC",
            CustomerAuthentication::Bearer => "BEARER",
            CustomerAuthentication::OAuth2(_) => "OAUTH2",
            CustomerAuthentication::S3 => "S3",
            CustomerAuthentication::AzureConnectionString => "AZURE_CONNECTION_STRING",
            CustomerAuthentication::AzureServicePrincipal => "AZURE_SERVICE_PRINCIPAL",
            CustomerAuthentication::SftpWithPassword => "SFTP_WITH_PASSWORD",
            CustomerAuthentication::SftpWithSshKey => "SFTP_WITH_SSH_KEY",
            CustomerAuthentication::GoogleCloudStorage => "GOOGLE_CLOUD_STORAGE",
        }
    }

    /// Whether it is for streaming destinations; the others are for files.
    pub fn is_streaming(&self) -> bool {
        use CustomerAuthentication::{Basic, Bearer, OAuth2};
        matches!(self, Basic | Bearer | OAuth2(_))
    }
}

/// An OAuth 2 grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// `OAUTH2_AUTHORIZATION_CODE`.
    AuthorizationCode,
    /// `OAUTH2_PASSWORD`.
    Password,
    /// `OAUTH2_CLIENT_CREDENTIALS`.
    ClientCredentials,
}

/// OAuth 2 settings.
#[derive(Clone, Debug)]
pub struct OAuth2 {
    /// The grant.
    pub grant: Grant,
    /// Where tokens are issued.
    pub access_token_url: Option<String>,
    /// Where the user logs in.
    pub authorization_url: Option<String>,
    /// Where tokens are refreshed.
    pub refresh_token_url: Option<String>,
    /// Client id of the platform.
    pub client_id: Option<String>,
    /// Client secret of the platform.
    pub client_secret: Option<Secret>,
    /// Scopes that are asked for.
    pub scopes: Vec<String>,
    /// Client id and secret go into an `Authorization: Basic` header instead of the body.
    pub use_basic_auth: bool,
    /// Further values, as `authData.<name>`.
    pub data_fields: Vec<AuthenticationDataField>,
    /// The token request, when the standard one does not do.
    pub access_token_request: Option<AccessTokenRequest>,
    /// Where the access token is in the answer.
    pub access_token_response_path: String,
    /// Where the refresh token is in the answer.
    pub refresh_token_response_path: String,
    /// Where the life of the token is in the answer.
    pub expires_in_response_path: String,
    /// A token is accepted only if all hold; those of the token request are in there.
    pub validations: Vec<TokenValidation>,
}

/// Who gives the value of an authentication data field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueSource {
    /// The customer, on connecting.
    Customer,
    /// The author of the destination.
    Partner,
}

/// A value beside the standard ones of a grant.
#[derive(Clone, Debug)]
pub struct AuthenticationDataField {
    /// Key in `authData`; standard names replace the standard values.
    pub name: SmolStr,
    /// Label.
    pub title: Option<String>,
    /// Explanation.
    pub description: Option<String>,
    /// `string`, `boolean` or `integer`.
    pub kind: DataKind,
    /// Whether it must have a value.
    pub is_required: bool,
    /// Stored sealed, never shown.
    pub secret: bool,
    /// Who gives it.
    pub source: ValueSource,
    /// A fixed value.
    pub value: Option<Json>,
    /// The field of the token response that holds it.
    pub response_path: Option<String>,
    /// What a customer's value must match.
    pub pattern: Option<Pattern>,
    /// The values to choose from; empty: any.
    pub choices: Vec<Json>,
    /// The value when the customer gives none.
    pub default: Option<Json>,
}

/// Type of an authentication data field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataKind {
    /// Text.
    String,
    /// true or false.
    Boolean,
    /// A whole number.
    Integer,
}

impl DataKind {
    /// Whether a value is of this type.
    pub fn admits(self, value: &Json) -> bool {
        match self {
            DataKind::String => value.is_string(),
            DataKind::Boolean => value.is_boolean(),
            DataKind::Integer => value.is_i64() || value.is_u64(),
        }
    }
}

/// A token request that the author wrote.
#[derive(Clone, Debug)]
pub struct AccessTokenRequest {
    /// Address.
    pub url: Templated,
    /// Method, headers, body.
    pub http: HttpTemplate,
    /// Values taken from the answer; `accessToken` among them unless the response path says where it is.
    pub response_fields: Vec<ResponseField>,
}

/// A check of the answer of a token request.
#[derive(Clone, Debug)]
pub struct TokenValidation {
    /// Its name.
    pub name: String,
    /// Explanation.
    pub description: Option<String>,
    /// What is checked.
    pub actual: Templated,
    /// What it must equal, or a regular expression that it must match.
    pub expected: Templated,
}

#[derive(Clone, Copy)]
enum Type {
    OAuth1,
    OAuth2,
    Plain(fn() -> CustomerAuthentication),
}

const TYPES: &[(&str, Type)] = &[
    ("BASIC", Type::Plain(|| CustomerAuthentication::Basic)),
    ("BEARER", Type::Plain(|| CustomerAuthentication::Bearer)),
    ("OAUTH2", Type::OAuth2),
    ("S3", Type::Plain(|| CustomerAuthentication::S3)),
    ("AZURE_CONNECTION_STRING", Type::Plain(|| CustomerAuthentication::AzureConnectionString)),
    ("AZURE_SERVICE_PRINCIPAL", Type::Plain(|| CustomerAuthentication::AzureServicePrincipal)),
    ("SFTP_WITH_PASSWORD", Type::Plain(|| CustomerAuthentication::SftpWithPassword)),
    ("SFTP_WITH_SSH_KEY", Type::Plain(|| CustomerAuthentication::SftpWithSshKey)),
    ("GOOGLE_CLOUD_STORAGE", Type::Plain(|| CustomerAuthentication::GoogleCloudStorage)),
    ("OAUTH1", Type::OAuth1),
];

const GRANTS: &[(&str, Grant)] = &[
    ("OAUTH2_AUTHORIZATION_CODE", Grant::AuthorizationCode),
    ("OAUTH2_PASSWORD", Grant::Password),
    ("OAUTH2_CLIENT_CREDENTIALS", Grant::ClientCredentials),
];

pub(crate) fn authentications(at: &At<'_>) -> Option<Vec<CustomerAuthentication>> {
    let mut read: Vec<CustomerAuthentication> = Vec::new();
    for item in at.items()? {
        let Some(authentication) = item.object(authentication) else { continue };
        let kind = authentication.auth_type();
        if read.iter().any(|other| other.auth_type() == kind) {
            item.reading.fault(&item.path.key("authType"), format!("{kind} is given twice"));
        }
        if let Some(other) = read.iter().find(|other| other.is_streaming() != authentication.is_streaming()) {
            let message =
                format!("{kind} and {} cannot be together: one is for streaming, one for files", other.auth_type());
            item.reading.fault(&item.path.key("authType"), message);
        }
        read.push(authentication);
    }
    Some(read)
}

const OAUTH2_FIELDS: &[&str] = &[
    "grant",
    "accessTokenUrl",
    "authorizationUrl",
    "refreshTokenUrl",
    "clientId",
    "clientSecret",
    "scope",
    "scopes",
    "authenticationDataFields",
    "accessTokenRequest",
    "accessTokenResponsePath",
    "refreshTokenResponsePath",
    "expiresInResponsePath",
    "validations",
];

fn authentication(object: &Object<'_>) -> Option<CustomerAuthentication> {
    let at = object.need("authType");
    let kind = at.as_ref().and_then(|at| at.one_of(TYPES));
    match kind {
        Some(Type::OAuth2) => oauth2(object).map(|oauth2| CustomerAuthentication::OAuth2(Box::new(oauth2))),
        Some(Type::Plain(make)) => {
            options(object);
            for name in OAUTH2_FIELDS {
                object.refuse(name, "is for authType OAUTH2");
            }
            Some(make())
        }
        Some(Type::OAuth1) => {
            OAUTH2_FIELDS.iter().for_each(|name| object.echo(name));
            object.echo("options");
            at?.fault("OAUTH1 is not supported: how its requests are signed is not part of the published interface");
            None
        }
        None => {
            OAUTH2_FIELDS.iter().for_each(|name| object.echo(name));
            object.echo("options");
            None
        }
    }
}

/// `options` is open: what is not known is kept as it came. `useBasicAuth` is the one that is.
fn options(object: &Object<'_>) -> bool {
    let Some(entries) = object.get("options").and_then(|at| at.entries()) else { return false };
    let basic = entries.into_iter().find(|(name, _)| *name == "useBasicAuth");
    basic.and_then(|(_, at)| at.boolean()).unwrap_or(false)
}

fn oauth2(object: &Object<'_>) -> Option<OAuth2> {
    let grant = object.need("grant").and_then(|at| at.one_of(GRANTS));
    let request_at = object.get("accessTokenRequest");
    let request = request_at.as_ref().map(|at| at.object(access_token_request));
    let (request, mut validations) = match request {
        Some(Some((request, validations))) => (Some(request), validations),
        _ => (None, Vec::new()),
    };
    validations.extend(object.get("validations").and_then(|at| token_validations(&at)).unwrap_or_default());
    let url = |name: &'static str| object.get(name).and_then(|at| address(&at));
    let path =
        |name: &'static str, standard: &str| object.get(name).and_then(|at| at.filled()).unwrap_or(standard).to_owned();
    let scopes = object.get_any("scope", &["scopes"]).and_then(|at| at.list(|item| item.filled().map(str::to_owned)));
    let read = OAuth2 {
        grant: grant.unwrap_or(Grant::ClientCredentials),
        access_token_url: url("accessTokenUrl"),
        authorization_url: url("authorizationUrl"),
        refresh_token_url: url("refreshTokenUrl"),
        client_id: object.get("clientId").and_then(|at| at.filled().map(str::to_owned)),
        client_secret: object.get("clientSecret").and_then(|at| secret(&at)),
        scopes: scopes.unwrap_or_default(),
        use_basic_auth: options(object),
        data_fields: object.get("authenticationDataFields").and_then(|at| data_fields(&at)).unwrap_or_default(),
        access_token_request: request,
        access_token_response_path: path("accessTokenResponsePath", "access_token"),
        refresh_token_response_path: path("refreshTokenResponsePath", "refresh_token"),
        expires_in_response_path: path("expiresInResponsePath", "expires_in"),
        validations,
    };
    if let Some(grant) = grant {
        check_grant(object, grant, &read, request_at.is_some());
    }
    check_partner_fields(object, &read);
    grant.map(|_| read)
}

/// What every answer of a token endpoint gives, or the settings of the grant.
const STANDARD_FIELDS: &[&str] = &["accessToken", "refreshToken", "expiresIn", "tokenType", "scope"];
const SETTINGS: &[&str] = &["clientId", "clientSecret", "accessTokenUrl", "refreshTokenUrl", "authorizationUrl"];

/// Nobody is asked for a field of the partner, so something else must give its value.
fn check_partner_fields(object: &Object<'_>, read: &OAuth2) {
    let rendered = read.access_token_request.iter().flat_map(|request| &request.response_fields);
    let rendered: Vec<&str> = rendered.map(|field| field.name.as_str()).collect();
    let Some(at) = object.get("authenticationDataFields") else { return };
    let items = if at.json.is_object() { vec![at] } else { at.items().unwrap_or_default() };
    if items.len() != read.data_fields.len() {
        return;
    }
    for (item, field) in items.iter().zip(&read.data_fields) {
        let name = field.name.as_str();
        let has_setting = SETTINGS.contains(&name) && object.at.json.get(name).is_some_and(|value| !value.is_null());
        let known = has_setting || STANDARD_FIELDS.contains(&name) || rendered.contains(&name);
        if field.source == ValueSource::Partner && field.value.is_none() && field.response_path.is_none() && !known {
            let message = format!(
                "needs a value or an authenticationResponsePath (or accessTokenRequest.responseFields named {name:?}): \
                 customers are not asked for a field of source PARTNER"
            );
            item.fault(message);
        }
    }
}

fn check_grant(object: &Object<'_>, grant: Grant, read: &OAuth2, own_request: bool) {
    let supplied = |name: &str| read.data_fields.iter().any(|field| field.name == name);
    let need = |name: &'static str, elsewhere: bool| {
        if object.get(name).is_none() && !elsewhere {
            object.at.reading.fault(&object.at.path.key(name), "is required for this grant");
        }
    };
    let elsewhere = grant == Grant::ClientCredentials && own_request;
    need("accessTokenUrl", elsewhere);
    for name in ["clientId", "clientSecret"] {
        // A field of a standard name takes the place of the standard value.
        need(name, supplied(name) || grant == Grant::ClientCredentials && own_request);
    }
    match grant {
        Grant::AuthorizationCode => need("authorizationUrl", false),
        Grant::Password | Grant::ClientCredentials => {
            object.refuse(
                "authorizationUrl",
                "is for grant OAUTH2_AUTHORIZATION_CODE: with this grant nobody is redirected",
            );
        }
    }
}

fn data_fields(at: &At<'_>) -> Option<Vec<AuthenticationDataField>> {
    // A single field may stand without its array.
    let items = if at.json.is_object() { vec![at.clone()] } else { at.items()? };
    if at.json.is_object() {
        at.wrap();
    }
    let mut read: Vec<AuthenticationDataField> = Vec::new();
    for item in items {
        let Some(field) = item.object(data_field) else { continue };
        if read.iter().any(|other| other.name == field.name) {
            item.reading.fault(&item.path.key("name"), format!("the name {:?} is given twice", field.name));
        }
        read.push(field);
    }
    Some(read)
}

const KINDS: &[(&str, DataKind)] =
    &[("string", DataKind::String), ("boolean", DataKind::Boolean), ("integer", DataKind::Integer)];
const SOURCES: &[(&str, ValueSource)] = &[("CUSTOMER", ValueSource::Customer), ("PARTNER", ValueSource::Partner)];

fn data_field(object: &Object<'_>) -> Option<AuthenticationDataField> {
    let name = object.need("name").and_then(|at| at.filled().map(SmolStr::new));
    let kind = object.get("type").and_then(|at| at.one_of(KINDS)).unwrap_or(DataKind::String);
    let secret = object.get("format").and_then(|at| at.one_of(&[("password", true)])).unwrap_or(false);
    let of_kind = |at: At<'_>| {
        if kind.admits(at.json) {
            return Some(at.json.clone());
        }
        let given = if secret { "another type".to_owned() } else { shown(at.json) };
        at.fault(format!("must be of the field's type; given {given}"));
        None
    };
    let value = object.get("value").and_then(of_kind);
    let response_path = object.get("authenticationResponsePath").and_then(|at| at.filled().map(str::to_owned));
    let source = object.get_any("source", &["fieldType"]).and_then(|at| at.one_of(SOURCES));
    let given = value.is_some() || response_path.is_some();
    let choices = object.get("enum").and_then(|at| at.list(of_kind)).unwrap_or_default();
    let default_at = object.get("default");
    let default = default_at.clone().and_then(of_kind);
    if let (Some(at), Some(default)) = (default_at, &default)
        && !choices.is_empty()
        && !choices.contains(default)
    {
        let names: Vec<String> = choices.iter().map(text_of).collect();
        at.fault(format!("must be one of {}", names.join(", ")));
    }
    Some(AuthenticationDataField {
        name: name.unwrap_or_default(),
        title: object.string("title"),
        description: object.string("description"),
        kind,
        is_required: object.flag("isRequired").unwrap_or(false),
        secret,
        source: source.unwrap_or(if given { ValueSource::Partner } else { ValueSource::Customer }),
        value,
        response_path,
        pattern: object.get("pattern").and_then(|at| pattern(&at)),
        choices,
        default,
    })
}

fn access_token_request(object: &Object<'_>) -> Option<(AccessTokenRequest, Vec<TokenValidation>)> {
    _ = object.get("destinationServerType").and_then(|at| at.one_of(&[("URL_BASED", ())]));
    let url = object
        .need("urlBasedDestination")
        .and_then(|at| at.object(|object| object.need("url").and_then(|at| templated_address(&at))));
    let http = object.need("httpTemplate").and_then(|at| at.object(http_template));
    let response_fields = object.get("responseFields").and_then(|at| response_fields(&at)).unwrap_or_default();
    let validations = object.get("validations").and_then(|at| token_validations(&at)).unwrap_or_default();
    Some((AccessTokenRequest { url: url?, http: http?, response_fields }, validations))
}

fn token_validations(at: &At<'_>) -> Option<Vec<TokenValidation>> {
    at.list(|item| {
        item.object(|object| {
            let name = object.need("name").and_then(|at| at.filled().map(str::to_owned));
            let description = object.string("description");
            let actual = object.need("actualValue").and_then(|at| templated(&at));
            let expected = object.need("expectedValue").and_then(|at| templated(&at));
            Some(TokenValidation { name: name?, description, actual: actual?, expected: expected? })
        })
    })
}
