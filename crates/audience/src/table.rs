//! All audiences of a sandbox, taken apart and indexed by what they read.
//!
//! Made once per change of the audiences. Equal series and equal atoms of different audiences are one. The indexes lead
//! from an event type, an attribute path or a membership to exactly the audiences that a change of it can turn.

use crate::Audience;
use crate::program::Program;
use crate::state::type_of;
use model::{AudienceNo, SmolStr, Timestamp, Value};
use pql::incremental::{Atom, AtomKind, Keep, Pair, Readers, SeriesSpec};
use pql::{EventView, World};
use rustc_hash::FxHashMap as HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// All audiences of a sandbox, in evaluation order. Cheap to clone.
#[derive(Clone, Default)]
pub struct Audiences {
    table: Arc<Table>,
}

/// Where an opt-out stands (profile.md §4.3).
pub const OPT_OUT: &str = "optOutConsentLevel.privacyOptOuts";
/// Fields that the service adds to the attributes of a profile.
const MEMBERSHIP_FIELD: &str = "segmentMembership";
const IDENTITY_FIELD: &str = "identityMap";

#[derive(Default)]
pub(crate) struct Table {
    /// Tells tables apart; what is kept of a profile belongs to one of them.
    pub(crate) id: u64,
    pub(crate) ordered: Vec<Arc<Audience>>,
    /// By audience.
    pub(crate) facts: Vec<Facts>,
    by_id: HashMap<SmolStr, usize>,
    by_no: HashMap<AudienceNo, usize>,
    pub(crate) series: Vec<SeriesSpec>,
    pub(crate) keep: Vec<Keep>,
    /// The most variables that a series needs.
    pub(crate) slots: usize,
    pub(crate) atoms: Vec<KnownAtom>,
    /// Atoms that series decide, and those of them that hold while no event counts.
    pub(crate) of_series: Bits,
    pub(crate) without: Bits,
    /// Atoms that attributes alone decide, so that an answer stands until they change. None where merge policies give
    /// a profile several views.
    pub(crate) of_attributes: Bits,
    /// By audience.
    pub(crate) rules: Program,
    /// By atom: the audiences whose rules name it.
    pub(crate) named_by: Lists,
    /// By series: the atoms that read it.
    pub(crate) readers: Vec<Readers>,
    /// By series: the audiences with expressions over it.
    pub(crate) feeds: Vec<Vec<u32>>,
    series_of_type: HashMap<SmolStr, Offers>,
    series_of_any: Offers,
    /// Audiences that look at whole events, by the type they look for.
    whole_of_type: HashMap<SmolStr, Vec<u32>>,
    whole_of_any: Vec<u32>,
    /// By merge policy: attribute paths with the audiences that read them.
    pub(crate) paths: Vec<Vec<(SmolStr, Vec<u32>)>>,
    /// By audience: those that ask for its membership.
    pub(crate) dependents: Vec<Vec<u32>>,
    /// Those that read memberships as a field.
    pub(crate) of_membership_field: Vec<u32>,
    /// Those that read identities as a field.
    pub(crate) of_identity_field: Vec<u32>,
    /// Those that hold for a profile of which nothing is known, or that time can turn.
    pub(crate) of_nothing: Vec<u32>,
    /// Those with expressions that time can turn.
    pub(crate) timed: Vec<u32>,
    /// By the position of the last change, latest first.
    by_change: Vec<(u64, u32)>,
}

/// Series that an event may belong to.
#[derive(Default)]
struct Offers {
    every: Vec<u32>,
    /// Those that ask for a text in a field, by the path of the field and the text.
    by_text: Vec<(Box<[SmolStr]>, SeriesByText)>,
}

type SeriesByText = HashMap<SmolStr, Vec<u32>>;

impl Offers {
    fn add(&mut self, number: u32, spec: &SeriesSpec) {
        let Some((path, text)) = spec.text() else { return self.every.push(number) };
        let at = self.by_text.iter().position(|(known, _)| **known == *path).unwrap_or_else(|| {
            self.by_text.push((path.into(), HashMap::default()));
            self.by_text.len() - 1
        });
        self.by_text[at].1.entry(text.clone()).or_default().push(number);
    }

