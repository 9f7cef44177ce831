//! Opening a pipeline, running it, ending it; and what commands do with one that is not running.

pub(crate) mod ahead;
pub(crate) mod maintenance;
pub(crate) mod open;
pub(crate) mod options;
pub(crate) mod replay;
pub(crate) mod running;
pub(crate) mod stages;
pub(crate) mod target;
pub(crate) mod test_pipeline;
