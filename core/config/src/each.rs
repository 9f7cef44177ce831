//! What `for_each` gives to each source that it makes.

use std::collections::BTreeMap;

/// Values of one item of a `for_each`.
#[derive(Clone, Default)]
pub(crate) struct Item {
    /// `item 2 of DTU_CONFIGS`.
    pub(crate) shown: String,
    pub(crate) values: BTreeMap<String, String>,
}

/// What `${item.x}` means here.
pub(crate) enum Items<'a> {
    /// Not below a `for_each`.
    Outside,
    /// Below one without values: every item is unset.
    Unset,
    Set(&'a Item),
}
