//! Types the tree by JSON Schema: every node becomes the value its schema asks for, and everything that does not
//! fit is told with its place. Covers what schemars writes and what people write by hand; unknown keywords are
//! passed over.

pub(crate) mod checker;
mod choice;
mod combine;
mod describe;
pub(crate) mod natural;
mod scalar;
mod shape;
