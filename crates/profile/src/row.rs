//! The profile row: everything about one person but the events.
//!
//! Fragments, identities and links keep their own evidence, so that a graph can be split again
//! (design, §11.3). Written whole; a format byte comes first.

use crate::fragment::Fragment;
use crate::memberships::Memberships;
use crate::record::{Record, put_identity, read_identity};
use model::codec::{self, DecodeError, Reader};
use model::{AudienceNo, DatasetNo, Identity, Membership, ProfileId, Status, Timestamp, Xid};

/// Identities per profile (profile.md §5.4).
pub const IDENTITIES_MAX: usize = 50;

const PROFILE_WITHOUT_DUES: u8 = 4;
const FORWARD: u8 = 2;
const PROFILE: u8 = 5;

/// What stands under a profile key.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a row is nearly always a profile, and is taken apart at once")]
pub enum Row {
    /// A profile.
    Profile(Profile),
    /// The profile was merged into another.
    Forward(ProfileId),
}

/// An identity of a profile and when it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownIdentity {
    /// The identity.
    pub identity: Identity,
    /// First seen.
    pub first: Timestamp,
    /// Last seen: event time for events, ingest time for attributes.
    pub last: Timestamp,
}

/// Evidence that two identities are one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The smaller identity.
    pub a: Identity,
    /// The greater identity.
    pub b: Identity,
    /// First seen.
    pub first: Timestamp,
    /// Last seen.
    pub last: Timestamp,
    /// The data sets that said so, sorted.
    pub datasets: Vec<DatasetNo>,
}

/// One person.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Profile {
    /// When the profile was first written.
    pub created: Timestamp,
    /// When it was last written.
    pub modified: Timestamp,
    /// Identities, oldest first.
    pub identities: Vec<KnownIdentity>,
    /// Links, sorted by (a, b).
    pub links: Vec<Link>,
    /// Attribute fragments, sorted by (data set, identity).
    pub fragments: Vec<Fragment>,
    /// Memberships by audience.
    pub memberships: Memberships,
    /// How many events are stored.
    pub events: u64,
    /// The plan that last looked at this profile.
    pub plan_n: u64,
    /// The timer that is set.
    pub timer: Option<Timestamp>,
    /// When time can turn an audience in a way that events do not tell, sorted by audience. Kept, so that the same log
    /// gives the same timers whatever was in memory. `None` in rows that were written before these were kept.
    pub dues: Option<Vec<(AudienceNo, Timestamp)>>,
    /// Profiles that were merged into this one.
    pub lineage: Vec<ProfileId>,
    /// Profiles announced as merged whose state has not arrived.
    pub awaiting: Vec<ProfileId>,
}

impl Profile {
    /// Takes in the identities and links of a record. True when an identity is new.
    /// Where the primary identity takes no part in graphs, it stands for itself alone.
    pub fn observe(&mut self, record: &Record) -> bool {
        let seen = record.timestamp;
        let alone = record.identities.iter().any(|i| i.primary && !i.in_graph);
        let mut gained = false;
        for identity in record.identities.iter().filter(|i| i.primary || (i.in_graph && !alone)) {
            match self.identities.iter_mut().find(|k| k.identity == identity.identity) {
                Some(known) => {
                    known.first = known.first.min(seen);
                    known.last = known.last.max(seen);
                }
                None => {
                    gained = true;
                    self.identities.push(KnownIdentity {
                        identity: identity.identity.clone(),
                        first: seen,
                        last: seen,
                    });
                }
            }
        }
        let linked: Vec<&Identity> =
            record.identities.iter().filter(|i| i.in_graph && !alone).map(|i| &i.identity).collect();
        for (i, a) in linked.iter().enumerate() {
            for b in &linked[i + 1..] {
                self.link(a, b, seen, record.dataset);
            }
        }
        gained
    }

    fn link(&mut self, a: &Identity, b: &Identity, seen: Timestamp, dataset: DatasetNo) {
        let (a, b) = if a <= b { (a, b) } else { (b, a) };
        if a == b {
            return;
        }
        match self.links.binary_search_by(|l| (&l.a, &l.b).cmp(&(a, b))) {
            Ok(i) => {
                let link = &mut self.links[i];
                link.first = link.first.min(seen);
                link.last = link.last.max(seen);
                if let Err(at) = link.datasets.binary_search(&dataset) {
                    link.datasets.insert(at, dataset);
                }
            }
            Err(i) => {
                let link = Link { a: a.clone(), b: b.clone(), first: seen, last: seen, datasets: vec![dataset] };
                self.links.insert(i, link);
            }
        }
    }

    /// Drops an identity and its links.
    pub fn drop_identity(&mut self, identity: &Identity) {
        self.identities.retain(|k| k.identity != *identity);
        self.links.retain(|l| l.a != *identity && l.b != *identity);
    }

