//! The table of standard namespaces. Numbers are on disk within every identity, so rows are never changed.

use super::Namespace;
use model::{NamespaceId, SmolStr, Timestamp};

/// When the standard namespaces came to be, as the list shows it: 2018-01-01.
const STANDARD_SINCE: Timestamp = Timestamp(1_514_764_800_000);

/// One row of the table.
pub(super) struct Standard {
    pub(super) id: u32,
    pub(super) code: &'static str,
    name: &'static str,
    id_type: &'static str,
}

const fn standard(id: u32, code: &'static str, name: &'static str, id_type: &'static str) -> Standard {
    Standard { id, code, name, id_type }
}

/// Numbers that AEP does not publish are ours, and stay.
pub(super) const STANDARD: &[Standard] = &[
    standard(0, "CORE", "CORE", "COOKIE"),
    standard(4, "ECID", "ECID", "COOKIE"),
    standard(6, "Email", "Email", "EMAIL"),
    standard(7, "Phone", "Phone", "PHONE"),
    standard(8, "WAID", "Windows AID", "DEVICE"),
    standard(9, "TNTID", "TNTID", "COOKIE"),
    standard(10, "AAID", "Adobe Analytics (Legacy ID)", "COOKIE"),
    standard(11, "Email_LC_SHA256", "Emails (SHA256, lowercased)", "EMAIL"),
    standard(12, "Phone_SHA256", "Phone (SHA256)", "PHONE"),
    standard(13, "Phone_SHA256_E.164", "Phone (SHA256_E.164)", "PHONE"),
    standard(14, "Phone_E.164", "Phone (E.164)", "PHONE"),
    standard(411, "AdCloud", "AdCloud", "COOKIE"),
    standard(20914, "GAID", "Google Ad ID (GAID)", "DEVICE"),
    standard(20915, "IDFA", "Apple IDFA (ID for Apple)", "DEVICE"),
    standard(20919, "APNS", "Apple Push Notification service", "DEVICE"),
    standard(20920, "FCM", "Firebase Cloud Messaging", "DEVICE"),
];

impl Standard {
    pub(super) fn namespace(&self) -> Namespace {
        Namespace {
            id: NamespaceId(self.id),
            code: SmolStr::new_static(self.code),
            name: SmolStr::new_static(self.name),
            description: SmolStr::new_static(self.name),
            id_type: SmolStr::new_static(self.id_type),
            custom: false,
            created: STANDARD_SINCE,
            updated: STANDARD_SINCE,
        }
    }
}
