//! `POST /segment/conversion`: a definition with its expression in the other form.

use crate::error::Error;
use crate::expression::Expression;
use crate::fields::Fields;
use crate::merge_policies::PROFILE_CLASS;
use model::Caller;
use serde_json::Value as Json;

/// The body as it came, with the expression converted. Nothing is stored; names need not be free.
pub fn convert(caller: &Caller<'_>, body: &Json) -> Result<Json, Error> {
    let fields = Fields::of_body(body)?;
    fields.must_be("imsOrgId", caller.org)?;
    match fields.required_object("schema", "schema.", &["name"])?.required_text("name")? {
        PROFILE_CLASS => {}
        other => {
            let rule = format!("must be `{PROFILE_CLASS}`, is `{other}`; other classes are not supported yet");
            return Err(Error::field("schema.name", rule));
        }
    }
    fields.required_text("name")?;
    let mut answer = body.clone();
    answer["expression"] = Expression::read(&fields)?.converted()?;
    answer["imsOrgId"] = caller.org.into();
    Ok(answer)
}
