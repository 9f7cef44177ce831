//! The `smiles` command.
fn main() {}
