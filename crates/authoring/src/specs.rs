//! The connection spec and the flow spec of an authored destination.
//!
//! What customers enter is a JSON Schema here: the account by the destination's ways to authenticate, the
//! target by its customer data fields. The target schema is shown as `partnerSchema.jsonSchema`.

use crate::catalog::Origin;
use destination::config::{
    AuthenticationDataField, Choices, CustomerAuthentication, CustomerDataField, DataKind, DestinationConfig, Grant,
    ServerConfig, ValueSource,
};
use serde_json::{Map, Value as Json, json};

const DRAFT: &str = "http://json-schema.org/draft-07/schema#";

/// The connection spec.
pub(crate) fn connection_spec(
    id: &str,
    destination_id: &str,
    origin: Origin,
    config: &DestinationConfig,
    server: &ServerConfig,
) -> Json {
    let ui = &config.json["uiAttributes"];
    let mut attributes = json!({
        "category": ui["category"],
        "connectorName": config.name,
        "isSource": false,
        "documentationLink": ui["documentationLink"],
        "destinationId": destination_id,
        "origin": match origin {
            Origin::BuiltIn => "builtIn",
            Origin::Private => "private",
            Origin::Public => "public",
        },
    });
    drop_nulls(&mut attributes);
    let mut spec = json!({
        "id": id,
        "name": config.name,
        "providerId": flows::PROVIDER,
        "version": "1.0",
        "type": kind(server),
        "attributes": attributes,
    });
    let authentications = auth_specs(config);
    if !authentications.is_empty() {
        spec["authSpec"] = Json::Array(authentications);
    }
    spec["targetSpec"] = target_spec(config, server);
    spec
}

/// The flow spec, which joins the profile store with the connection spec.
pub(crate) fn flow_spec(id: &str, connection_spec_id: &str, config: &DestinationConfig, server: &ServerConfig) -> Json {
    let switch = || json!({ "type": "boolean", "default": true });
    json!({
        "id": id,
        "name": format!("{} activation", config.name),
        "providerId": flows::PROVIDER,
        "version": "1.0",
        "type": kind(server),
        "attributes": {
            "isSourceFlow": false,
            "frequency": if server.is_file() { "batch" } else { "streaming" },
            "_workflow": ["AUDIENCES"],
        },
        "sourceConnectionSpecIds": [flows::PROFILE_STORE],
        "targetConnectionSpecIds": [connection_spec_id],
        "transformationSpecs": [{ "name": "GeneralTransform", "spec": {
            "$schema": DRAFT,
            "type": "object",
            "properties": {
                "segmentSelectors": { "type": "object", "properties": { "selectors": { "type": "array" } },
                    "description": "Mapped audiences; value.mappingId where customers enter the mapping id." },
                "profileSelectors": { "type": "object", "properties": { "selectors": { "type": "array" } },
                    "description": "The mapping of attributes and identities onto the target schema." },
                "activationTriggers": {
                    "type": "object",
                    "description": "Which kinds of change export a profile.",
                    "properties": {
                        "attributeChanges": switch(),
                        "segmentationChanges": switch(),
                        "externalSegmentationChanges": switch(),
                        "identityChanges": switch(),
                    },
                    "additionalProperties": false,
                },
            },
        }}],
    })
}

/// The name under which an account says how it authenticates (`auth.specName`).
pub fn auth_name(authentication: &CustomerAuthentication) -> &'static str {
    match authentication {
        CustomerAuthentication::Basic => "Basic authentication",
        CustomerAuthentication::Bearer => "Bearer token",
        CustomerAuthentication::OAuth2(oauth) => match oauth.grant {
            Grant::AuthorizationCode => "OAuth2 Authorization Code",
            Grant::Password => "OAuth2 Password",
            Grant::ClientCredentials => "OAuth2 Client Credentials",
        },
        CustomerAuthentication::S3 => "Access Key",
        CustomerAuthentication::AzureConnectionString => "ConnectionString",
        CustomerAuthentication::AzureServicePrincipal => "Azure Service Principal Auth",
        CustomerAuthentication::SftpWithPassword => "SFTP with Password",
        CustomerAuthentication::SftpWithSshKey => "SFTP with SSH Key",
        CustomerAuthentication::GoogleCloudStorage => "Google Cloud Storage",
    }
}

fn kind(server: &ServerConfig) -> &'static str {
    if server.is_file() { "UserNamespace" } else { "ProfileExport" }
}

