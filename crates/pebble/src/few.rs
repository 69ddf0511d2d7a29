//! Elements of lists and maps.
//!
//! In: a vector. Out: the same elements, read as a slice. Always: one or two of them stand in place, since most
//! maps of a profile (`{"value": …}`, `{"id": …}`) are that small and reaching them is then one step shorter.

/// A list of fixed length.
#[derive(Debug, Clone)]
#[repr(u8)] // A tag of its own is told apart in one step; one packed into an element takes several.
pub(crate) enum Few<T> {
    One([T; 1]),
    Two([T; 2]),
    Many(Vec<T>),
}

impl<T> Few<T> {
    pub(crate) fn into_vec(self) -> Vec<T> {
        match self {
            Few::One(one) => one.into(),
            Few::Two(two) => two.into(),
            Few::Many(many) => many,
        }
    }
}

impl<T> From<Vec<T>> for Few<T> {
    fn from(elements: Vec<T>) -> Self {
        match elements.len() {
            1 => elements.try_into().map_or_else(Few::Many, Few::One),
            2 => elements.try_into().map_or_else(Few::Many, Few::Two),
            _ => Few::Many(elements),
        }
    }
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Few::Many(Vec::new())
    }
}

impl<T> std::ops::Deref for Few<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // One test after the other, the smallest first: each is a single comparison of the tag.
        if let Few::One(one) = self {
            return one;
        }
        if let Few::Many(many) = self {
            return many;
        }
        if let Few::Two(two) = self { two } else { &[] }
    }
}

impl<'f, T> IntoIterator for &'f Few<T> {
    type Item = &'f T;
    type IntoIter = std::slice::Iter<'f, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
