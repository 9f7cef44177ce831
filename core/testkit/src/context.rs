//! What the runtime would hand a stage that opens.

use std::path::Path;
use std::sync::Arc;

use smiles_stage::{Clock, OpenContext};

/// A context for a stage named `stage` of a pipeline named `test`.
pub fn open_context(data_dir: &Path, clock: Arc<dyn Clock>) -> OpenContext {
    OpenContext::new("test", "stage", data_dir, clock)
}
