//! Which columns a violated constraint concerns, and whether the pipeline writes any of them.

use postgres_types::{ToSql, Type};
use smiles_stage::StageError;
use smiles_tables::{Mode, TablePlan};
use tokio_postgres::error::DbError;
use tokio_postgres::{Client, Row};

use crate::catalog_query::CatalogQuery;
use crate::sql::qualified;

/// The columns that a violated constraint concerns.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ConstraintColumns {
    /// A column that the pipeline writes is among them.
    pub(crate) written: bool,
    /// Neither that nor the contrary is certain.
    pub(crate) unclear: bool,
    /// The columns that it does not write.
    pub(crate) others: Vec<String>,
    /// Of these, one that the database counts up.
    pub(crate) counted: Option<String>,
}

/// The columns of a constraint or unique index (`$3`) of the table `$1`.`$2`, or its column `$4` alone: of a foreign
/// key on both sides, of an expression or a generated column all that it reads. With each: whether it is on the far
/// side, the written table (`$5`) that its table is or is a part of, whether the database counts it up, and whether a
/// trigger may set it before the row is stored. A whole row has no name.
const COLUMNS: &str = "
WITH RECURSIVE named AS (
    SELECT c.oid FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relname = $2
), con AS (
    SELECT k.* FROM pg_constraint AS k JOIN named ON k.conrelid = named.oid WHERE k.conname = $3
), idx AS (
    SELECT i.* FROM pg_index AS i JOIN named ON i.indrelid = named.oid
    JOIN pg_class AS x ON x.oid = i.indexrelid WHERE x.relname = $3
), parts (far, rel, attnum) AS (
    SELECT false, conrelid, unnest(conkey) FROM con
    UNION SELECT true, confrelid, unnest(confkey) FROM con WHERE contype = 'f'
    UNION SELECT false, a.attrelid, a.attnum FROM pg_attribute AS a JOIN named ON a.attrelid = named.oid
          WHERE a.attname = $4
    UNION SELECT false, d.refobjid, d.refobjsubid::smallint FROM pg_depend AS d JOIN named ON d.refobjid = named.oid
          WHERE d.refclassid = 'pg_class'::regclass
          AND d.refobjsubid <> 0
          AND (d.classid = 'pg_constraint'::regclass AND d.objid IN (SELECT oid FROM con WHERE contype <> 'f')
               OR d.classid = 'pg_class'::regclass AND d.objid IN (SELECT indexrelid FROM idx))
), read (far, rel, attnum) AS (
    SELECT * FROM parts
    UNION SELECT p.far, p.rel, d.refobjsubid::smallint
          FROM parts AS p
          JOIN pg_attribute AS a ON a.attrelid = p.rel AND a.attnum = p.attnum AND a.attgenerated <> ''
          LEFT JOIN pg_attrdef AS f ON f.adrelid = p.rel AND f.adnum = p.attnum
          JOIN pg_depend AS d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = p.rel AND d.refobjsubid <> 0
               AND (d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid
                    OR d.classid = 'pg_class'::regclass AND d.objid = p.rel AND d.objsubid = p.attnum)
), up (rel, oid) AS (
    SELECT rel, rel FROM read
    UNION SELECT up.rel, i.inhparent FROM up JOIN pg_inherits AS i ON i.inhrelid = up.oid
)
SELECT DISTINCT r.far, a.attname::text,
       (SELECT min(w.name) FROM unnest($5) AS w (name) JOIN up ON up.rel = r.rel
        WHERE to_regclass(w.name) = up.oid),
       coalesce(a.attidentity <> '' OR pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%', false),
       EXISTS (SELECT 1 FROM up JOIN pg_trigger AS t ON t.tgrelid = up.oid
               WHERE up.rel = r.rel AND NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype & 3 = 3
               AND t.tgtype & 20 <> 0)
FROM read AS r
LEFT JOIN pg_attribute AS a ON a.attrelid = r.rel AND a.attnum = r.attnum AND r.attnum > 0
LEFT JOIN pg_attrdef AS d ON d.adrelid = r.rel AND d.adnum = r.attnum AND a.attgenerated = ''
ORDER BY 2";

/// Whether there still is such a constraint without columns: it holds for no row or for all.
const CONSTANT: &str = "
SELECT EXISTS (SELECT 1 FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conrelid
               JOIN pg_namespace AS n ON n.oid = c.relnamespace
               WHERE n.nspname = $1 AND c.relname = $2 AND k.conname = $3 AND k.contype = 'c')";

/// The columns of a domain, or of types made of it, in the written tables (`$3`).
const OF_DOMAIN: &str = "
WITH RECURSIVE made (oid) AS (
    SELECT t.oid FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace
    WHERE n.nspname = $1 AND t.typname = $2
    UNION SELECT t.oid FROM pg_type AS t JOIN made ON t.typbasetype = made.oid OR t.typelem = made.oid
)
SELECT false, a.attname::text, w.name, false, false
FROM unnest($3) AS w (name) JOIN pg_attribute AS a ON a.attrelid = to_regclass(w.name)
WHERE a.attnum > 0 AND NOT a.attisdropped AND a.atttypid IN (SELECT oid FROM made)
ORDER BY 2";

/// A column of a constraint.
#[derive(Debug)]
struct Column {
    far: bool,
    name: Option<String>,
    /// The written table that it belongs to, as SQL names it.
    table: Option<String>,
    counted: bool,
    set_by_trigger: bool,
}

impl Column {
    fn read(row: &Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self {
            far: row.try_get(0)?,
            name: row.try_get(1)?,
            table: row.try_get(2)?,
            counted: row.try_get(3)?,
            set_by_trigger: row.try_get(4)?,
        })
    }
}

