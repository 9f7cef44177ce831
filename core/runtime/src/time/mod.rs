//! What time it is: the system's clocks, and how far they can be believed.

pub(crate) mod system;
pub(crate) mod trust;
