//! Whose memory is whose: the transforms of the file find their state in the journal by what they are about (type,
//! `name:` where given, and what [`smiles_stage::Subject`] says), never by their place in the list.
//!
//! State is kept under a handle, which means nothing; what a handle belongs to stands beside it, as rows of the state of
//! a stage that no file has ([`kept::INDEX`]). A transform whose name alone changed is followed. One whose subject changed
//! cannot be: it begins afresh, which is said where memory is left behind.

pub(crate) mod earlier;
pub(crate) mod file;
pub(crate) mod kept;
pub(crate) mod settle;
pub(crate) mod stage;
