//! The rules of all audiences as one list of words, so that looking at one touches little memory.
//!
//! A word is a kind and a number. An atom is one word; a conjunction, a disjunction or a choice is followed by its parts
//! and says where these end.

use pql::incremental::Rule;

/// All rules.
#[derive(Debug, Default)]
pub(crate) struct Program {
    words: Vec<u32>,
    /// By audience: where its rule begins.
    starts: Vec<u32>,
}

const ATOM: u32 = 0;
const NOT_ATOM: u32 = 1;
const ALL: u32 = 2;
const ANY: u32 = 3;
const NOT: u32 = 4;
const IF: u32 = 5;
const CONSTANT: u32 = 6;
const KIND_BITS: u32 = 3;

impl Program {
    /// Adds the rule of the next audience, over atoms of these numbers.
    pub(crate) fn push(&mut self, rule: &Rule, numbers: &[usize]) {
        self.starts.push(self.words.len() as u32);
        self.write(rule, numbers);
    }

    fn word(&mut self, kind: u32, number: usize) {
        self.words.push((number as u32) << KIND_BITS | kind);
    }

    fn write(&mut self, rule: &Rule, numbers: &[usize]) {
        match rule {
            Rule::Constant(truth) => self.word(CONSTANT, usize::from(*truth)),
            Rule::Atom(atom) => self.word(ATOM, numbers[*atom]),
            Rule::Not(of) => match **of {
                Rule::Atom(atom) => self.word(NOT_ATOM, numbers[atom]),
                ref of => {
                    self.word(NOT, 0);
                    self.write(of, numbers);
                }
            },
            Rule::All(all) => self.write_parts(ALL, all, numbers),
            Rule::Any(any) => self.write_parts(ANY, any, numbers),
            Rule::If(parts) => self.write_parts(IF, &**parts, numbers),
        }
    }

    fn write_parts(&mut self, kind: u32, parts: &[Rule], numbers: &[usize]) {
        let at = self.words.len();
        self.word(kind, 0);
        parts.iter().for_each(|part| self.write(part, numbers));
        let length = self.words.len() - at;
        self.words[at] = (length as u32) << KIND_BITS | kind;
    }

    /// The atom that is the whole rule of an audience, and whether the rule is its contrary.
    pub(crate) fn single(&self, audience: usize) -> Option<(u32, bool)> {
        let word = self.words[self.starts[audience] as usize];
        match word & ((1 << KIND_BITS) - 1) {
            ATOM => Some((word >> KIND_BITS, false)),
            NOT_ATOM => Some((word >> KIND_BITS, true)),
            _ => None,
        }
    }

    /// The truth of an audience's rule, given that of atoms; asks for no more atoms than needed, in order.
    pub(crate) fn holds(&self, audience: usize, atom: &mut impl FnMut(usize) -> bool) -> bool {
        self.truth(self.starts[audience] as usize, atom).0
    }

    /// The truth of the part that begins here, and where the next one begins.
    fn truth(&self, at: usize, atom: &mut impl FnMut(usize) -> bool) -> (bool, usize) {
        let number = (self.words[at] >> KIND_BITS) as usize;
        match self.words[at] & ((1 << KIND_BITS) - 1) {
            ATOM => (atom(number), at + 1),
            NOT_ATOM => (!atom(number), at + 1),
            kind @ (ALL | ANY) => {
                let (end, mut part) = (at + number, at + 1);
                while part < end {
                    let (truth, next) = self.truth(part, atom);
                    if truth == (kind == ANY) {
                        return (truth, end);
                    }
                    part = next;
                }
                (kind == ALL, end)
            }
            NOT => {
                let (truth, next) = self.truth(at + 1, atom);
                (!truth, next)
            }
            IF => {
                let (condition, then) = self.truth(at + 1, atom);
                let chosen = if condition { then } else { self.after(then) };
                (self.truth(chosen, atom).0, at + number)
            }
            _ => (number == 1, at + 1),
        }
    }

    /// Where the part after this one begins.
    fn after(&self, at: usize) -> usize {
        match self.words[at] & ((1 << KIND_BITS) - 1) {
            ALL | ANY | IF => at + (self.words[at] >> KIND_BITS) as usize,
            NOT => self.after(at + 1),
            _ => at + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rule() -> impl Strategy<Value = Rule> {
        let leaf = prop_oneof![any::<bool>().prop_map(Rule::Constant), (0usize..6).prop_map(Rule::Atom)];
        leaf.prop_recursive(4, 24, 3, |inner| {
            prop_oneof![
                inner.clone().prop_map(|rule| Rule::Not(Box::new(rule))),
                prop::collection::vec(inner.clone(), 0..4).prop_map(|rules| Rule::All(rules.into())),
                prop::collection::vec(inner.clone(), 0..4).prop_map(|rules| Rule::Any(rules.into())),
                [inner.clone(), inner.clone(), inner].prop_map(|parts| Rule::If(Box::new(parts))),
            ]
        })
    }

    proptest! {
        #[test]
        fn is_its_rules(
            rules in prop::collection::vec(rule(), 1..5),
            truths in 0u32..64,
            numbers in prop::collection::vec(0usize..1000, 6),
        ) {
            let mut program = Program::default();
            rules.iter().for_each(|rule| program.push(rule, &numbers));
            for (audience, rule) in rules.iter().enumerate() {
                let (mut ours, mut theirs) = (Vec::new(), Vec::new());
                let truth = |atom: usize, asked: &mut Vec<usize>| {
                    asked.push(atom);
                    truths >> (atom % 6) & 1 == 1
                };
                let holds = program.holds(audience, &mut |atom| truth(atom, &mut ours));
                prop_assert_eq!(holds, rule.holds(&mut |atom| truth(numbers[atom], &mut theirs)));
                prop_assert_eq!(ours, theirs);
            }
        }
    }
}
