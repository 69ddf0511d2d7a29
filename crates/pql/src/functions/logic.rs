//! Absence, choice and memberships (pql.md §11.4–§11.6).

mod if_else;
mod in_segment;
mod is_not_null;
mod is_null;

use super::Group;

pub(super) const GROUP: Group = Group {
    name: "logic",
    summary: "`and`, `or`, `not` are operators, not functions.",
    functions: &[is_null::FUNCTION, is_not_null::FUNCTION, if_else::FUNCTION, in_segment::FUNCTION],
};
