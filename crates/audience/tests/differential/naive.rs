//! The reference: every rule over the whole history, every time.

use audience::{Audiences, EXITED_KEPT_MS};
use model::{AudienceNo, Status, Timestamp, Value};
use pql::EventView;
use std::collections::BTreeMap;

#[derive(Clone, Default)]
pub(crate) struct Naive {
    memberships: BTreeMap<AudienceNo, (Status, Timestamp)>,
}

impl Naive {
    pub(crate) fn evaluate(&mut self, audiences: &Audiences, attributes: &Value, events: &[EventView], now: Timestamp) {
        self.memberships.retain(|no, (status, since)| {
            let old = *status == Status::Exited && since.0 + EXITED_KEPT_MS <= now.0;
            !old && audiences.by_no(*no).is_some()
        });
        for audience in audiences.iter() {
            let is_member = |id: &str| audiences.by_id(id).is_some_and(|a| self.status(a.no) == Some(Status::Realized));
            let world = pql::World { profile: attributes, events, is_member: &is_member, now };
            let opted_out = attributes.at("optOutConsentLevel.privacyOptOuts").as_array().is_some();
            let holds = audience.query.eval_bool(&world).holds && !(audience.exclude_opt_out && opted_out);
            match (self.status(audience.no), holds) {
                (None | Some(Status::Exited), true) => {
                    self.memberships.insert(audience.no, (Status::Realized, now));
                }
                (Some(Status::Realized), false) => {
                    self.memberships.insert(audience.no, (Status::Exited, now));
                }
                _ => {}
            }
        }
    }

    pub(crate) fn status(&self, no: AudienceNo) -> Option<Status> {
        self.membership(no).map(|(status, _)| status)
    }

    pub(crate) fn membership(&self, no: AudienceNo) -> Option<(Status, Timestamp)> {
        self.memberships.get(&no).copied()
    }
}