    /// Names the series that the texts of an event do not rule out, each once.
    fn of(&self, body: &Value, name: &mut dyn FnMut(u32)) {
        self.every.iter().for_each(|number| name(*number));
        for (path, by_text) in &self.by_text {
            // A series asks for one text, so a text that an array holds again names nothing new.
            let mut seen: Vec<&str> = Vec::new();
            each_text(body, path, false, &mut |text, in_array| {
                if let Some(series) = by_text.get(text).filter(|_| !seen.contains(&text)) {
                    series.iter().for_each(|number| name(*number));
                    seen.extend(in_array.then_some(text));
                }
            });
        }
    }
}

/// Finds the texts along a path, looking into arrays as queries do.
fn each_text<'v>(value: &'v Value, path: &[SmolStr], in_array: bool, on: &mut dyn FnMut(&'v str, bool)) {
    if let Some(items) = value.as_array() {
        return items.iter().for_each(|item| each_text(item, path, true, on));
    }
    match path {
        [] => value.as_str().into_iter().for_each(|text| on(text, in_array)),
        [name, rest @ ..] => each_text(value.get(name), rest, in_array, on),
    }
}

/// What an evaluation asks of an audience beside its rule.
#[derive(Clone, Copy)]
pub(crate) struct Facts {
    pub(crate) no: AudienceNo,
    pub(crate) policy: u32,
    pub(crate) exclude_opt_out: bool,
    /// Whether the rule is the contrary of `atom`.
    pub(crate) negated: bool,
    /// The atom that is the whole rule, if series decide it, or `NONE`.
    pub(crate) atom: u32,
}

/// No atom.
pub(crate) const NONE: u32 = u32::MAX;

/// Many lists of numbers, one after the other.
#[derive(Default)]
pub(crate) struct Lists {
    all: Vec<u32>,
    /// Where each ends.
    ends: Vec<u32>,
}

impl Lists {
    fn push(&mut self, list: &[u32]) {
        self.all.extend_from_slice(list);
        self.ends.push(self.all.len() as u32);
    }

    pub(crate) fn of(&self, number: usize) -> &[u32] {
        let from = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.all[from as usize..self.ends[number] as usize]
    }
}

/// What is found again while a table is made.
#[derive(Default)]
struct Found {
    series: HashMap<String, u32>,
    atoms: HashMap<String, usize>,
    /// By atom: the audiences whose rules name it.
    named_by: Vec<Vec<u32>>,
}

/// A set of small numbers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bits(pub(crate) Vec<u64>);

impl Bits {
    pub(crate) fn contains(&self, number: u32) -> bool {
        self.0.get(number as usize / 64).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    /// Whether that changed anything.
    pub(crate) fn set(&mut self, number: u32, is_in: bool) -> bool {
        if self.contains(number) == is_in {
            return false;
        }
        let word = number as usize / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] ^= 1 << (number % 64);
        true
    }
}

/// An atom with its place in the table.
pub(crate) struct KnownAtom {
    pub(crate) atom: Arc<Atom>,
    /// The numbers of its series in the table.
    pub(crate) series: Vec<u32>,
    /// What it asks, if it is known by its latest start.
    pub(crate) pair: Option<Pair>,
    /// The audience whose membership is all that it asks for.
    pub(crate) member_of: Option<AudienceNo>,
}

impl Audiences {
    /// Takes audiences that are already in evaluation order.
    pub fn new(ordered: Vec<Arc<Audience>>) -> Audiences {
        Audiences { table: Arc::new(Table::new(ordered)) }
    }

    /// The same as `new`; if these are the very audiences of `before`, so is the result.
    pub fn renewed(before: &Audiences, ordered: Vec<Arc<Audience>>) -> Audiences {
        let known = &before.table.ordered;
        let same = known.len() == ordered.len() && known.iter().zip(&ordered).all(|(a, b)| Arc::ptr_eq(a, b));
        if same { before.clone() } else { Audiences::new(ordered) }
    }

    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    /// In evaluation order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Audience>> {
        self.table.ordered.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.table.ordered.len()
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.table.ordered.is_empty()
    }

    /// By id.
    pub fn by_id(&self, id: &str) -> Option<&Arc<Audience>> {
        self.table.by_id(id)
    }

    /// By number.
    pub fn by_no(&self, no: AudienceNo) -> Option<&Arc<Audience>> {
        self.table.by_no.get(&no).map(|i| &self.table.ordered[*i])
    }

    /// The place of a number in the evaluation order.
    pub(crate) fn place(&self, no: AudienceNo) -> Option<u32> {
        self.table.by_no.get(&no).map(|at| *at as u32)
    }

    /// Whether some audience can only be evaluated over whole events.
    pub fn read_whole_events(&self) -> bool {
        !self.table.whole_of_any.is_empty() || !self.table.whole_of_type.is_empty()
    }

    /// Whether some audience reads what the service adds to attributes: memberships and identities.
    pub fn read_service_fields(&self) -> bool {
        !self.table.of_membership_field.is_empty() || !self.table.of_identity_field.is_empty()
    }
}

