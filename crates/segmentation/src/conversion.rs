//! `POST /segment/conversion`: a definition with its expression in the other form.

use crate::definitions::read::check_schema;
use crate::error::Error;
use crate::expression::Expression;
use crate::fields::Fields;
use model::Caller;
use serde_json::Value as Json;

/// The body as it came, with the expression converted. Nothing is stored; names need not be free.
pub fn convert(caller: &Caller<'_>, body: &Json) -> Result<Json, Error> {
    let fields = Fields::of_body(body)?;
    fields.must_be("imsOrgId", caller.org)?;
    check_schema(&fields)?;
    fields.required_text("name")?;
    let mut answer = body.clone();
    answer["expression"] = Expression::read(&fields)?.converted()?;
    answer["imsOrgId"] = caller.org.into();
    Ok(answer)
}
