//! Exact sums of numbers, rounded once (design, §11.11).
//!
//! A fixed-point number wide enough for every finite double and for every 64-bit integer: adding is
//! exact, so the order of additions can not matter, and a term can be taken back without a trace.
//! Always: `round` gives the double nearest to the true sum, ties to even; a sum beyond the range of
//! doubles gives an infinity, which callers turn into null.

/// Bits per limb.
const BITS: usize = 32;
/// 2^-1074 to 2^1024 are 2098 bits; two more limbs hold 2^63 additions.
const LIMBS: usize = 68;
/// Additions after which carries must move up, so that a limb can not overflow.
const CARRY_EVERY: u32 = 1 << 29;
const EXPONENT_BIAS: usize = 1074;

/// An exact sum.
#[derive(Debug, Clone)]
pub struct ExactSum {
    /// Limb `i` counts in units of 2^(32·i − 1074). Between carries limbs may be negative or large.
    limbs: [i64; LIMBS],
    pending: u32,
}

impl Default for ExactSum {
    fn default() -> Self {
        ExactSum { limbs: [0; LIMBS], pending: 0 }
    }
}

impl ExactSum {
    /// Adds a finite double; others are ignored, for they never surface (pql.md §3).
    pub fn add(&mut self, term: f64) {
        self.add_signed(term, 1);
    }

    /// Takes a finite double back.
    pub fn subtract(&mut self, term: f64) {
        self.add_signed(term, -1);
    }

    /// Adds a whole number, exactly.
    pub fn add_int(&mut self, term: i64) {
        self.add_bits(term.unsigned_abs(), EXPONENT_BIAS, term.signum());
    }

    /// Takes a whole number back.
    pub fn subtract_int(&mut self, term: i64) {
        self.add_bits(term.unsigned_abs(), EXPONENT_BIAS, -term.signum());
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: &ExactSum) {
        let mut other = other.clone();
        other.carry();
        self.carry();
        for (ours, theirs) in self.limbs.iter_mut().zip(other.limbs) {
            *ours += theirs;
        }
        self.carry();
    }

    /// The nearest double, ties to even.
    pub fn round(&self) -> f64 {
        let mut sum = self.clone();
        sum.carry();
        let negative = sum.limbs[LIMBS - 1] < 0;
        if negative {
            for limb in &mut sum.limbs {
                *limb = -*limb;
            }
            sum.carry();
        }
        let magnitude = sum.round_magnitude();
        if negative { -magnitude } else { magnitude }
    }

    fn add_signed(&mut self, term: f64, sign: i64) {
        if !term.is_finite() {
            return;
        }
        let bits = term.to_bits();
        let exponent = (bits >> 52 & 0x7ff) as usize;
        let fraction = bits & ((1 << 52) - 1);
        // Subnormals have exponent field 0 and the scale of exponent 1.
        let (mantissa, shift) = if exponent == 0 { (fraction, 0) } else { (fraction | 1 << 52, exponent - 1) };
        self.add_bits(mantissa, shift, if term.is_sign_negative() { -sign } else { sign });
    }

    /// Adds `sign · mantissa · 2^(shift − 1074)`.
    fn add_bits(&mut self, mantissa: u64, shift: usize, sign: i64) {
        let (limb, offset) = (shift / BITS, shift % BITS);
        let wide = u128::from(mantissa) << offset;
        for part in 0..3 {
            let digits = (wide >> (BITS * part)) as u32;
            self.limbs[limb + part] += sign * i64::from(digits);
        }
        self.pending += 1;
        if self.pending >= CARRY_EVERY {
            self.carry();
        }
    }

    /// Brings every limb but the last into 0 ..= 2^32 − 1; the last keeps the sign.
    fn carry(&mut self) {
        let mut carry = 0;
        for limb in &mut self.limbs[..LIMBS - 1] {
            let sum = *limb + carry;
            *limb = sum & 0xffff_ffff;
            carry = sum >> BITS;
        }
        self.limbs[LIMBS - 1] += carry;
        self.pending = 0;
    }

