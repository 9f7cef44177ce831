//! A mapping that fits its input: what a store needs to know of every table, and the projection of batches.

use std::sync::Arc;

use arrow_schema::{Field, Schema, SchemaRef};

use super::check::Check;
use super::{ColumnType, Condition, Mode, Tables};
use crate::{Path, Problems, StoreSchema, TIME};

/// All tables of a mapping, in the order they are written.
#[derive(Clone, Debug)]
pub struct TablesPlan {
    tables: Vec<TablePlan>,
}

/// One table of a mapping.
#[derive(Clone, Debug)]
pub struct TablePlan {
    pub(super) name: String,
    pub(super) mode: Mode,
    pub(super) create: bool,
    pub(super) columns: Vec<PlannedColumn>,
    pub(super) reads: Vec<(String, ColumnType)>,
    pub(super) filter: Vec<(String, Condition)>,
    pub(super) distinct: Vec<String>,
    pub(super) measurements: Vec<String>,
    pub(super) schema: SchemaRef,
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
    /// The field of the projected column: the type's, with unit and kind of the pipeline column.
    pub field: Field,
    pub(super) origin: Origin,
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
pub(super) enum Origin {
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
    /// Checks a mapping against the columns that enter.
    ///
    /// # Errors
    /// Everything that does not fit, each below `at`, the place of the mapping in the options.
    pub fn new(tables: &Tables, input: &Schema, at: &Path) -> Result<Self, Problems> {
        let mut check = Check::new(input);
        let planned = tables.iter().map(|(name, table)| check.table(name, table, &at.key(name))).collect();
        if tables.is_empty() {
            check.error(at.clone(), "no table is mapped", "name at least one table and its columns");
        }
        check.finish().map(|()| Self { tables: planned })
    }

    /// The tables, in the order they are written.
    pub fn tables(&self) -> &[TablePlan] {
        &self.tables
    }

    /// What queries may ask for: per table the mapped columns, then those it `reads`. All are nullable but keys:
    /// rows written before a column was mapped have none.
    pub fn store_schema(&self) -> StoreSchema {
        self.tables.iter().map(|table| (table.name.clone(), Arc::new(table.readable()))).collect()
    }
}

impl TablePlan {
    /// The table's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How rows get there.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether to create it when it is missing.
    pub fn create(&self) -> bool {
        self.create
    }

    /// The columns that are written, in the order of [`TablePlan::schema`].
    pub fn columns(&self) -> &[PlannedColumn] {
        &self.columns
    }

    /// The columns that are only read.
    pub fn reads(&self) -> &[(String, ColumnType)] {
        &self.reads
    }

    /// The schema of projected rows.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The pipeline columns whose values stand in a column of their own.
    pub fn takes(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().filter_map(|column| match &column.origin {
            Origin::Column { name, .. } => Some(name.as_str()),
            Origin::Json { .. } => None,
        })
    }

    /// The column of a time that says how new a row is, as an index into [`TablePlan::columns`].
    pub fn newest_time(&self) -> Option<usize> {
        self.with_role(Role::Newest).find(|&column| self.columns[column].column_type == ColumnType::Time)
    }

    /// The columns of this role, as indices into [`TablePlan::columns`].
    pub fn with_role(&self, role: Role) -> impl Iterator<Item = usize> {
        self.columns.iter().enumerate().filter(move |(_, column)| column.role == role).map(|(index, _)| index)
    }

    /// The column of the table that holds this pipeline column as it is; of several, the one that says how new a row is,
    /// and one that is set on insert only as a last resort.
    pub fn column_of(&self, pipeline_column: &str) -> Option<&str> {
        let plain = |column: &&PlannedColumn| matches!(&column.origin, Origin::Column { name, .. } if name == pipeline_column);
        let rank = |column: &&PlannedColumn| match column.role {
            Role::Newest => 0,
            Role::Key | Role::Value => 1,
            Role::First => 2,
        };
        self.columns.iter().filter(plain).min_by_key(rank).map(|column| column.name.as_str())
    }

    /// Where a table gets one row of several (`distinct`): the columns that say which poll a row is of and whose row it
    /// is, as indices into [`TablePlan::columns`]. Empty where the table has no such columns: two rows of one poll
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

    fn readable(&self) -> Schema {
        let mapped = self.columns.iter().map(|column| {
            let key = column.role == Role::Key;
            column.field.clone().with_nullable(!key)
        });
        let read = self.reads.iter().map(|(name, column_type)| column_type.field(name));
        Schema::new(mapped.chain(read).collect::<Vec<_>>())
    }
}
