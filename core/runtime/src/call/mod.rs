//! How a stage is called: its panics caught, again after a failure, until the end is asked for.

pub(crate) mod causes;
pub(crate) mod guard;
pub(crate) mod retry;
pub(crate) mod stop;
pub(crate) mod upkeep;
