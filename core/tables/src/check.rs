//! From a mapping as people write it to its plan, or to every complaint about it at once.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_schema::{Field, Schema};

use crate::column_type::ColumnType;
use crate::config::{Column, ColumnOptions, Condition, Mode, Table, Tables};
use crate::plan::{Origin, PlannedColumn, Role, TablePlan, TablesPlan};
use smiles_stage::{ColumnMeta, Kind, Path, Problem, Problems, SOURCE, TIME};

impl TablesPlan {
    /// Checks a mapping against the columns that enter.
    ///
    /// # Errors
    /// Everything that does not fit, each below `at`, the place of the mapping in the options.
    pub fn new(tables: &Tables, input: &Schema, at: &Path) -> Result<Self, Problems> {
        let mut check = Check::new(input);
        let planned = tables.0.iter().map(|(name, table)| check.table(name, table, &at.key(name))).collect();
        if tables.0.is_empty() {
            check.error(at.clone(), "no table is mapped", "name at least one table and its columns");
        }
        check.finish().map(|()| Self { tables: planned })
    }
}

/// Collects complaints while it plans; a plan that comes with complaints is thrown away.
struct Check<'a> {
    input: &'a Schema,
    problems: Problems,
}

impl<'a> Check<'a> {
    fn new(input: &'a Schema) -> Self {
        Self { input, problems: Problems::new() }
    }

    fn finish(self) -> Result<(), Problems> {
        if self.problems.is_empty() { Ok(()) } else { Err(self.problems) }
    }

    fn error(&mut self, at: Path, message: impl Into<String>, help: impl Into<String>) {
        self.problems.push(Problem::error(at, message).help(help));
    }

    fn table(&mut self, name: &str, table: &Table, at: &Path) -> TablePlan {
        self.name(name, "table", at);
        if ["smiles_", "sqlite_", "pg_"].iter().any(|taken| name.starts_with(taken)) {
            self.error(at.clone(), format!("the table name `{name}` is reserved"), "choose another name");
        }
        self.mode(table, at);
        let mut columns: Vec<PlannedColumn> = table
            .columns
            .iter()
            .map(|(name, column)| self.column(name, column, &at.key("columns")))
            .collect();
        self.roles(table, &mut columns, at);
        self.reads(table, at);
        self.pipeline_columns(&table.distinct, &at.key("distinct"));
        for (column, condition) in table.filter.iter() {
            self.condition(column, condition, &at.key("where"));
        }
        let schema = Schema::new(columns.iter().map(|column| column.field.clone()).collect::<Vec<_>>());
        TablePlan {
            name: name.to_owned(),
            mode: table.mode,
            create: table.create,
            measurements: self.measurements(table, &columns),
            columns,
            reads: table.reads.clone().into_iter().collect(),
            filter: table.filter.clone().into_iter().collect(),
            distinct: table.distinct.clone(),
            schema: Arc::new(schema),
        }
    }

    fn name(&mut self, name: &str, what: &str, at: &Path) {
        if name.is_empty() || name.contains('\0') {
            self.error(at.clone(), format!("a {what} needs a name"), "write at least one character");
        }
    }

    /// Options that do not go with the mode.
    fn mode(&mut self, table: &Table, at: &Path) {
        let upsert = table.mode == Mode::Upsert;
        let misplaced = [
            ("key", !upsert && !table.key.is_empty(), "`mode: upsert`"),
            ("newest", !upsert && table.newest.is_some(), "`mode: upsert`"),
            ("first", !upsert && !table.first.is_empty(), "`mode: upsert`"),
            ("columns", table.mode == Mode::Read && !table.columns.is_empty(), "`mode: append` or `upsert`"),
            ("where", table.mode == Mode::Read && !table.filter.is_empty(), "`mode: append` or `upsert`"),
            (
                "distinct",
                table.mode == Mode::Read && !table.distinct.is_empty(),
                "`mode: append` or `upsert`",
            ),
        ];
        for (option, wrong, goes_with) in misplaced {
            if wrong {
                let help = format!("write {goes_with} or remove `{option}`");
                self.error(at.key(option), format!("`{option}` needs {goes_with}"), help);
            }
        }
        if upsert && table.key.is_empty() {
            let help = "name the target columns that identify a row: `key: [..]`";
            self.error(at.clone(), "`mode: upsert` needs a `key`", help);
        }
        if table.mode == Mode::Read && table.reads.is_empty() {
            self.error(at.clone(), "`mode: read` needs `reads`", "name the columns and their types");
        }
        if table.mode != Mode::Read && table.columns.is_empty() {
            self.error(
                at.clone(),
                "the table has no `columns`",
                "map at least one: `columns: {target: column}`",
            );
        }
    }

