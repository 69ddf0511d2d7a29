//! Exact sums of doubles that are small where values are ordinary.
//!
//! A fixed-point number of 128 bits in units of 2^-72 holds amounts up to 4·10^9 with all their bits; what does not
//! fit goes to an [`ExactSum`]. Always: the rounded sum equals that of `ExactSum` over the same terms.

use crate::exact_sum::ExactSum;

/// Bits after the binary point.
const FRACTION: i32 = 72;
/// A single term stays below 2^104, so that millions of terms can not overflow.
const TERM_BITS: i32 = 104;

/// An exact sum of doubles and whole numbers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sum {
    /// How many terms there are.
    pub(crate) count: u64,
    /// How many of them are doubles.
    pub(crate) doubles: u64,
    /// The whole numbers.
    pub(crate) whole: i128,
    /// The doubles, in units of 2^-72.
    pub(crate) narrow: i128,
}

/// A finite double in units of 2^-72, if it fits.
pub(crate) fn narrow(term: f64) -> Option<i128> {
    let bits = term.to_bits();
    let exponent = (bits >> 52 & 0x7ff) as i32;
    if exponent == 0 {
        return (term == 0.0).then_some(0);
    }
    let mantissa = i128::from(bits & ((1 << 52) - 1) | 1 << 52);
    let shift = exponent - 1075 + FRACTION;
    let magnitude = if shift >= 0 {
        (shift + 53 <= TERM_BITS).then(|| mantissa << shift)?
    } else {
        let drop = -shift;
        (drop < 53 && mantissa.trailing_zeros() as i32 >= drop).then(|| mantissa >> drop)?
    };
    Some(if term.is_sign_negative() { -magnitude } else { magnitude })
}

impl Sum {
    /// What lies between two states of a running sum.
    pub(crate) fn since(&self, earlier: &Sum) -> Sum {
        Sum {
            count: self.count - earlier.count,
            doubles: self.doubles - earlier.doubles,
            whole: self.whole - earlier.whole,
            narrow: self.narrow.wrapping_sub(earlier.narrow),
        }
    }

    /// The nearest double, ties to even, with terms that did not fit.
    pub(crate) fn round(&self, wide: Option<&ExactSum>) -> f64 {
        if wide.is_none() && self.doubles == 0 {
            return self.whole as f64;
        }
        if wide.is_none() && self.whole == 0 {
            // An i128 rounds to the nearest double, and scaling by a power of two is exact.
            return self.narrow as f64 * (0.5f64).powi(FRACTION);
        }
        let mut exact = wide.cloned().unwrap_or_default();
        add_scaled(&mut exact, self.narrow, FRACTION);
        add_scaled(&mut exact, self.whole, 0);
        exact.round()
    }
}

/// Adds `number · 2^-fraction` in parts that doubles hold exactly.
fn add_scaled(exact: &mut ExactSum, number: i128, fraction: i32) {
    const PART: i32 = 48;
    let mut rest = number.unsigned_abs();
    let mut scale = (0.5f64).powi(fraction);
    while rest > 0 {
        let part = (rest & ((1 << PART) - 1)) as f64 * scale;
        if number < 0 {
            exact.subtract(part)
        } else {
            exact.add(part)
        }
        rest >>= PART;
        scale *= (1u64 << PART) as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn equals_the_wide_sum(doubles in prop::collection::vec(prop_oneof![-1e6f64..1e6, any::<f64>(), Just(0.1), Just(-19.99)], 0..40), whole in prop::collection::vec(any::<i64>(), 0..5)) {
            let mut exact = ExactSum::default();
            let (mut sum, mut wide) = (Sum::default(), None::<ExactSum>);
            for d in doubles.into_iter().filter(|d| d.is_finite()) {
                exact.add(d);
                sum.doubles += 1;
                match narrow(d) {
                    Some(n) => sum.narrow += n,
                    None => wide.get_or_insert_default().add(d),
                }
            }
            for n in whole {
                exact.add_int(n);
                sum.whole += i128::from(n);
            }
            prop_assert_eq!(sum.round(wide.as_ref()).to_bits(), (exact.round() + 0.0).to_bits());
        }
    }
}
