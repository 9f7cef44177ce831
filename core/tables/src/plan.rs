//! A mapping that fits its input: what a store needs to know of every table, and the projection of batches.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_schema::{Field, Schema, SchemaRef};

use crate::column_type::ColumnType;
use crate::config::{Condition, Mode};
use smiles_stage::{MappedTable, Offer, TIME};

/// All tables of a mapping, in the order they are written.
#[derive(Clone, Debug)]
pub struct TablesPlan {
    /// In the order they are written.
    pub tables: Vec<TablePlan>,
}

/// One table of a mapping.
#[derive(Clone, Debug)]
pub struct TablePlan {
    /// Its name.
    pub name: String,
    /// How rows get there.
    pub mode: Mode,
    /// Whether to create it when it is missing.
    pub create: bool,
    /// The columns that are written, in the order of `schema`.
    pub columns: Vec<PlannedColumn>,
    /// The columns that are only read.
    pub reads: Vec<(String, ColumnType)>,
    pub(crate) filter: Vec<(String, Condition)>,
    pub(crate) distinct: Vec<String>,
    pub(crate) measurements: Vec<String>,
    /// The schema of projected rows.
    pub schema: SchemaRef,
}

/// A column that the pipeline writes.
#[derive(Clone, Debug)]
pub struct PlannedColumn {
    /// Its name in the table.
    pub name: String,
    /// What it holds.
    pub column_type: ColumnType,
    /// What it means to an upsert; [`Role::Value`] everywhere in an append.
    pub role: Role,
    /// The field of the projected column: the type's, with unit, kind and words of the pipeline column.
    pub field: Field,
    pub(crate) origin: Origin,
}

/// What a column means to an upsert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Part of the key.
    Key,
    /// Set on insert only.
    First,
    /// Says how new the row is.
    Newest,
    /// Overwritten by what is not null.
    Value,
}

/// Where the values of a column come from.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// A pipeline column; whether it may be missing from an older batch.
    Column { name: String, nullable: bool },
    /// An object of pipeline columns: name in the object, column.
    Json {
        members: Vec<(String, String)>,
        /// The member that rows get whose time is not to be trusted.
        misdated: Option<String>,
    },
}

impl TablesPlan {
    /// Those of them that are written.
    pub fn written(&self) -> impl Iterator<Item = &TablePlan> {
        self.tables.iter().filter(|table| table.mode != Mode::Read)
    }

    /// What a store of these tables offers. Queries may ask per table for the mapped columns, then for those it `reads`;
    /// all are nullable but keys: rows written before a column was mapped have none.
    pub fn offer(self: &Arc<Self>) -> Offer {
        Offer {
            tables: self
                .tables
                .iter()
                .map(|table| (table.name.clone(), Arc::new(table.readable())))
                .collect(),
            mapped: self.tables.iter().map(TablePlan::mapped).collect(),
            mapping: Some(Arc::<Self>::clone(self)),
        }
    }
}

impl TablePlan {
    /// The column of a time that says how new a row is, as an index into `columns`.
    pub fn newest_time(&self) -> Option<usize> {
        self.with_role(Role::Newest).find(|&column| self.columns[column].column_type == ColumnType::Time)
    }

    /// The columns of this role, as indices into `columns`.
    pub fn with_role(&self, role: Role) -> impl Iterator<Item = usize> {
        self.columns.iter().enumerate().filter(move |(_, column)| column.role == role).map(|(index, _)| index)
    }

    /// Where a table gets one row of several (`distinct`): the columns that say which poll a row is of and whose row it
    /// is, as indices into `columns`. Empty where the table has no such columns: two rows of one poll
    /// cannot be told apart there.
    pub fn occasion(&self) -> Vec<usize> {
        let from = |names: &[&str]| -> Vec<usize> {
            let columns = self.columns.iter().enumerate().filter(|(_, column)| match &column.origin {
                Origin::Column { name, .. } => names.contains(&name.as_str()),
                Origin::Json { .. } => false,
            });
            columns.map(|(index, _)| index).collect()
        };
        let whose: Vec<&str> =
            self.distinct.iter().map(String::as_str).filter(|name| *name != TIME).collect();
        let (when, whose) = (from(&[TIME]), from(&whose));
        if when.is_empty() || whose.is_empty() { Vec::new() } else { [when, whose].concat() }
    }

    /// Which pipeline columns stand in it as they are, and where: of several columns the one that says how new a row is,
    /// and one that is set on insert only as a last resort.
    fn mapped(&self) -> MappedTable {
        let rank = |column: &PlannedColumn| match column.role {
            Role::Newest => 0,
            Role::Key | Role::Value => 1,
            Role::First => 2,
        };
        let mut columns: BTreeMap<String, &PlannedColumn> = BTreeMap::new();
        for column in &self.columns {
            let Origin::Column { name, .. } = &column.origin else { continue };
            let known = columns.entry(name.clone()).or_insert(column);
            if rank(column) < rank(known) {
                *known = column;
            }
        }
        MappedTable {
            name: self.name.clone(),
            key: self.with_role(Role::Key).map(|column| self.columns[column].name.clone()).collect(),
            columns: columns.into_iter().map(|(name, column)| (name, column.name.clone())).collect(),
        }
    }

    /// What queries may ask it for: the mapped columns, then those it `reads`.
    pub fn readable(&self) -> Schema {
        let mapped = self.columns.iter().map(|column| {
            let key = column.role == Role::Key;
            column.field.clone().with_nullable(!key)
        });
        let read = self.reads.iter().map(|(name, column_type)| column_type.field(name));
        Schema::new(mapped.chain(read).collect::<Vec<_>>())
    }
}
