//! A transform of the file, as far as its memory is concerned.

use smiles_stage::Subject;

/// A transform of the file, running or switched off.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    /// Whether it runs. One that does not keeps what it has.
    pub(crate) on: bool,
    pub(crate) called: String,
    pub(crate) type_name: String,
    /// Whether the file gives it that name.
    pub(crate) named: bool,
    /// `None`: state is found by its name alone; or it is switched off, and what it is about cannot be told.
    pub(crate) subject: Option<Subject>,
}
