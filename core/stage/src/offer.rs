//! What a store offers to the rest of its pipeline.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_schema::SchemaRef;

/// The tables a store can be asked for, with their columns.
pub type StoreSchema = BTreeMap<String, SchemaRef>;

/// What a wired sink that is a store tells those that read it and those that ask it.
#[derive(Clone, Default)]
pub struct Offer {
    /// The tables, with their columns.
    pub tables: StoreSchema,
    /// How the pipeline's columns get there, table by table in the order they are written; empty: it does not say.
    pub mapped: Vec<MappedTable>,
    /// The mapping itself, for those who know its type: what the store will hold can be told from the batches alone.
    pub mapping: Option<Arc<dyn Any + Send + Sync>>,
}

/// A table and the pipeline columns that stand in it as they are.
#[derive(Clone, Debug, Default)]
pub struct MappedTable {
    /// The table.
    pub name: String,
    /// The columns that identify a row, where there is one row per key.
    pub key: Vec<String>,
    /// Pipeline column to the column of the table that holds it: of several the one that says how new a row is, and
    /// one that is set on insert only as a last resort.
    pub columns: BTreeMap<String, String>,
}
