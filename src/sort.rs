//! Sorting, compiled once.
//!
//! The sorts of the standard library are compiled anew for every type of element, 10 to 20 kB of
//! the module each. Nothing that is sorted here is sorted for each request, so all of them are one
//! sort of places.

use std::cmp::Ordering;

/// Sorts `items` by `compare`. Equal ones keep their order.
pub(crate) fn sort_by<T>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    if items.len() < 2 {
        return;
    }
    let mut places = sorted_places(items.len(), &|one, other| {
        match (items.get(one), items.get(other)) {
            (Some(one), Some(other)) => compare(one, other),
            // Places are below the length.
            _ => Ordering::Equal,
        }
    });
    // What belongs at a place is brought there by swaps along each cycle of the permutation.
    for start in 0..items.len() {
        let mut place = start;
        while let Some(from) = places.get_mut(place).map(|from| std::mem::replace(from, place)) {
            if from == start {
                break;
            }
            items.swap(place, from);
            place = from;
        }
    }
}

/// Sorts `items` by their own order.
pub(crate) fn sort<T: Ord>(items: &mut [T]) {
    sort_by(items, T::cmp);
}

/// The places `0..count` in the order of what is at them.
#[inline(never)]
fn sorted_places(count: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut places: Vec<usize> = (0..count).collect();
    places.sort_by(|one, other| compare(*one, *other));
    places
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_the_stable_sort_of_the_standard_library(
            mut items in prop::collection::vec((0..8_u8, any::<u16>()), 0..200),
        ) {
            let mut expected = items.clone();
            expected.sort_by_key(|item| item.0);
            sort_by(&mut items, |one, other| one.0.cmp(&other.0));
            prop_assert_eq!(&items, &expected);

            expected.sort();
            sort(&mut items);
            prop_assert_eq!(items, expected);
        }
    }
}