impl Table {
    fn new(ordered: Vec<Arc<Audience>>) -> Table {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let mut table = Table {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            by_id: ordered.iter().enumerate().map(|(i, a)| (a.id.clone(), i)).collect(),
            by_no: ordered.iter().enumerate().map(|(i, a)| (a.no, i)).collect(),
            dependents: vec![Vec::new(); ordered.len()],
            facts: ordered
                .iter()
                .map(|a| Facts {
                    no: a.no,
                    policy: a.policy as u32,
                    exclude_opt_out: a.exclude_opt_out,
                    negated: false,
                    atom: NONE,
                })
                .collect(),
            ..Table::default()
        };
        let mut found = Found::default();
        for (at, audience) in ordered.iter().enumerate() {
            let split = audience.query.split();
            let numbers: Vec<usize> = split.atoms.iter().map(|atom| table.atom(atom, at as u32, &mut found)).collect();
            table.rules.push(&split.rule, &numbers);
            table.index_reads(at, audience);
            table.by_change.push((audience.changed_n, at as u32));
        }
        if ordered.iter().any(|a| a.policy != ordered[0].policy) {
            table.of_attributes = Bits::default();
        }
        table.ordered = ordered;
        table.by_change.sort_by(|a, b| b.cmp(a));
        found.named_by.iter().for_each(|audiences| table.named_by.push(audiences));
        table.note_singles();
        table.index_atoms();
        table.of_nothing = table.find_of_nothing();
        table
    }

    /// Notes the rules that are an atom which series decide.
    fn note_singles(&mut self) {
        for audience in 0..self.facts.len() {
            if let Some((atom, negated)) =
                self.rules.single(audience).filter(|(atom, _)| self.of_series.contains(*atom))
            {
                let facts = &mut self.facts[audience];
                (facts.atom, facts.negated) = (atom, negated);
            }
        }
    }

    pub(crate) fn by_id(&self, id: &str) -> Option<&Arc<Audience>> {
        self.by_id.get(id).map(|i| &self.ordered[*i])
    }

    /// The number of an atom, new or known; notes who names it.
    fn atom(&mut self, atom: &Arc<Atom>, audience: u32, found: &mut Found) -> usize {
        let number = match found.atoms.get(atom.key()) {
            Some(known) => *known,
            None => {
                let of = atom
                    .series()
                    .iter()
                    .zip(atom.keep())
                    .map(|(spec, keep)| self.add_series(spec, *keep, &mut found.series));
                let of = of.collect();
                let own = self.atoms.len() as u32;
                self.of_series.set(own, atom.is_of_series());
                self.without.set(own, atom.answer(&|_| None, Timestamp(0)));
                self.of_attributes.set(own, atom.is_of_attributes() && !atom.reads().service_fields());
                let member_of = atom.membership().and_then(|id| self.by_id.get(id));
                let member_of = member_of.map(|at| self.facts[*at].no);
                let pair = atom.pair();
                self.atoms.push(KnownAtom { atom: atom.clone(), series: of, pair, member_of });
                found.named_by.push(Vec::new());
                found.atoms.insert(atom.key().to_owned(), self.atoms.len() - 1);
                self.atoms.len() - 1
            }
        };
        note(&mut found.named_by[number], audience);
        number
    }

    fn add_series(&mut self, spec: &SeriesSpec, keep: Keep, known: &mut HashMap<String, u32>) -> u32 {
        if let Some(number) = known.get(spec.key()) {
            let kept = &mut self.keep[*number as usize];
            *kept = kept.or(keep);
            return *number;
        }
        let number = self.series.len() as u32;
        match spec.event_types() {
            Some(types) => {
                types.iter().for_each(|t| self.series_of_type.entry(t.clone()).or_default().add(number, spec));
            }
            None => self.series_of_any.add(number, spec),
        }
        self.slots = self.slots.max(spec.slots());
        self.series.push(spec.clone());
        self.keep.push(keep);
        known.insert(spec.key().to_owned(), number);
        number
    }

