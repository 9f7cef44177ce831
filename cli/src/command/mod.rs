//! The commands, one file each, and what they share (`confirm`, `console`, `one_off`).

pub(crate) mod check;
pub(crate) mod confirm;
pub(crate) mod console;
pub(crate) mod demo;
pub(crate) mod graph;
pub(crate) mod health;
pub(crate) mod import;
pub(crate) mod journal;
pub(crate) mod migrate;
pub(crate) mod one_off;
pub(crate) mod plugin;
pub(crate) mod read;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod simulate;
pub(crate) mod test;
pub(crate) mod total;