/// One for each way to authenticate; of two with the same name the first is served.
fn auth_specs(config: &DestinationConfig) -> Vec<Json> {
    let mut specs: Vec<Json> = Vec::new();
    for authentication in &config.customer_authentications {
        let name = auth_name(authentication);
        if specs.iter().any(|spec| spec["name"] == name) {
            continue;
        }
        let mut schema = Schema::default();
        enter(authentication, &mut schema);
        let kind = match authentication {
            CustomerAuthentication::OAuth2(oauth) => match oauth.grant {
                Grant::AuthorizationCode => "OAuth2AuthorizationCode",
                Grant::Password => "OAuth2Password",
                Grant::ClientCredentials => "OAuth2ClientCredentials",
            },
            other => other.auth_type(),
        };
        specs.push(json!({ "name": name, "type": kind, "spec": schema.json() }));
    }
    specs
}

/// A JSON Schema of an object under way.
#[derive(Default)]
struct Schema {
    properties: Map<String, Json>,
    required: Vec<String>,
}

impl Schema {
    fn text(&mut self, name: &str) {
        self.put(name, json!({ "type": "string", "minLength": 1 }), true);
    }

    fn secret(&mut self, name: &str) {
        self.put(name, json!({ "type": "string", "format": "password", "minLength": 1 }), true);
    }

    fn put(&mut self, name: &str, rule: Json, required: bool) {
        self.properties.insert(name.to_owned(), rule);
        self.required.retain(|known| known != name);
        if required {
            self.required.push(name.to_owned());
        }
    }

    fn json(self) -> Json {
        let mut out = json!({ "$schema": DRAFT, "type": "object", "properties": self.properties });
        if !self.required.is_empty() {
            out["required"] = json!(self.required);
        }
        out["additionalProperties"] = json!(false);
        out
    }
}

/// What a customer enters for a way to authenticate.
fn enter(authentication: &CustomerAuthentication, schema: &mut Schema) {
    let texts: (&[&str], &[&str]) = match authentication {
        CustomerAuthentication::Basic => (&["username"], &["password"]),
        CustomerAuthentication::Bearer => (&[], &["token"]),
        CustomerAuthentication::OAuth2(oauth) => {
            if oauth.grant == Grant::Password {
                schema.text("username");
                schema.secret("password");
            }
            let entered = oauth.data_fields.iter().filter(|field| field.source == ValueSource::Customer);
            for field in entered.filter(|field| field.value.is_none() && field.response_path.is_none()) {
                schema.put(&field.name, data_field(field), field.is_required && field.default.is_none());
            }
            (&[], &[])
        }
        CustomerAuthentication::S3 => (&["s3AccessKey"], &["s3SecretKey"]),
        CustomerAuthentication::AzureConnectionString => (&[], &["connectionString"]),
        CustomerAuthentication::AzureServicePrincipal => {
            (&["url", "tenant", "servicePrincipalId"], &["servicePrincipalKey"])
        }
        CustomerAuthentication::SftpWithPassword => (&["domain", "username"], &["password"]),
        CustomerAuthentication::SftpWithSshKey => (&["domain", "username"], &["sshKey"]),
        CustomerAuthentication::GoogleCloudStorage => (&["accessId"], &["secretKey"]),
    };
    texts.0.iter().for_each(|name| schema.text(name));
    texts.1.iter().for_each(|name| schema.secret(name));
    if matches!(authentication, CustomerAuthentication::SftpWithPassword | CustomerAuthentication::SftpWithSshKey) {
        let port = json!({ "type": "integer", "minimum": 1, "maximum": 65_535, "default": 22 });
        schema.put("port", port, false);
    }
}

fn data_field(field: &AuthenticationDataField) -> Json {
    let mut rule = json!({ "type": match field.kind {
        DataKind::String => "string",
        DataKind::Boolean => "boolean",
        DataKind::Integer => "integer",
    }});
    let mut put = |name: &str, value: Json| rule[name] = value;
    if let Some(title) = &field.title {
        put("title", json!(title));
    }
    if let Some(description) = &field.description {
        put("description", json!(description));
    }
    if field.secret {
        put("format", json!("password"));
    }
    if let Some(pattern) = &field.pattern {
        put("pattern", json!(pattern.source));
    }
    if !field.choices.is_empty() {
        put("enum", json!(field.choices));
    }
    if let Some(default) = &field.default {
        put("default", default.clone());
    }
    if field.kind == DataKind::String && field.is_required {
        put("minLength", json!(1));
    }
    rule
}

