//! A damaged file is mended: what is readable moves to a new one, and its books are settled.

pub(crate) mod examine;
pub(crate) mod left;
pub(crate) mod rescue;
pub(crate) mod salvage;
pub(crate) mod settle;