    fn index_reads(&mut self, at: usize, audience: &Audience) {
        let at = at as u32;
        let reads = audience.query.reads();
        let mut paths: Vec<SmolStr> = reads.profile_paths.clone();
        if audience.exclude_opt_out {
            paths.push(SmolStr::new_static(OPT_OUT));
        }
        if self.paths.len() <= audience.policy {
            self.paths.resize(audience.policy + 1, Vec::new());
        }
        for path in paths {
            let root = path.split('.').next().unwrap_or_default();
            match root {
                MEMBERSHIP_FIELD => note(&mut self.of_membership_field, at),
                IDENTITY_FIELD => note(&mut self.of_identity_field, at),
                "" => {
                    note(&mut self.of_membership_field, at);
                    note(&mut self.of_identity_field, at);
                }
                _ => {}
            }
            let known = &mut self.paths[audience.policy];
            match known.iter_mut().find(|(p, _)| *p == path) {
                Some((_, readers)) => note(readers, at),
                None => known.push((path, vec![at])),
            }
        }
        for id in &reads.memberships {
            if let Some(inner) = self.by_id.get(id) {
                self.dependents[*inner].push(at);
            }
        }
    }

    fn index_atoms(&mut self) {
        let mut read_by = vec![Vec::new(); self.series.len()];
        self.feeds = vec![Vec::new(); self.series.len()];
        for (number, known) in self.atoms.iter().enumerate() {
            let named_by = self.named_by.of(number);
            for (own, series) in known.series.iter().enumerate() {
                read_by[*series as usize].push((number as u32, own));
                if !known.atom.is_of_series() {
                    self.feeds[*series as usize].extend(named_by);
                }
            }
            if !known.atom.is_of_series() && known.atom.reads().time {
                self.timed.extend(named_by);
            }
            if let AtomKind::Whole(_) = known.atom.kind() {
                match &known.atom.reads().event_types {
                    Some(types) => {
                        for name in types {
                            self.whole_of_type.entry(name.clone()).or_default().extend(named_by);
                        }
                    }
                    None => self.whole_of_any.extend(named_by),
                }
            }
        }
        let arranged = |readers: Vec<(u32, usize)>| {
            let known = |(number, own)| {
                let known: &KnownAtom = &self.atoms[number as usize];
                (number, &known.atom, &known.series[..], own)
            };
            Readers::new(readers.into_iter().map(known))
        };
        self.readers = read_by.into_iter().map(arranged).collect();
        for list in self.feeds.iter_mut().chain([&mut self.timed]) {
            list.sort_unstable();
            list.dedup();
        }
    }

    fn find_of_nothing(&self) -> Vec<u32> {
        let world = World::nothing();
        let holds = |at: usize| {
            let mut timed = false;
            let holds = self.rules.holds(at, &mut |number| {
                let known = &self.atoms[number];
                timed |= !known.atom.is_of_series() && known.atom.reads().time;
                known.atom.holds(&world, &|_| None).holds
            });
            holds || timed
        };
        let membership = |at: usize| !self.ordered[at].query.reads().memberships.is_empty();
        (0..self.ordered.len()).filter(|at| holds(*at) || membership(*at)).map(|at| at as u32).collect()
    }

    /// Names the series that an event can belong to, and whether its type is one of theirs.
    pub(crate) fn series_of(&self, event: &EventView, name: &mut dyn FnMut(u32, bool)) {
        if has_many_types(event) {
            return (0..self.series.len() as u32).for_each(|number| name(number, false));
        }
        if let Some(typed) = type_of(event).and_then(|t| self.series_of_type.get(t)) {
            typed.of(&event.body, &mut |number| name(number, true));
        }
        self.series_of_any.of(&event.body, &mut |number| name(number, false));
    }

    /// The audiences that an event makes look at whole events.
    pub(crate) fn whole_of(&self, event: &EventView) -> impl Iterator<Item = u32> {
        let typed = type_of(event).and_then(|t| self.whole_of_type.get(t)).into_iter().flatten();
        let all = has_many_types(event).then(|| self.whole_of_type.values().flatten()).into_iter().flatten();
        typed.chain(all).chain(&self.whole_of_any).copied()
    }

    /// The audiences that changed after a position.
    pub(crate) fn changed_after(&self, n: u64) -> impl Iterator<Item = u32> {
        self.by_change.iter().take_while(move |(changed, _)| *changed > n).map(|(_, at)| *at)
    }
}

/// Whether the type of an event is no single text, so that an index by type does not find what it matches.
fn has_many_types(event: &EventView) -> bool {
    event.body.get("eventType").as_array().is_some()
}

fn note(list: &mut Vec<u32>, number: u32) {
    if list.last() != Some(&number) {
        list.push(number);
    }
}
