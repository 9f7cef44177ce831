//! What the process knows of itself, for stages that report on it.

use jiff::Timestamp;
use serde_json::Value;

/// The program and everything that runs in it.
#[derive(Clone, Debug, Default)]
pub struct Process {
    /// Names this installation, wherever it moves: the same for as long as its data folder lives. Not a secret; empty
    /// where nothing runs for good.
    pub id: String,
    /// The program's version.
    pub version: String,
    /// When the program was built, if that is known: no reading can be of an earlier time.
    pub built: Option<Timestamp>,
    /// The pipelines that run side by side, in the order of their files.
    pub pipelines: Vec<Configured>,
}

/// A pipeline as it was started. Holds no secret.
#[derive(Clone, Debug)]
pub struct Configured {
    /// The pipeline's name.
    pub pipeline: String,
    /// Its file, as people call it.
    pub file: String,
    /// Changes when the file, with everything it includes and every variable in place, does.
    pub fingerprint: String,
    /// The variables it uses and their values, as an object.
    pub settings: Value,
}
