//! Whether the database fails over the values that it fills in itself.

use postgres_types::{ToSql, Type};
use smiles_stage::StageError;
use smiles_tables::TablePlan;

use crate::catalog_query::CatalogQuery;
use crate::sql::qualified;

/// Name, type and default of every column that gets its value from the database. A value of an identity column is
/// asked from its sequence.
const DEFAULTS: &str = "
SELECT a.attname::text, format_type(a.atttypid, a.atttypmod),
       CASE WHEN a.attidentity = '' THEN pg_get_expr(d.adbin, d.adrelid)
            ELSE format('nextval(%L)', pg_get_serial_sequence($1, a.attname)) END
FROM pg_attribute AS a LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
AND (d.oid IS NOT NULL OR a.attidentity <> '')
ORDER BY a.attnum";

/// Tries the defaults of the columns that the pipeline does not write, without a row; why they fail, if they do.
///
/// # Errors
/// The database could not be asked.
pub(crate) async fn fail(
    catalog: &CatalogQuery<'_>,
    table: &TablePlan,
) -> Result<Option<String>, StageError> {
    let name = qualified(&table.name);
    let parameters: [(&(dyn ToSql + Sync), Type); 1] = [(&name, Type::TEXT)];
    let asked = catalog.client.query_typed(DEFAULTS, &parameters);
    let rows = catalog.connector.within(catalog.limit(), "read", asked).await?;
    for row in rows {
        let text = |index| row.try_get::<_, Option<String>>(index).ok().flatten();
        let (Some(column), Some(of), Some(value)) = (text(0), text(1), text(2)) else { continue };
        if table.columns.iter().any(|planned| planned.name == column) {
            continue;
        }
        // An assignment, as an insert makes it; a cast would cut what is too long.
        let text = format!("DO {}", quoted(&format!("DECLARE it {of} := {value}; BEGIN NULL; END")));
        let tried = tokio::time::timeout(catalog.limit(), catalog.client.batch_execute(&text)).await;
        let failed = tried.map_err(|_| catalog.connector.silent(catalog.limit()))?;
        let Err(error) = failed else { continue };
        if let Some(undo) = catalog.undo {
            catalog.connector.within(catalog.limit(), "write to", catalog.client.batch_execute(undo)).await?;
        }
        if error.code().is_some_and(|code| code.code().starts_with("22")) {
            return Ok(Some(format!(
                "the default of `{column}`, which the pipeline does not write, fails in table `{}`: mend it",
                table.name
            )));
        }
    }
    Ok(None)
}

/// The text as a literal of dollars that it does not hold.
fn quoted(body: &str) -> String {
    let mut mark = "$smiles$".to_owned();
    while body.contains(&mark) {
        mark.insert(1, '_');
    }
    format!("{mark}{body}{mark}")
}
