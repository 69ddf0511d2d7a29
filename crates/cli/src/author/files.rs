//! What a destination of files would write: the rendered settings of its server, and the name of a file.
//!
//! Always: customer data is invented, the same each time; nothing is written.

use super::project::Project;
use destination::config::{
    Fault, FileNameContext, Segment, ServerTarget, Templated, check_option, file_name, part_name,
};
use destination::message::sample;
use model::Timestamp;
use serde_json::json;

/// 2026-01-01T00:00:00Z, the instant of cases that say none.
const NOW: Timestamp = Timestamp(1_767_225_600_000);

/// The settings and the name, line by line.
pub(crate) fn page(project: &Project) -> Result<String, String> {
    let told = |faults: Vec<Fault>| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let configs = project.folder.as_ref().ok_or("there is no destination")?.configs().map_err(told)?;
    let config = &configs.destination;
    let delivery = config.deliveries.first().ok_or("the destination has no destinationDelivery")?;
    let server = configs.servers.get(delivery.destination_server_id.as_str()).ok_or("the destination has no server")?;
    let ServerTarget::File(target) = &server.target else { return Err("the destination sends requests".to_owned()) };
    let mut state = 7u64;
    let mut numbers = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 32) as u32
    };
    let customer_data = sample::customer_data(config, &mut numbers);
    let context = pebble::Value::from(&json!({"customerData": customer_data}));
    let render = |name: &str, value: &Templated| {
        value.render(&context, &pebble::Limits::default()).map_err(|error| format!("{name}: {error}"))
    };
    let mut page = format!("customerData: {}\n", customer_data);
    for (name, value) in &target.fields {
        page.push_str(&format!("{name}: {}\n", render(name, value)?));
    }
    let files = &target.file_configurations;
    let option = |name: &str, value: &Option<Templated>, default: &str| {
        let text = value.as_ref().map_or(Ok(default.to_owned()), |value| render(name, value))?;
        check_option(name, &text).map_or(Ok(text), |why| Err(format!("{name}: {why}")))
    };
    let file_type = option("fileType", &files.file_type, "csv")?;
    let compression = option("compression", &files.compression, "none")?;
    page.push_str(&format!("fileType: {file_type}\ncompression: {compression}\n"));
    if let Some(batch) = &config.batch {
        let context = FileNameContext {
            destination: config.name.clone(),
            segment: Some(Segment { id: "sample-audience".to_owned(), name: "Sample audience".to_owned() }),
            instance_id: "sample-connection".to_owned(),
            instance_name: "Sample connection".to_owned(),
            organization: "author".to_owned(),
            sandbox: "prod".to_owned(),
            now: NOW,
            custom_text: Some("custom".to_owned()),
            merge_policy: None,
        };
        let appended = batch.filename.as_ref().map(|name| name.default_append.clone()).unwrap_or_default();
        let name = file_name(batch, &context, &appended).and_then(|name| part_name(&name, 1, &file_type));
        page.push_str(&format!("file: {}\n", name.map_err(|fault| fault.to_string())?));
    }
    Ok(page)
}
