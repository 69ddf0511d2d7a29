//! What an evaluation pays: for items that it looks at, for calls, and for the bytes that it reads and makes.
//!
//! In: what is about to be done, before it is done. Out: whether anything is left; loops end where nothing is,
//! whatever they have found. Always: what is paid depends on the query and its world alone, so the same evaluation
//! is cut off at the same place each time.
//!
//! Memory is paid for by what is alive: what an item of a loop made is gone with it, unless whoever takes the items
//! keeps them ([`Run::retain`]) and no variable outlives its loop.

use super::Run;
use crate::functions::pattern::Use;
use crate::value::V;
use model::SmolStr;
use std::rc::Rc;

/// Items that an evaluation may look at: a second or two of work. What joins events with events needs the square of
/// their number, so this is enough for 7,000 of them; what looks at each event once, for 50 million. A few calls and
/// comparisons for each item are contained in that; more of them, and the bytes of long texts, cost parts of an item.
pub const WORK_MAX: u32 = 50_000_000;
/// Bytes of texts and arrays that an evaluation may have made and not dropped, and those of a value that it gives.
pub const MADE_BYTES_MAX: usize = 64 << 20;

/// The parts of an item, of about two nanoseconds each: what the look at it costs, and what there is for it with what
/// is usually done with it.
const PARTS: u32 = 8;
const PARTS_GRANTED: u32 = 24;
/// What a call costs, in parts; a comparison, a field and a calculation take less.
const CALL: u32 = 8;
const COMPARISON: u32 = 6;
const FIELD: u32 = 4;
pub(crate) const CALCULATION: u32 = 4;
/// What a key costs that is made, and looked up among others.
const KEY: u32 = 24;
/// The bytes of a text that a part reads, where reading takes little for each.
const BYTES: usize = 4;
/// A text that needs no memory of its own.
const INLINE_BYTES: usize = 23;

/// What is left to spend.
pub(super) struct Purse {
    /// Parts that may be spent.
    work: u32,
    /// Parts that are left of them; 0 when the evaluation was cut off.
    left: u32,
    /// Bytes that were made and are alive.
    made: usize,
    /// How often what an item made was kept.
    kept: u32,
}

/// What was alive when the work on an item began.
pub(super) struct Mark {
    made: usize,
    kept: u32,
}

impl Purse {
    pub(super) fn new(items: u32) -> Purse {
        let work = items.saturating_mul(PARTS_GRANTED);
        Purse { work, left: work, made: 0, kept: 0 }
    }
}

impl<'a> Run<'a> {
    /// Pays for a look at items. False when nothing is left: loops end then, whatever they have found.
    pub(crate) fn pay(&mut self, items: u32) -> bool {
        self.spend(items.saturating_mul(PARTS))
    }

    /// Pays parts of an item.
    #[inline]
    pub(crate) fn spend(&mut self, parts: u32) -> bool {
        self.purse.left = self.purse.left.saturating_sub(parts);
        self.purse.left > 0
    }

    /// Pays for a pass over so many values that looks at each only shortly.
    pub(crate) fn pay_each(&mut self, values: usize) -> bool {
        self.spend(parts(values.saturating_mul(CALL as usize)))
    }

    /// Pays for a fast look at so many bytes; short ones are a part of what looks at them.
    #[inline]
    pub(crate) fn pay_bytes(&mut self, bytes: usize) -> bool {
        bytes < 64 || self.spend(parts(bytes / BYTES))
    }

    /// Pays for work that takes a few nanoseconds for each byte: digests, case, decoding.
    pub(crate) fn pay_slow(&mut self, bytes: usize) -> bool {
        self.spend(parts(bytes.saturating_mul(2)))
    }

    /// Pays for a call that is given texts of so many bytes.
    pub(super) fn pays_call(&mut self, bytes: usize) -> bool {
        self.spend(CALL) && self.pay_bytes(bytes)
    }

    /// Pays for a key that is made of a text of so many bytes, and looked up.
    pub(super) fn pays_key(&mut self, bytes: usize) -> bool {
        self.spend(KEY) && self.pay_bytes(bytes)
    }

    /// Pays for a comparison of two texts or of whatever is no text.
    #[inline]
    pub(super) fn pays_comparison(&mut self) {
        self.spend(COMPARISON);
    }

    /// Pays for a search among so many fields.
    #[inline]
    pub(super) fn pays_search(&mut self, fields: usize) {
        self.spend(if fields <= 16 { FIELD } else { parts(fields) });
    }

    /// Pays for the memory of an array of so many items.
    pub(crate) fn makes_items(&mut self, items: usize) -> bool {
        self.makes_bytes(items.saturating_mul(size_of::<V<'_>>()))
    }

    /// Pays for the memory of a text of so many bytes.
    pub(crate) fn makes_text(&mut self, bytes: usize) -> bool {
        bytes <= INLINE_BYTES || self.makes_bytes(bytes)
    }

    /// Pays for a value that was just made.
    pub(super) fn makes(&mut self, value: &V<'a>) {
        match value {
            V::Own(text) => self.makes_text(text.len()),
            // A list that others have, too, was paid for when it was made.
            V::List(list) if Rc::strong_count(list) == 1 => self.makes_items(list.items.len()),
            _ => true,
        };
    }

    fn makes_bytes(&mut self, bytes: usize) -> bool {
        self.purse.made = self.purse.made.saturating_add(bytes);
        if self.purse.made > MADE_BYTES_MAX {
            self.purse.left = 0;
        }
        self.purse.left > 0
    }

    /// Before the work on an item of a loop.
    #[inline]
    pub(super) fn mark(&self) -> Mark {
        Mark { made: self.purse.made, kept: self.purse.kept }
    }

    /// After it: what it made is gone, unless it was kept.
    #[inline]
    pub(super) fn release(&mut self, mark: &Mark) {
        if self.purse.kept == mark.kept {
            self.purse.made = mark.made;
        }
    }

    /// Keeps the item at hand, and with it what was made for it.
    pub(crate) fn retain(&mut self) {
        self.purse.kept = self.purse.kept.wrapping_add(1);
    }

    /// After a loop that kept items: they make up one value, and whoever has that keeps it or not.
    pub(super) fn retained(&mut self, mark: &Mark) {
        self.purse.kept = mark.kept;
    }

    /// Whether an expression has to be compiled, as far as this evaluation knows: those of data are kept up to `most`.
    pub(crate) fn compiles(&mut self, key: &(SmolStr, Use), most: usize) -> bool {
        let known = &mut self.compiled;
        if known.contains(key) {
            return false;
        }
        if known.len() >= most {
            known.clear();
        }
        known.push(key.clone());
        true
    }

    /// Whether anything that was made may be alive.
    pub(super) fn has_made(&self) -> bool {
        self.purse.made > 0
    }

    /// Lets what follows take as much work as a whole evaluation, and make as much.
    pub(crate) fn refill(&mut self) {
        self.purse.left = self.purse.work;
        self.purse.made = 0;
    }

    /// Whether it was cut off: values and truths mean nothing then.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.purse.left == 0
    }
}

/// A count that may be beyond what can be spent.
fn parts(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