/// What the violated constraint of this error concerns; `written`: by a statement that writes this table.
///
/// # Errors
/// The catalogue could not be asked.
pub(crate) async fn concerned(
    catalog: &CatalogQuery<'_>,
    written: Option<&str>,
    error: &DbError,
) -> Result<ConstraintColumns, StageError> {
    let tables: Vec<&TablePlan> = catalog.tables.written().collect();
    let names: Vec<String> = tables.iter().map(|table| qualified(&table.name)).collect();
    let asked = ask(catalog.client, &names, error);
    let (columns, constant) = catalog.connector.within(catalog.limit(), "read", asked).await?;
    let find = |name: &str| names.iter().position(|known| known == name).map(|index| tables[index]);
    Ok(weigh(&columns, constant, written, error.datatype().is_some(), find))
}

async fn ask(
    client: &Client,
    names: &Vec<String>,
    error: &DbError,
) -> Result<(Vec<Column>, bool), tokio_postgres::Error> {
    let schema = error.schema().unwrap_or_default();
    if let Some(datatype) = error.datatype() {
        let parameters: [(&(dyn ToSql + Sync), Type); 3] =
            [(&schema, Type::TEXT), (&datatype, Type::TEXT), (names, Type::TEXT_ARRAY)];
        let rows = client.query_typed(OF_DOMAIN, &parameters).await?;
        return Ok((rows.iter().map(Column::read).collect::<Result<_, _>>()?, false));
    }
    let table = error.table().unwrap_or_default();
    let (constraint, column) = (error.constraint().unwrap_or_default(), error.column().unwrap_or_default());
    let rows = client
        .query_typed(
            COLUMNS,
            &[
                (&schema, Type::TEXT),
                (&table, Type::TEXT),
                (&constraint, Type::TEXT),
                (&column, Type::TEXT),
                (names, Type::TEXT_ARRAY),
            ],
        )
        .await?;
    if !rows.is_empty() {
        return Ok((rows.iter().map(Column::read).collect::<Result<_, _>>()?, false));
    }
    let parameters: [(&(dyn ToSql + Sync), Type); 3] =
        [(&schema, Type::TEXT), (&table, Type::TEXT), (&constraint, Type::TEXT)];
    let constant = client.query_typed_one(CONSTANT, &parameters).await?.try_get(0)?;
    Ok((Vec::new(), constant))
}

/// `find`: the written table of a name.
fn weigh<'a>(
    columns: &[Column],
    constant: bool,
    written: Option<&str>,
    of_domain: bool,
    find: impl Fn(&str) -> Option<&'a TablePlan>,
) -> ConstraintColumns {
    // A foreign key may be broken from both ends; by the statement at work from one, unless its table refers to itself.
    let table_of = |column: &Column| column.table.as_deref().and_then(&find);
    let at_work = |table: &TablePlan| written.is_none_or(|name| name == table.name);
    let is_written = |column: &Column| {
        let table = table_of(column).filter(|table| at_work(table));
        table.zip(column.name.as_deref()).is_some_and(|(table, name)| {
            (!column.far || table.mode == Mode::Upsert)
                && table.columns.iter().any(|planned| planned.name == name)
        })
    };
    let of_others = |column: &&Column| of_domain && !table_of(column).is_some_and(at_work);
    let (far, near): (Vec<&Column>, Vec<&Column>) =
        columns.iter().filter(|column| !of_others(column)).partition(|column| column.far);
    let near_ours = near.iter().any(|column| table_of(column).is_some_and(at_work));
    let near_written = near.iter().any(|column| is_written(column));
    let far_written = far.iter().any(|column| is_written(column));
    let others: Vec<&&Column> = near.iter().filter(|column| !is_written(column)).collect();
    let counted = others.iter().all(|column| column.counted);
    let foreign = !constant && !near_ours;
    ConstraintColumns {
        written: (near_written && (others.is_empty() || !of_domain)) || (far_written && !near_ours),
        unclear: foreign
            || (of_domain && near_written)
            || far_written
            || near.iter().any(|column| column.name.is_none())
            || (!counted && others.iter().any(|column| column.set_by_trigger)),
        others: others.iter().filter_map(|column| column.name.clone()).collect(),
        counted: others.iter().find(|column| column.counted).and_then(|column| column.name.clone()),
    }
}
