//! `Accept` decides the form of an answer (profile.md §3.2).

use crate::error::Error;

/// The form of a list of resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListForm {
    /// `$id`, `meta:altId`, `title`, `version`.
    Ids,
    /// Documents as written.
    Documents,
}

/// The form of one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form {
    /// References resolved into one tree of fields.
    pub(crate) full: bool,
    /// Titles and descriptions are shown.
    pub(crate) text: bool,
    /// The descriptors of the schema are shown.
    pub(crate) descriptors: bool,
    /// Fields deprecated by a descriptor are marked.
    pub(crate) deprecated: bool,
    /// `xdm` instead of `xed`: names in full, not those that data carries.
    pub(crate) full_names: bool,
}

/// As written, with everything.
pub(crate) const AS_WRITTEN: Form =
    Form { full: false, text: true, descriptors: false, deprecated: false, full_names: false };

/// The form of a list of descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DescriptorForm {
    /// What stands for each descriptor.
    pub(crate) item: DescriptorItem,
    /// `results` and `_page` instead of groups by `@type`.
    pub(crate) paged: bool,
}

/// What stands for a descriptor in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DescriptorItem {
    /// Its `@id`.
    Id,
    /// Its path.
    Link,
    /// The whole object.
    Object,
}

/// `application/vnd.adobe.NAME+json;version=V` → `NAME` and `V`.
fn parse(accept: &str) -> Option<(&str, Option<&str>)> {
    let mut parts = accept.split(';').map(str::trim);
    let name = parts.next()?.strip_prefix("application/vnd.adobe.")?.strip_suffix("+json")?;
    let version =
        parts.filter_map(|p| p.split_once('=')).find(|(key, _)| key.trim() == "version").map(|(_, v)| v.trim());
    Some((name, version))
}

/// The form of a list of resources; a version is refused there.
pub(crate) fn list_form(accept: &str) -> Result<ListForm, Error> {
    match parse(accept) {
        Some(("xed-id" | "xdm-id", None)) => Ok(ListForm::Ids),
        Some(("xed" | "xdm", None)) => Ok(ListForm::Documents),
        _ => Err(Error::accept("XDM-1006-400", accept, "application/vnd.adobe.'{xed|xdm'}+json")),
    }
}

/// The form of one resource and the version asked for; a version is needed.
pub(crate) fn form(accept: &str) -> Result<(Form, &str), Error> {
    let valid = "application/vnd.adobe.'{xed|xdm'}+json; version=1 (Version should be specified)";
    let refused = || Error::accept("XDM-1007-400", accept, valid);
    let (name, version) = parse(accept).ok_or_else(refused)?;
    let mut words = name.split('-');
    let mut form = match words.next() {
        Some("xed") => AS_WRITTEN,
        Some("xdm") => Form { full_names: true, ..AS_WRITTEN },
        _ => return Err(refused()),
    };
    for word in words {
        match word {
            "full" => form.full = true,
            "notext" => form.text = false,
            "desc" if form.full => form.descriptors = true,
            "deprecatefield" | "deprecated" => (form.full, form.deprecated) = (true, true),
            _ => return Err(refused()),
        }
    }
    Ok((form, version.ok_or_else(refused)?))
}

/// The form of a list of descriptors.
pub(crate) fn descriptor_list_form(accept: &str) -> Result<DescriptorForm, Error> {
    let (item, paged) = match parse(accept) {
        Some(("xdm-id", None)) => (DescriptorItem::Id, false),
        Some(("xdm-link", None)) => (DescriptorItem::Link, false),
        Some(("xdm", None)) => (DescriptorItem::Object, false),
        Some(("xdm-v2-id", None)) => (DescriptorItem::Id, true),
        Some(("xdm-v2-link", None)) => (DescriptorItem::Link, true),
        Some(("xdm-v2", None)) => (DescriptorItem::Object, true),
        _ => return Err(Error::accept("XDM-1008-400", accept, "application/vnd.adobe.xdm-id+json")),
    };
    Ok(DescriptorForm { item, paged })
}

/// One descriptor has one form.
pub(crate) fn descriptor_form(accept: &str) -> Result<(), Error> {
    match parse(accept) {
        Some(("xdm", None)) => Ok(()),
        _ => Err(Error::accept("XDM-1009-400", accept, "application/vnd.adobe.xdm+json")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_needed_for_one_and_refused_for_a_list() {
        assert_eq!(list_form("application/vnd.adobe.xed-id+json"), Ok(ListForm::Ids));
        assert_eq!(list_form("application/vnd.adobe.xed+json;version=1").expect_err("version").code, "XDM-1006-400");
        assert_eq!(form("application/vnd.adobe.xed+json").expect_err("no version").code, "XDM-1007-400");
        let (full, version) = form("application/vnd.adobe.xed-full-notext+json; version=1").expect("valid");
        assert!(full.full && !full.text && version == "1");
        assert_eq!(descriptor_list_form("application/json").expect_err("unknown").code, "XDM-1008-400");
    }
}