    /// Rounds a carried, non-negative sum.
    fn round_magnitude(&self) -> f64 {
        let Some(top) = (0..LIMBS).rev().find(|i| self.limbs[*i] != 0) else { return 0.0 };
        let top_bit = top * BITS + (63 - self.limbs[top].leading_zeros() as usize);
        let low_bit = top_bit.saturating_sub(52);
        let mut mantissa = self.bits(low_bit, top_bit - low_bit + 1);
        let mut scale = low_bit;
        if low_bit > 0 {
            let half = self.bits(low_bit - 1, 1) == 1;
            let more = half && (mantissa & 1 == 1 || self.any_below(low_bit - 1));
            mantissa += u64::from(more);
            if mantissa == 1 << 53 {
                mantissa >>= 1;
                scale += 1;
            }
        }
        if mantissa < 1 << 52 {
            return f64::from_bits(mantissa);
        }
        // A normal number: the mantissa has 53 bits, its exponent field is `scale + 1`.
        let exponent = scale + 1;
        if exponent >= 0x7ff {
            return f64::INFINITY;
        }
        f64::from_bits((exponent as u64) << 52 | (mantissa & ((1 << 52) - 1)))
    }

    /// `count` ≤ 53 bits from bit `from` up.
    fn bits(&self, from: usize, count: usize) -> u64 {
        let (limb, offset) = (from / BITS, from % BITS);
        let mut wide: u128 = 0;
        for part in (0..3).rev() {
            wide = wide << BITS | self.limbs.get(limb + part).map_or(0, |l| *l as u128);
        }
        (wide >> offset) as u64 & ((1 << count) - 1)
    }

    fn any_below(&self, bit: usize) -> bool {
        let (limb, offset) = (bit / BITS, bit % BITS);
        self.limbs[..limb].iter().any(|l| *l != 0) || self.limbs[limb] & ((1 << offset) - 1) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sum(terms: &[f64]) -> f64 {
        let mut sum = ExactSum::default();
        terms.iter().for_each(|t| sum.add(*t));
        sum.round()
    }

    #[test]
    fn known_sums() {
        assert_eq!(sum(&[]), 0.0);
        assert_eq!(sum(&[0.1; 10]), 1.0);
        assert_eq!(sum(&[1e308, 1e308, -1e308]), 1e308);
        assert_eq!(sum(&[1e308, 1e308]), f64::INFINITY);
        assert_eq!(sum(&[1e16, 1.0, -1e16]), 1.0);
        assert_eq!(sum(&[5e-324, 5e-324]), 1e-323);
        assert_eq!(sum(&[f64::MAX, -f64::MAX, -2.5]), -2.5);
        assert_eq!(sum(&[f64::MIN_POSITIVE, -5e-324]), f64::MIN_POSITIVE - 5e-324);
        let mut ints = ExactSum::default();
        ints.add_int(i64::MAX);
        ints.add_int(i64::MIN);
        assert_eq!(ints.round(), -1.0);
    }

    proptest! {
        #[test]
        fn one_or_two_terms_agree_with_the_processor(a in any::<f64>(), b in any::<f64>()) {
            prop_assume!(a.is_finite() && b.is_finite());
            prop_assert_eq!(sum(&[a]), a);
            prop_assert_eq!(sum(&[a, b]), a + b);
        }

        #[test]
        fn order_does_not_matter(terms in prop::collection::vec(any::<f64>(), 0..40).prop_shuffle(), cut in 0usize..40) {
            let mut sorted = terms.clone();
            sorted.sort_by(f64::total_cmp);
            prop_assert_eq!(sum(&terms).to_bits(), sum(&sorted).to_bits());
            let (left, right) = terms.split_at(cut.min(terms.len()));
            let (mut one, mut two) = (ExactSum::default(), ExactSum::default());
            left.iter().for_each(|t| one.add(*t));
            right.iter().for_each(|t| two.add(*t));
            one.merge(&two);
            prop_assert_eq!(one.round().to_bits(), sum(&terms).to_bits());
            right.iter().for_each(|t| one.subtract(*t));
            prop_assert_eq!(one.round().to_bits(), sum(left).to_bits());
        }

        #[test]
        fn whole_numbers_are_exact(terms in prop::collection::vec(any::<i64>(), 0..40)) {
            let mut exact = ExactSum::default();
            terms.iter().for_each(|t| exact.add_int(*t));
            let truth: i128 = terms.iter().map(|t| i128::from(*t)).sum();
            prop_assert_eq!(exact.round(), truth as f64);
        }
    }
}