    fn column(&mut self, name: &str, column: &Column, at: &Path) -> PlannedColumn {
        let at = at.key(name);
        self.name(name, "column", &at);
        let (field, origin) = match column {
            Column::Name(from) => self.plain(name, from, None, &at, &at),
            Column::Options(ColumnOptions { column: Some(from), stored_as, json: None, misdated: None }) => {
                self.plain(name, from, *stored_as, &at.key("column"), &at.key("type"))
            }
            Column::Options(ColumnOptions {
                column: None,
                stored_as: None,
                json: Some(members),
                misdated,
            }) => {
                for (member, from) in members.iter() {
                    self.stored(from, &at.key("json").key(member));
                }
                (
                    ColumnType::Json.field(name),
                    Origin::Json {
                        members: members.clone().into_iter().collect(),
                        misdated: misdated.clone(),
                    },
                )
            }
            Column::Options(_) => {
                let help = "write `{column: name, type: float64}` or `{json: {name: column}}`";
                self.error(at.clone(), "give either `column` (with an optional `type`) or `json`", help);
                (ColumnType::Text.field(name), Origin::Json { members: Vec::new(), misdated: None })
            }
        };
        let column_type = ColumnType::of(&field).unwrap_or(ColumnType::Text);
        PlannedColumn { name: name.to_owned(), column_type, role: Role::Value, field, origin }
    }

    /// A target column taken from one pipeline column, perhaps in another type.
    fn plain(
        &mut self,
        name: &str,
        from: &str,
        stored_as: Option<ColumnType>,
        at: &Path,
        type_at: &Path,
    ) -> (Field, Origin) {
        let known = self.stored(from, at);
        let given = known.map(|(_, column_type)| column_type);
        if let (Some(given), Some(wanted)) = (given, stored_as)
            && !given.fits(wanted)
        {
            let message = format!("`{from}` is {given} and cannot be stored as {wanted}");
            self.error(type_at.clone(), message, format!("remove `type`, or write `type: {given}`"));
        }
        let mut field = stored_as.or(given).unwrap_or(ColumnType::Text).field(name);
        if let Some((source, _)) = known {
            field = field.with_unit_of(source);
            field = source.kind().map_or(field.clone(), |kind| field.with_kind(kind));
            field = source.resolution().map_or(field.clone(), |step| field.with_resolution(step));
            field = source.labels().map_or(field.clone(), |labels| field.with_labels(&labels));
        }
        let nullable = known.is_none_or(|(source, _)| source.is_nullable());
        (field, Origin::Column { name: from.to_owned(), nullable })
    }

    /// The pipeline column of this name and what it is stored as; complains if there is none.
    fn stored(&mut self, name: &str, at: &Path) -> Option<(&'a Field, ColumnType)> {
        let Ok(field) = self.input.field_with_name(name) else {
            let known = self.input.fields().iter().map(|field| field.name().as_str());
            let problem = Problem::error(at.clone(), format!("no column `{name}` enters this sink"));
            self.problems.push(problem.suggest(name, known));
            return None;
        };
        let column_type = ColumnType::of(field);
        if column_type.is_none() {
            let message = format!("column `{name}` is {} and fits no table", field.data_type());
            self.error(at.clone(), message, "map a number, text, bool or time column");
        }
        column_type.map(|column_type| (field, column_type))
    }

    fn pipeline_columns(&mut self, names: &[String], at: &Path) {
        for (index, name) in names.iter().enumerate() {
            self.stored(name, &at.index(index));
            self.twice(names, index, at);
        }
    }

    fn twice(&mut self, names: &[String], index: usize, at: &Path) {
        if names[..index].contains(&names[index]) {
            self.error(
                at.index(index),
                format!("`{}` stands here twice", names[index]),
                "remove one of them",
            );
        }
    }

