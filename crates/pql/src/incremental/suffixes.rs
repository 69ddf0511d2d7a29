//! The least or the greatest of all samples from any one on, without looking at them: of a window that ends now, only
//! the place where it begins matters.
//!
//! Always: a sample is listed if it has an order and none after it is at least as good; so the first one listed at or
//! after a place is the best of the rest.

use super::series::Sample;
use crate::eval::Folded;
use crate::node::Fold;
use crate::value::V;

#[derive(Debug, Clone)]
pub(super) struct Suffixes {
    fold: Fold,
    /// Places of samples, ascending.
    listed: Vec<u32>,
}

impl Suffixes {
    /// `fold`: the least or the greatest.
    pub(super) fn new(fold: Fold) -> Suffixes {
        Suffixes { fold, listed: Vec::new() }
    }

    /// A sample was inserted at a place.
    pub(super) fn insert(&mut self, samples: &[Sample], at: usize) {
        let here = self.listed.partition_point(|place| (*place as usize) < at);
        self.listed[here..].iter_mut().for_each(|place| *place += 1);
        let new = &samples[at];
        let later = self.listed.get(here).map_or(&Sample::Null, |place| &samples[*place as usize]);
        if *new == Sample::Null || !self.wins(new, later) || later == new {
            return;
        }
        let beaten = self.listed[..here].iter().rev().take_while(|place| self.wins(new, &samples[**place as usize]));
        let from = here - beaten.count();
        self.listed.splice(from..here, [at as u32]);
    }

    /// Whether a sample is at least as good as another one.
    fn wins(&self, sample: &Sample, other: &Sample) -> bool {
        let mut folded = Folded::new(self.fold);
        folded.take(other.value());
        folded.take(sample.value());
        Sample::of(&folded.finish()) == *sample
    }

    /// So many of the first samples were dropped.
    pub(super) fn drop_first(&mut self, count: usize) {
        let gone = self.listed.partition_point(|place| (*place as usize) < count);
        self.listed.drain(..gone);
        self.listed.iter_mut().for_each(|place| *place -= count as u32);
    }

    /// The best from a place on; null if none has an order.
    pub(super) fn best(&self, samples: &[Sample], from: usize) -> V<'static> {
        let first = self.listed.partition_point(|place| (*place as usize) < from);
        self.listed.get(first).map_or(V::Null, |place| samples[*place as usize].clone().owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> impl Strategy<Value = Sample> {
        prop_oneof![
            (-3i64..3).prop_map(Sample::Int),
            (-3i64..3).prop_map(|n| Sample::Double(n as f64)),
            "[ab]{1,2}".prop_map(|text| Sample::Text(text.into())),
            Just(Sample::Null),
            Just(Sample::Other),
        ]
    }

    proptest! {
        #[test]
        fn is_the_fold_of_the_rest(steps in prop::collection::vec((sample(), 0usize..40), 0..40), dropped in 0usize..20) {
            for fold in [Fold::Min, Fold::Max] {
                let (mut samples, mut suffixes) = (Vec::new(), Suffixes::new(fold));
                for (sample, at) in &steps {
                    let at = at % (samples.len() + 1);
                    samples.insert(at, sample.clone());
                    suffixes.insert(&samples, at);
                }
                let dropped = dropped.min(samples.len());
                samples.drain(..dropped);
                suffixes.drop_first(dropped);
                for from in 0..=samples.len() {
                    let mut folded = Folded::new(fold);
                    samples[from..].iter().for_each(|sample| folded.take(sample.value()));
                    prop_assert_eq!(Sample::of(&suffixes.best(&samples, from)), Sample::of(&folded.finish()));
                }
            }
        }
    }
}
