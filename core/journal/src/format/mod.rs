//! The file: its tables, its rows as values, checksums, locks, and the bytes of a batch.

pub(crate) mod codec;
pub(crate) mod failure;
pub(crate) mod layout;
pub(crate) mod lock;
pub(crate) mod presence;
pub(crate) mod records;
pub(crate) mod seal;
pub(crate) mod wal;
