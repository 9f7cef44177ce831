//! Attributes a refused statement to a row, to the table, or to neither if this error alone does not say.

use rusqlite::{Connection, ErrorCode, ffi};
use smiles_tables::{Mode, Role, TablePlan};

use crate::error::{failure, says_wrong_tables};
use crate::words::{of_check, of_generated, words};

/// What makes the statement fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Culprit {
    /// Nothing of rows: the file, its disk, other programs, tables that do not fit.
    NoRow,
    /// The row: a column that the pipeline writes breaks a rule.
    Row,
    /// The table, for this reason: every row waits until that is mended.
    Table(String),
    /// Perhaps a trigger; other rows will tell.
    Unclear,
}

/// Whose fault it is that a statement which writes this table failed.
///
/// # Errors
/// The file could not be asked.
pub(crate) fn culprit(
    connection: &Connection,
    table: &TablePlan,
    error: &rusqlite::Error,
) -> rusqlite::Result<Culprit> {
    let Some(failed) = failure(error) else { return Ok(Culprit::NoRow) };
    let table = TableRules { connection, table };
    let said = error.to_string();
    match failed.code {
        ErrorCode::TooBig => Ok(Culprit::Row),
        ErrorCode::TypeMismatch => table.of_key(),
        ErrorCode::ConstraintViolation => match failed.extended_code {
            ffi::SQLITE_CONSTRAINT_CHECK => table.of_check(&said),
            ffi::SQLITE_CONSTRAINT_FOREIGNKEY => table.of_reference(),
            ffi::SQLITE_CONSTRAINT_NOTNULL
            | ffi::SQLITE_CONSTRAINT_UNIQUE
            | ffi::SQLITE_CONSTRAINT_PRIMARYKEY
            | ffi::SQLITE_CONSTRAINT_ROWID
            | ffi::SQLITE_CONSTRAINT_DATATYPE => table.of_columns(&said),
            _ => Ok(Culprit::Unclear),
        },
        // What a function within a check, a generated column or a trigger could not do; a statement that cannot be
        // understood comes in a variant of its own.
        ErrorCode::Unknown
            if matches!(error, rusqlite::Error::SqliteFailure(..)) && !says_wrong_tables(error) =>
        {
            Ok(Culprit::Unclear)
        }
        _ => Ok(Culprit::NoRow),
    }
}

/// Whose fault it is that the commit failed: only references wait for it.
///
/// # Errors
/// The file could not be asked.
pub(crate) fn of_commit<'a>(
    connection: &Connection,
    tables: impl Iterator<Item = &'a TablePlan>,
) -> rusqlite::Result<Culprit> {
    let mut all = Vec::new();
    for table in tables {
        all.push(TableRules { connection, table }.of_reference()?);
    }
    let certain: Vec<&Culprit> = all.iter().filter(|culprit| **culprit != Culprit::Unclear).collect();
    Ok(match certain.as_slice() {
        [first, rest @ ..]
            if rest.iter().all(|other| std::mem::discriminant(*other) == std::mem::discriminant(*first)) =>
        {
            (*first).clone()
        }
        _ => Culprit::Unclear,
    })
}

struct TableRules<'a> {
    connection: &'a Connection,
    table: &'a TablePlan,
}

