//! `smiles migrate`: the tables of every target, brought up to date now instead of at the first connect of `run`.

use std::fmt::Write as _;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::anyhow;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use smiles_config::Environment;
use smiles_stage::{Migrate, Migrated, time_zone};

use crate::command::console::print;
use crate::command::one_off::{block_on_until_signal, one_off_options};
use crate::exit::Failure;
use crate::project::{DataDir, Project};
use crate::{logging, project, registry};

pub(crate) fn run(args: &MigrateArgs) -> Result<(), Failure> {
    let environment = Environment::from_process();
    logging::start(&environment)?;
    if let Some(zone) = &args.timezone
        && let Err(problem) = time_zone(zone, smiles_stage::Path::root())
    {
        let help = problem.help.unwrap_or_default();
        return Err(Failure::configuration(format!("--timezone: {}; {help}", problem.message)));
    }
    let data_dir = project::data_dir(args.data.data_dir.as_deref(), &environment);
    let load = || {
        let entries = project::entries_alone(&args.files, &environment)?;
        project::open_all(&entries, &environment, &registry::built_in())
    };
    let how = |dry_run| Migrate { dry_run, timezone: args.timezone.clone() };
    block_on_until_signal(async {
        // What is to come is said before anything is touched.
        let planned = all(load()?, &data_dir, &how(true)).await?;
        print(&report(&planned))?;
        if args.dry_run || planned.iter().all(|(_, planned)| planned.steps.is_empty()) {
            return Ok(());
        }
        all(load()?, &data_dir, &how(false)).await?;
        print("done\n")
    })
}

/// Migrates, or asks, the targets of all pipelines.
async fn all(
    projects: Vec<Project>,
    data_dir: &Path,
    how: &Migrate,
) -> Result<Vec<(String, Migrated)>, Failure> {
    let options = one_off_options(data_dir)?;
    let progress = (!how.dry_run).then(spinner);
    let mut done = Vec::new();
    for project in projects {
        let watch = |target: &str| {
            if let Some(progress) = &progress {
                progress.set_message(format!("migrating {target}"));
            }
        };
        let migrated = project.wired.migrate(options.clone(), how, watch).await;
        done.extend(migrated.map_err(|error| anyhow!(error))?);
    }
    if let Some(progress) = progress {
        progress.finish_and_clear();
    }
    Ok(done)
}

/// A statement that writes a table anew tells nothing on its way; the time it takes is all there is to show.
fn spinner() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} {msg}, {elapsed}");
    let bar =
        ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn report(planned: &[(String, Migrated)]) -> String {
    if planned.is_empty() {
        return "no target of this pipeline has migrations\n".to_owned();
    }
    let mut text = String::new();
    for (sink, planned) in planned {
        // Writing to a String cannot fail.
        _ = writeln!(text, "{sink}: {}", planned.target);
        for step in &planned.steps {
            _ = writeln!(text, "  {}", step.name);
            for table in &step.rewrites {
                let rows = table
                    .rows
                    .map_or("rows not counted lately".to_owned(), |rows| format!("about {rows} rows"));
                let (name, bytes) = (&table.name, people(table.bytes));
                _ = writeln!(text, "    rewrites {name}: {rows}, {bytes} with indexes");
            }
        }
        if planned.steps.is_empty() {
            text.push_str("  up to date\n");
        }
        if planned.bytes() > 0 {
            text.push_str(&effort(planned));
        }
    }
    text
}

/// How much room and time it takes, and how instants are read.
fn effort(planned: &Migrated) -> String {
    let free = match planned.free_bytes {
        Some(free) if free < planned.bytes() => format!("only {} free: make room first", people(free)),
        Some(free) => format!("{} free", people(free)),
        None => "how much is free this role may not ask".to_owned(),
    };
    let (best, worst) = planned.expected();
    let zone = planned.timezone.as_deref().unwrap_or("UTC");
    format!(
        "  needs {} of disk meanwhile ({free}); takes between {} and {}, during which these tables are locked\n  \
         instants without a time zone are read as {zone} (--timezone says otherwise)\n",
        people(planned.bytes()),
        indicatif::HumanDuration(best),
        indicatif::HumanDuration(worst),
    )
}

fn people(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string()
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  smiles migrate --dry-run                     what would be done to the database of DB_HOST, and how long it takes
  smiles migrate                               do it; `smiles run` does the same by itself at its first connect
  smiles migrate --timezone Europe/Berlin      instants stored without a time zone are of that one
  smiles migrate my-meter.yaml                 the targets of a pipeline of your own

A database of the earlier system is adopted in place: nothing is copied, nothing is lost.")]
pub(crate) struct MigrateArgs {
    /// Pipeline files; none: the stock pipeline
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Only say what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Time zone of instants stored without one [default: that of the database role]
    #[arg(long, value_name = "ZONE")]
    pub(crate) timezone: Option<String>,
    #[command(flatten)]
    pub(crate) data: DataDir,
}

#[cfg(test)]
mod tests {
    use smiles_stage::{MigrationStep, RewrittenTable};

    use super::*;

    #[test]
    fn the_report_says_what_room_and_how_long() {
        let table = RewrittenTable { name: "readings".into(), rows: Some(2_000_000), bytes: 300 << 20 };
        let step = MigrationStep { name: "001_adopt.sql".into(), rewrites: vec![table] };
        let planned = Migrated {
            target: "PostgreSQL db:5432/solar".into(),
            steps: vec![step],
            timezone: Some("Europe/Berlin".into()),
            free_bytes: Some(100 << 20),
        };
        let text = report(&[("store".into(), planned.clone())]);
        for words in [
            "store: PostgreSQL db:5432/solar",
            "about 2000000 rows, 300.00 MiB",
            "only 100.00 MiB free: make room first",
            "between 4 seconds and 40 seconds",
            "read as Europe/Berlin",
        ] {
            assert!(text.contains(words), "{words} is missing in\n{text}");
        }
        let fine = report(&[("store".into(), Migrated { steps: vec![], ..planned })]);
        assert!(fine.contains("up to date") && !fine.contains("disk"), "{fine}");
    }
}