    /// Writes a fragment; an older write than the stored one is ignored (late forwarded records).
    /// False when it was ignored.
    pub fn write_fragment(&mut self, fragment: Fragment) -> bool {
        let at =
            self.fragments.binary_search_by(|f| (f.dataset, &f.identity).cmp(&(fragment.dataset, &fragment.identity)));
        match at {
            Ok(i) if self.fragments[i].written > fragment.written => return false,
            Ok(i) => self.fragments[i] = fragment,
            Err(i) => self.fragments.insert(i, fragment),
        }
        true
    }

    /// Takes in the state of a profile that turned out to be this one. True when an identity is new.
    /// Memberships: a member on either side is a member since the earlier entry (design, §11.3).
    pub fn absorb(&mut self, other: Profile, id: ProfileId) -> bool {
        let mut gained = false;
        for known in other.identities {
            match self.identities.iter_mut().find(|k| k.identity == known.identity) {
                Some(mine) => {
                    mine.first = mine.first.min(known.first);
                    mine.last = mine.last.max(known.last);
                }
                None => {
                    gained = true;
                    self.identities.push(known);
                }
            }
        }
        for link in other.links {
            for dataset in &link.datasets {
                self.link(&link.a, &link.b, link.first, *dataset);
                self.link(&link.a, &link.b, link.last, *dataset);
            }
        }
        for fragment in other.fragments {
            self.write_fragment(fragment);
        }
        for (audience, membership) in other.memberships.iter() {
            self.absorb_membership(audience, membership);
        }
        // A side that was never written (deleted before the merge) has seen no plan and missed none.
        match (self.created.0, other.created.0) {
            (0, _) => (self.created, self.plan_n) = (other.created, other.plan_n),
            (_, 0) => {}
            _ => self.plan_n = self.plan_n.min(other.plan_n),
        }
        if !self.lineage.contains(&id) {
            self.lineage.push(id);
        }
        for earlier in other.lineage {
            if !self.lineage.contains(&earlier) {
                self.lineage.push(earlier);
            }
        }
        gained
    }

    fn absorb_membership(&mut self, audience: AudienceNo, theirs: Membership) {
        let united = match self.memberships.get(audience).map(|mine| (mine, mine.status, theirs.status)) {
            None | Some((_, Status::Exited, Status::Realized)) => theirs,
            Some((mine, Status::Realized, Status::Exited)) => mine,
            Some((mine, status @ Status::Realized, _)) => Membership { status, since: mine.since.min(theirs.since) },
            Some((mine, status @ Status::Exited, _)) => Membership { status, since: mine.since.max(theirs.since) },
        };
        self.memberships.set(audience, united);
    }

    /// The membership in an audience.
    pub fn membership(&self, audience: AudienceNo) -> Option<Membership> {
        self.memberships.get(audience)
    }

    /// The audiences that it is a member of, in order.
    pub fn realized(&self) -> Vec<AudienceNo> {
        self.memberships.iter().filter(|(_, m)| m.status == Status::Realized).map(|(no, _)| no).collect()
    }

    /// True while a member.
    pub fn is_member(&self, audience: AudienceNo) -> bool {
        self.membership(audience).is_some_and(|m| m.status == Status::Realized)
    }

    /// Notes when time can turn an audience.
    pub fn set_due(&mut self, audience: AudienceNo, due: Option<Timestamp>) {
        let dues = self.dues.get_or_insert_default();
        match (dues.binary_search_by_key(&audience, |(no, _)| *no), due) {
            (Ok(at), Some(due)) => dues[at].1 = due,
            (Ok(at), None) => drop(dues.remove(at)),
            (Err(at), Some(due)) => dues.insert(at, (audience, due)),
            (Err(_), None) => {}
        }
    }

    /// About how many bytes its row takes: one that holds thousands of memberships would grow many times.
    pub fn row_room(&self) -> usize {
        256 + self.fragments.len() * 256 + self.memberships.encoded_max()
    }

    /// Appends its row, as [`Row::encode`] makes it.
    pub fn encode_row(&self, out: &mut Vec<u8>) {
        out.push(if self.dues.is_some() { PROFILE } else { PROFILE_WITHOUT_DUES });
        encode_profile(self, out);
    }

    /// Sets a membership.
    pub fn set_membership(&mut self, audience: AudienceNo, membership: Membership) {
        self.memberships.set(audience, membership);
    }
}

impl Row {
    /// The row's bytes.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Row::Forward(to) => [&[FORWARD], &to.0[..]].concat(),
            Row::Profile(profile) => {
                let mut out = Vec::with_capacity(profile.row_room());
                profile.encode_row(&mut out);
                out
            }
        }
    }

    /// Reads a row.
    pub fn decode(row: &[u8]) -> codec::Result<Row> {
        let mut reader = Reader::new(row);
        match reader.u8()? {
            PROFILE => decode_profile(&mut reader, true).map(Row::Profile),
            PROFILE_WITHOUT_DUES => decode_profile(&mut reader, false).map(Row::Profile),
            FORWARD => Ok(Row::Forward(Xid(reader.array16()?))),
            _ => Err(DecodeError("unknown version of a profile row")),
        }
    }
}

