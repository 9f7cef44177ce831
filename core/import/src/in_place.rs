//! A database of the earlier system that the pipeline goes on with: adopted, then mended where it is.

use smiles_runtime::Wired;
use smiles_stage::Migrate;

use crate::error::{ImportError, told};
use crate::progress::Progress;
use crate::rules::Rules;
use crate::target::StageFactory;

/// Adopts the pipeline's own database, then mends what stands in it; says what was mended, for people.
///
/// # Errors
/// There is no such database, or it could not be done.
pub async fn mend(
    stage_factory: &StageFactory,
    wired: Wired,
    rules: &Rules,
    how: &Migrate,
    progress: &dyn Fn(Progress<'_>),
) -> Result<String, ImportError> {
    let store = stage_factory.store()?.clone();
    if store.options.get("database").is_none() {
        return Err(ImportError::Refused(
            "--in-place mends a database of the earlier system that DB_HOST names; there is none. To take one over from \
             elsewhere name it: smiles import postgres://USER@HOST/DATABASE"
                .to_owned(),
        ));
    }
    let migrated = wired.migrate(stage_factory.options.clone(), how, |_| {}).await.map_err(told)?;
    let waiting = migrated.iter().any(|(_, migrated)| !migrated.steps.is_empty());
    if waiting && how.dry_run {
        return Ok(
            "the database is still that of the earlier system: `smiles migrate --dry-run` says what adopting it takes.\n\
             What there is to mend can be counted afterwards.\n"
                .to_owned(),
        );
    }
    let database = smiles_sink_postgres::Extract::of_sink(&store.options).await.map_err(told)?;
    let statements: Vec<&str> = rules.in_place.iter().map(|mend| mend.sql.as_str()).collect();
    progress(Progress::Mending);
    let changed = database.change(&statements, how.dry_run).await;
    progress(Progress::Ended);
    let mut text = format!("{}: {}\n", database.place(), if how.dry_run { "would mend" } else { "mended" });
    for (mend, rows) in rules.in_place.iter().zip(changed.map_err(told)?) {
        text.push_str(&format!("  {rows:>10} {}\n", mend.mends));
    }
    Ok(text)
}
