use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use metrics::SharedString;

/// Most values that one label may take; what comes later is counted as [`OTHER`].
const MAX_VALUES: usize = 200;

/// Stands for every value beyond the bound.
const OTHER: &str = "other";

static SEEN: Mutex<BTreeMap<&str, BTreeSet<SharedString>>> = Mutex::new(BTreeMap::new());

/// The value itself while the label has room for it. Event types come from other contexts:
/// without a bound, a producer could fill this process's memory and the metrics store.
pub(crate) fn bounded(label: &'static str, value: SharedString) -> SharedString {
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    let values = seen.entry(label).or_default();
    if values.contains(&value) {
        return value;
    }
    if values.len() >= MAX_VALUES {
        return SharedString::const_str(OTHER);
    }
    values.insert(value.clone());
    value
}

#[cfg(test)]
mod tests {
    use super::{MAX_VALUES, OTHER, bounded};

    #[test]
    fn a_label_takes_so_many_values_and_no_more() {
        let full = |value: &str| bounded("of_this_test", value.to_owned().into()).into_owned();
        for n in 0..MAX_VALUES {
            assert_eq!(full(&n.to_string()), n.to_string());
        }
        assert_eq!(full("one more"), OTHER);
        assert_eq!(full("7"), "7");
        assert_eq!(bounded("another_of_this_test", "one more".into()).as_ref(), "one more");
    }
}