fn put_ids(out: &mut Vec<u8>, ids: &[ProfileId]) {
    codec::put_u64(out, ids.len() as u64);
    for id in ids {
        out.extend_from_slice(&id.0);
    }
}

fn read_ids(reader: &mut Reader<'_>) -> codec::Result<Vec<ProfileId>> {
    (0..reader.len()?).map(|_| reader.array16().map(Xid)).collect()
}

/// The number of an identity in the row's own list, or `None` for one that was dropped.
fn identity_number(profile: &Profile, identity: &Identity) -> Option<u64> {
    profile.identities.iter().position(|k| k.identity == *identity).map(|i| i as u64)
}

fn encode_profile(profile: &Profile, out: &mut Vec<u8>) {
    codec::put_i64(out, profile.created.0);
    codec::put_i64(out, profile.modified.0);
    codec::put_u64(out, profile.identities.len() as u64);
    for known in &profile.identities {
        put_identity(out, &known.identity);
        codec::put_i64(out, known.first.0);
        codec::put_i64(out, known.last.0 - known.first.0);
    }
    // Both ends of a link are identities of the profile: `drop_identity` keeps that true.
    codec::put_u64(out, profile.links.len() as u64);
    for link in &profile.links {
        codec::put_u64(out, identity_number(profile, &link.a).unwrap_or(u64::MAX));
        codec::put_u64(out, identity_number(profile, &link.b).unwrap_or(u64::MAX));
        codec::put_i64(out, link.first.0);
        codec::put_i64(out, link.last.0 - link.first.0);
        codec::put_u64(out, link.datasets.len() as u64);
        for dataset in &link.datasets {
            codec::put_u64(out, u64::from(dataset.0));
        }
    }
    codec::put_u64(out, profile.fragments.len() as u64);
    for fragment in &profile.fragments {
        fragment.encode(out);
    }
    profile.memberships.encode(out);
    codec::put_u64(out, profile.events);
    codec::put_u64(out, profile.plan_n);
    codec::put_i64(out, profile.timer.map_or(0, |t| t.0));
    put_ids(out, &profile.lineage);
    put_ids(out, &profile.awaiting);
    let Some(dues) = &profile.dues else { return };
    codec::put_u64(out, dues.len() as u64);
    for (audience, due) in dues {
        codec::put_u64(out, u64::from(audience.0));
        codec::put_i64(out, due.0);
    }
}

fn read_due(reader: &mut Reader<'_>) -> codec::Result<(AudienceNo, Timestamp)> {
    let audience = u32::try_from(reader.u64()?).map_err(|_| DecodeError("audience number out of range"))?;
    Ok((AudienceNo(audience), Timestamp(reader.i64()?)))
}

fn decode_profile(reader: &mut Reader<'_>, with_dues: bool) -> codec::Result<Profile> {
    let mut profile =
        Profile { created: Timestamp(reader.i64()?), modified: Timestamp(reader.i64()?), ..Profile::default() };
    for _ in 0..reader.len()? {
        let identity = read_identity(reader)?;
        let first = reader.i64()?;
        let last = first.wrapping_add(reader.i64()?);
        profile.identities.push(KnownIdentity { identity, first: Timestamp(first), last: Timestamp(last) });
    }
    for _ in 0..reader.len()? {
        let link = decode_link(reader, &profile.identities)?;
        profile.links.push(link);
    }
    for _ in 0..reader.len()? {
        profile.fragments.push(Fragment::decode(reader)?);
    }
    profile.memberships = Memberships::decode(reader)?;
    profile.events = reader.u64()?;
    profile.plan_n = reader.u64()?;
    profile.timer = Some(reader.i64()?).filter(|t| *t != 0).map(Timestamp);
    profile.lineage = read_ids(reader)?;
    profile.awaiting = read_ids(reader)?;
    if with_dues {
        profile.dues = Some((0..reader.len()?).map(|_| read_due(reader)).collect::<codec::Result<_>>()?);
    }
    Ok(profile)
}

fn decode_link(reader: &mut Reader<'_>, identities: &[KnownIdentity]) -> codec::Result<Link> {
    let mut end = || -> codec::Result<Identity> {
        let number = reader.u64()?;
        let known = usize::try_from(number).ok().and_then(|n| identities.get(n));
        known.map(|k| k.identity.clone()).ok_or(DecodeError("link to an unknown identity"))
    };
    let (a, b) = (end()?, end()?);
    let first = reader.i64()?;
    let last = first.wrapping_add(reader.i64()?);
    let datasets = (0..reader.len()?).map(|_| reader.u32().map(DatasetNo)).collect::<codec::Result<_>>()?;
    Ok(Link { a, b, first: Timestamp(first), last: Timestamp(last), datasets })
}
