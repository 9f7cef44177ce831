//! Who has got what: cursors, books, losses, state, dead letters.

pub(crate) mod correction;
pub(crate) mod dead_letter_room;
pub(crate) mod dead_letters;
pub(crate) mod forked;
pub(crate) mod old_copy;
pub(crate) mod pruning;
pub(crate) mod reconcile;
pub(crate) mod rejected;
pub(crate) mod rename;
pub(crate) mod replays;
pub(crate) mod report;
pub(crate) mod row_counts;
pub(crate) mod selection;