    fn roles(&mut self, table: &Table, columns: &mut [PlannedColumn], at: &Path) {
        for (option, names, role) in [("key", &table.key, Role::Key), ("first", &table.first, Role::First)] {
            for (index, name) in names.iter().enumerate() {
                self.twice(names, index, &at.key(option));
                self.role(name, role, columns, &at.key(option).index(index));
            }
        }
        let Some(newest) = &table.newest else { return };
        let at = at.key("newest");
        let name = target_of(newest, columns).unwrap_or_else(|| newest.clone());
        self.role(&name, Role::Newest, columns, &at);
        let found = columns.iter().find(|column| column.name == name).map(|column| column.column_type);
        if let Some(other) = found
            && !matches!(other, ColumnType::Time | ColumnType::Int64)
        {
            self.error(
                at,
                format!("`{newest}` is {other} and cannot say what is newest"),
                "name a time column",
            );
        }
    }

    fn role(&mut self, name: &str, role: Role, columns: &mut [PlannedColumn], at: &Path) {
        match columns.iter_mut().find(|column| column.name == name) {
            Some(column) if column.role == Role::Value || column.role == role => column.role = role,
            Some(_) => {
                let message = format!("`{name}` cannot be two of `key`, `first` and `newest`");
                self.error(at.clone(), message, "name it in one of them");
            }
            None => {
                let known: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
                let problem = Problem::error(at.clone(), format!("target column `{name}` is not mapped"));
                self.problems.push(problem.suggest(name, known));
            }
        }
    }

    fn reads(&mut self, table: &Table, at: &Path) {
        let mapped: BTreeSet<&str> = table.columns.keys().map(String::as_str).collect();
        for (name, _) in table.reads.iter() {
            self.name(name, "column", &at.key("reads"));
            if mapped.contains(name.as_str()) {
                let help = "remove it from `reads`: mapped columns can be read anyway";
                self.error(at.key("reads").key(name), format!("`{name}` is mapped already"), help);
            }
        }
    }

    fn condition(&mut self, name: &str, condition: &Condition, at: &Path) {
        let at = at.key(name);
        let Some((_, column_type)) = self.stored(name, &at) else { return };
        let comparable = match condition {
            _ if condition.is_not_null() => true,
            Condition::Bool(_) => column_type == ColumnType::Bool,
            Condition::Int(_) => matches!(column_type, ColumnType::Int64 | ColumnType::Float64),
            Condition::Float(_) => column_type == ColumnType::Float64,
            Condition::Text(_) => column_type == ColumnType::Text,
        };
        if !comparable {
            let message = format!("`{name}` is {column_type} and never equals this value");
            self.error(at, message, "compare it with a value of its own type, or with `not_null`");
        }
    }

    /// The pipeline columns that tell a row that was heard from one that was not.
    fn measurements(&self, table: &Table, columns: &[PlannedColumn]) -> Vec<String> {
        let mapped = || {
            columns.iter().filter_map(|column| match &column.origin {
                Origin::Column { name, .. } if column.role != Role::Key && !table.distinct.contains(name) => {
                    Some((name, &column.field))
                }
                _ => None,
            })
        };
        let measured: Vec<String> =
            mapped().filter(|(_, field)| is_measured(field)).map(|(name, _)| name.clone()).collect();
        if !measured.is_empty() {
            return measured;
        }
        mapped().map(|(name, _)| name.clone()).filter(|name| name != TIME && name != SOURCE).collect()
    }
}

fn is_measured(field: &Field) -> bool {
    match field.kind() {
        Some(kind) => kind != Kind::State,
        None => field.unit().is_some(),
    }
}

/// `newest` may name the pipeline column: then its one target that is not set on insert only is meant.
fn target_of(newest: &str, columns: &[PlannedColumn]) -> Option<String> {
    if columns.iter().any(|column| column.name == newest) {
        return None;
    }
    let mut targets = columns.iter().filter(|column| {
        column.role == Role::Value && matches!(&column.origin, Origin::Column { name, .. } if name == newest)
    });
    let target = targets.next()?;
    targets.next().is_none().then(|| target.name.clone())
}
