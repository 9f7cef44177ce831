//! Types the tree by JSON Schema: every node becomes the value its schema asks for, and everything that does not
//! fit is told with its place. What of JSON Schema is covered stands in `dialect`.

pub(crate) mod checker;
mod choice;
mod combine;
mod condition;
pub(crate) mod describe;
pub(crate) mod dialect;
pub(crate) mod natural;
pub(crate) mod pattern;
mod scalar;
mod shape;