fn target_spec(config: &DestinationConfig, server: &ServerConfig) -> Json {
    let mut schema = fields_schema(&config.customer_data_fields);
    if let (Some(properties), Json::Object(ours)) = (schema["properties"].as_object_mut(), flows::delivery_properties())
    {
        properties.extend(ours);
    }
    schema["$schema"] = json!(DRAFT);
    let ui = &config.json["uiAttributes"];
    let mut shown = json!({
        "isDestination": true,
        "category": ui["category"],
        "label": config.name,
        "description": config.description,
        "documentationLink": ui["documentationLink"],
        "connectionType": ui["connectionType"],
        "frequency": ui["frequency"],
        "icon": ui["icon"],
        "iconUrl": ui["iconUrl"],
        "isBeta": ui["isBeta"],
    });
    drop_nulls(&mut shown);
    json!({
        "name": if server.is_file() { "User based target" } else { "Streaming target" },
        "type": kind(server),
        "spec": schema,
        "attributes": { "uiAttributes": shown, "partnerSchema": { "jsonSchema": partner_schema(config) } },
    })
}

/// The JSON Schema of a group of fields.
fn fields_schema(fields: &[CustomerDataField]) -> Json {
    let mut schema = Schema::default();
    for field in fields {
        schema.put(&field.name, field_schema(field), must_be_given(field));
    }
    let mut out = schema.json();
    if let Json::Object(members) = &mut out {
        members.shift_remove("$schema");
    }
    out
}

/// A field that does not apply, or that fills itself in, need not be given; a group must for the sake of its fields.
fn must_be_given(field: &CustomerDataField) -> bool {
    let asked = field.is_required && field.default.is_none();
    field.conditional.is_none() && (asked || field.properties().iter().any(must_be_given))
}

fn field_schema(field: &CustomerDataField) -> Json {
    let mut rule = match field.properties() {
        [] => json!({ "type": field.kind.spelling() }),
        inner => fields_schema(inner),
    };
    let mut put = |name: &str, value: Json| rule[name] = value;
    if let Some(title) = &field.title {
        put("title", json!(title));
    }
    if let Some(description) = &field.description {
        put("description", json!(description));
    }
    if let Some(pattern) = &field.pattern {
        put("pattern", json!(pattern.source));
    }
    match &field.choices {
        Choices::Any => {}
        Choices::Plain(values) => put("enum", json!(values)),
        Choices::Named(values) => {
            put("enum", values.iter().map(|(_, value)| value.clone()).collect());
            put("namedEnum", values.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect());
        }
        Choices::Dynamic(lookup) => {
            put(
                "dynamicEnum",
                json!({ "queryParams": lookup.query_params.iter().map(|name| name.as_str()).collect::<Vec<_>>() }),
            );
        }
    }
    if let Some(default) = &field.default {
        put("default", default.clone());
    }
    if field.secret {
        put("format", json!("password"));
    }
    for (name, on) in [("readOnly", field.read_only), ("hidden", field.hidden), ("unique", field.unique)] {
        if on {
            put(name, json!(true));
        }
    }
    if let Some(condition) = &field.conditional {
        put(
            "conditional",
            json!({ "field": condition.field.as_str(), "operator": "EQUALS", "value": condition.value }),
        );
    }
    rule
}

/// The target schema: attributes, identities, memberships.
fn partner_schema(config: &DestinationConfig) -> Json {
    let schema = &config.schema;
    let value = || json!({ "type": "object", "properties": { "value": { "type": "string" } } });
    let fixed: Map<String, Json> =
        schema.profile_fields.iter().map(|field| (field.name.to_string(), field_schema(field))).collect();
    let mut attributes = json!({ "type": "object", "properties": fixed });
    let free = schema.profile_required || schema.use_customer_schema_for_attribute_mapping;
    attributes["additionalProperties"] = if free || schema.dynamic_schema.is_some() { value() } else { json!(false) };
    let identities: Map<String, Json> = config
        .identity_namespaces
        .iter()
        .map(|(name, _)| {
            let items = json!({ "type": "object", "properties": { "id": { "type": "string" } } });
            (name.to_string(), json!({ "type": "array", "items": items }))
        })
        .collect();
    json!({
        "$schema": DRAFT,
        "type": "object",
        "properties": {
            "attributes": attributes,
            "identityMap": { "type": "object", "properties": identities, "additionalProperties": false },
            "segmentMembership": {
                "type": "object",
                "additionalProperties": {
                    "type": "object",
                    "additionalProperties": {
                        "type": "object",
                        "properties": {
                            "lastQualificationTime": { "type": "string", "format": "date-time" },
                            "status": { "type": "string", "enum": ["realized", "exited"] },
                        },
                    },
                },
            },
        },
    })
}

fn drop_nulls(value: &mut Json) {
    if let Json::Object(fields) = value {
        fields.retain(|_, value| !value.is_null());
    }
}