impl TableRules<'_> {
    fn is_written(&self, column: &str) -> bool {
        self.table.columns.iter().any(|planned| planned.name.eq_ignore_ascii_case(column))
    }

    /// Lists of the answer's first column.
    fn ask(&self, sql: &str, name: &str) -> rusqlite::Result<Vec<String>> {
        let mut statement = self.connection.prepare(sql)?;
        let rows = statement.query_map([name], |row| row.get::<_, Option<String>>(0))?;
        rows.filter_map(Result::transpose).collect()
    }

    fn text(&self) -> rusqlite::Result<String> {
        let find = "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE";
        Ok(self.ask(find, &self.table.name)?.pop().unwrap_or_default())
    }

    fn columns(&self) -> rusqlite::Result<Vec<String>> {
        self.ask("SELECT name FROM pragma_table_xinfo(?1)", &self.table.name)
    }

    /// A rule over these columns: of a generated one it is one over what makes it.
    fn over(&self, columns: &[String], rule: &str) -> rusqlite::Result<Culprit> {
        let text = self.text()?;
        let made = |column: &String| of_generated(&text, column).unwrap_or_default();
        if columns
            .iter()
            .any(|column| self.is_written(column) || made(column).iter().any(|it| self.is_written(it)))
        {
            return Ok(Culprit::Row);
        }
        let table = &self.table.name;
        Ok(Culprit::Table(format!(
            "{rule} of table `{table}` concerns only `{}`, which the pipeline does not write: mend that; no row is to \
             blame, and all are delivered then",
            columns.join(", ")
        )))
    }

    /// `UNIQUE constraint failed: t.a, t.b`, `… index 'name'`, `cannot store TEXT value in INTEGER column t.a`.
    fn of_columns(&self, said: &str) -> rusqlite::Result<Culprit> {
        if let Some((_, index)) = said.split_once("index '") {
            let index = index.trim_end_matches('\'');
            return self
                .of_indexes("SELECT sql FROM sqlite_schema WHERE type = 'index' AND name = ?1", index);
        }
        let listed = said.rsplit_once(": ").map_or(said, |(_, listed)| listed);
        let listed = listed.rsplit_once(" column ").map_or(listed, |(_, column)| column);
        let mut columns = Vec::new();
        for column in listed.split(", ") {
            match column.rsplit_once('.') {
                Some((table, column)) if table.eq_ignore_ascii_case(&self.table.name) => {
                    columns.push(column.to_owned());
                }
                // Another table: a trigger wrote it.
                _ => return Ok(Culprit::Unclear),
            }
        }
        let culprit = self.over(&columns, "a constraint")?;
        if !matches!(culprit, Culprit::Table(_)) {
            return Ok(culprit);
        }
        // Nothing says which index it was: one of some rows may choose them by what is written.
        let partial =
            "SELECT s.sql FROM pragma_index_list(?1) AS l JOIN sqlite_schema AS s ON s.name = l.name
                       WHERE l.partial = 1 AND l.\"unique\" = 1";
        match self.of_indexes(partial, &self.table.name)? {
            Culprit::Row => Ok(Culprit::Unclear),
            _ => Ok(culprit),
        }
    }

    fn of_indexes(&self, find: &str, name: &str) -> rusqlite::Result<Culprit> {
        let columns = self.columns()?;
        let mut read: Vec<String> = Vec::new();
        for index in self.ask(find, name)? {
            let words = words(index.split_once('(').map_or("", |(_, rest)| rest));
            read.extend(columns.iter().filter(|column| words.contains(&column.to_lowercase())).cloned());
        }
        if read.is_empty() { Ok(Culprit::Unclear) } else { self.over(&read, "a unique index") }
    }

    /// `CHECK constraint failed: name`, or the expression of one without a name.
    fn of_check(&self, said: &str) -> rusqlite::Result<Culprit> {
        let name = said.split_once("failed: ").map_or(said, |(_, name)| name);
        let text = self.text()?;
        let read = match of_check(&text, name) {
            Some(read) => read,
            None if text.contains(name) => words(name),
            // Of another table: a trigger wrote it.
            None => return Ok(Culprit::Unclear),
        };
        let columns = self.columns()?.into_iter().filter(|column| read.contains(&column.to_lowercase()));
        self.over(&columns.collect::<Vec<_>>(), &format!("the check `{name}`"))
    }

    /// References of this table, and for an upsert those of others to what it may change.
    fn of_reference(&self) -> rusqlite::Result<Culprit> {
        let name = &self.table.name;
        let own = "SELECT group_concat(\"from\", ', ') FROM pragma_foreign_key_list(?1) GROUP BY id";
        let others = "SELECT group_concat(f.\"to\", ', ') FROM sqlite_schema AS s, pragma_foreign_key_list(s.name) AS f
                      WHERE s.type = 'table' AND f.\"table\" = ?1 COLLATE NOCASE GROUP BY s.name, f.id";
        let list = |group: &String| group.split(", ").map(str::to_owned).collect::<Vec<_>>();
        let mut groups: Vec<Vec<String>> = self.ask(own, name)?.iter().map(list).collect();
        if self.table.mode == Mode::Upsert {
            let changes =
                |group: &Vec<String>| group.iter().any(|it| self.is_written(it) && !self.is_key(it));
            groups.extend(self.ask(others, name)?.iter().map(list).filter(changes));
        }
        let mut verdicts = Vec::new();
        for group in &groups {
            verdicts.push(self.over(group, "a foreign key")?);
        }
        let rows = verdicts.iter().filter(|culprit| **culprit == Culprit::Row).count();
        Ok(match verdicts.pop() {
            Some(last) if rows == 0 => last,
            Some(_) if rows == groups.len() => Culprit::Row,
            _ => Culprit::Unclear,
        })
    }

    fn is_key(&self, column: &str) -> bool {
        let mut keys = self.table.with_role(Role::Key).map(|index| &self.table.columns[index].name);
        keys.any(|key| key.eq_ignore_ascii_case(column))
    }

    /// `datatype mismatch`: what is no whole number, in a column that is the row's own number.
    fn of_key(&self) -> rusqlite::Result<Culprit> {
        let keys = self.ask("SELECT name FROM pragma_table_info(?1) WHERE pk > 0", &self.table.name)?;
        Ok(if keys.iter().any(|key| self.is_written(key)) { Culprit::Row } else { Culprit::Unclear })
    }
}
