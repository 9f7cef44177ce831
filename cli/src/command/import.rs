//! `smiles import`: takes over what an earlier system stored, and mends what it stored wrongly.

mod convert;
mod repeats;
mod report;
mod rules;
mod source;
mod target;
mod transfer;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::tz::TimeZone;
use rules::Rules;
use smiles_config::Environment;
use smiles_stage::Migrate;
use source::Source;
use target::Workshop;
use transfer::Import;

use crate::command::console::print;
use crate::command::errand::{block_on, errand};
use crate::exit::Failure;
use crate::project::DataDir;
use crate::{logging, project, registry, stock};

pub(crate) fn run(args: &ImportArgs) -> Result<(), Failure> {
    let environment = Environment::from_process();
    logging::start(&environment)?;
    let zone = args.timezone.as_deref().map(zone).transpose()?;
    let rules = read_rules(args)?;
    // The device of the pipeline is not asked: its address need not be known.
    let environment = match environment.get("DTU_HOST") {
        None => environment.with("DTU_HOST", "localhost"),
        Some(_) => environment,
    };
    let files: Vec<_> = args.into.iter().cloned().collect();
    let [entry] = &project::entries_alone(&files, &environment)?[..] else {
        return Err(Failure::configuration("--into names one pipeline file"));
    };
    let data_dir = project::data_dir(args.data.data_dir.as_deref(), &environment);
    let opened = project::open(entry, &environment, &registry::built_in())?;
    let pipeline = opened.loaded.pipeline.clone().context("a pipeline that was opened is there")?;
    let workshop = Workshop {
        pipeline,
        registry: opened.loaded.registry.clone(),
        files: Arc::clone(&opened.loaded.files),
        options: errand(&data_dir)?,
    };
    block_on(async {
        if args.in_place {
            let how = Migrate { dry_run: args.dry_run, timezone: args.timezone.clone() };
            return in_place(&workshop, opened, &rules, &how).await;
        }
        let argument = args.source.as_deref().unwrap_or_default();
        let source = Source::open(argument, args.table.as_deref()).await?;
        let zone = match (zone, source.zone()) {
            (Some(zone), _) => zone,
            (None, Some(said)) => self::zone(said)?,
            (None, None) => {
                self::zone(environment.get("TIMEZONE").filter(|zone| !zone.is_empty()).unwrap_or("UTC"))?
            }
        };
        let shown = source.shown(argument);
        let mut import = Import {
            workshop: &workshop,
            source,
            zone,
            dry_run: args.dry_run,
            skip_refused: args.skip_refused,
            stop: Stop::listen(),
        };
        let report = import.all(&rules, args.table.as_deref(), &shown).await?;
        print(&report.to_string())?;
        if import.stop.asked() {
            return Err(anyhow!("stopped; the same command goes on where this one ended").into());
        }
        Ok(())
    })
}

fn read_rules(args: &ImportArgs) -> Result<Rules, Failure> {
    match &args.rules {
        None => Rules::parse(stock::text(stock::IMPORT), stock::IMPORT),
        Some(path) => {
            let name = path.display().to_string();
            let text = std::fs::read_to_string(path)
                .map_err(|error| Failure::configuration(format!("--rules: cannot read {name}: {error}")))?;
            Rules::parse(&text, &name)
        }
    }
}

fn zone(name: &str) -> Result<TimeZone, Failure> {
    smiles_stage::time_zone(name)
        .map_err(|(message, help)| Failure::configuration(format!("{message} (--timezone); {help}")))
}

/// Adopts the pipeline's own database, then mends what stands in it.
async fn in_place(
    workshop: &Workshop,
    opened: project::Project,
    rules: &Rules,
    how: &Migrate,
) -> Result<(), Failure> {
    let store = workshop.store()?.clone();
    if store.options.get("database").is_none() {
        return Err(Failure::configuration(
            "--in-place mends a database of the earlier system that DB_HOST names; there is none. To take one over from \
             elsewhere name it: smiles import postgres://USER@HOST/DATABASE",
        ));
    }
    let migrated = opened.wired.migrate(workshop.options.clone(), how, |_| {}).await;
    let migrated = migrated.map_err(|error| anyhow!(error))?;
    let waiting = migrated.iter().any(|(_, migrated)| !migrated.steps.is_empty());
    if waiting && how.dry_run {
        return print(
            "the database is still that of the earlier system: `smiles migrate --dry-run` says what adopting it takes.\n\
             What there is to mend can be counted afterwards.\n",
        );
    }
    let database = smiles_sink_postgres::Extract::of_sink(&store.options).await.map_err(source::told)?;
    let statements: Vec<&str> = rules.in_place.iter().map(|mend| mend.sql.as_str()).collect();
    let spinner = progress("mending {elapsed}", None);
    let changed = database.change(&statements, how.dry_run).await;
    spinner.finish_and_clear();
    let mut text = format!("{}: {}\n", database.place(), if how.dry_run { "would mend" } else { "mended" });
    for (mend, rows) in rules.in_place.iter().zip(changed.map_err(source::told)?) {
        text.push_str(&format!("  {rows:>10} {}\n", mend.mends));
    }
    print(&text)
}

/// Notes Ctrl-C: the piece under way is finished, since half of it would be undone anyway.
struct Stop(tokio_util::sync::CancellationToken);

impl Stop {
    fn listen() -> Self {
        let token = tokio_util::sync::CancellationToken::new();
        let noticed = token.clone();
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                noticed.cancel();
            }
        });
        Self(token)
    }

    fn asked(&self) -> bool {
        self.0.is_cancelled()
    }
}

fn progress(template: &str, total: Option<u64>) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new).with_style(style);
    bar.enable_steady_tick(std::time::Duration::from_millis(200));
    bar
}

#[derive(Debug, Args)]
#[command(override_usage = "smiles import [OPTIONS] <SOURCE>\n       smiles import [OPTIONS] --in-place")]
#[command(after_help = "Examples:
  smiles import postgres://me@old-server/readings --dry-run   what a copy from another server would bring
  smiles import postgres://me@old-server/readings             the copy; the password stands in ~/.pgpass
  smiles import /data/old.db --timezone Europe/Berlin         a database file of version 1
  smiles import readings.csv --table port_data                rows of your own, by the names in line 1
  DB_HOST=localhost smiles import --in-place --dry-run        what there is to mend in an adopted database

Where to: the store of the stock pipeline (PostgreSQL if DB_HOST is set, else SQLite), or that of
--into. The bridge may run meanwhile. An import that was interrupted goes on when it is called again;
one that is done does nothing.
MIGRATION_GUIDE.md goes through it step by step.")]
pub(crate) struct ImportArgs {
    /// postgres://USER@HOST/DATABASE, an SQLite file, or a .csv file
    #[arg(value_name = "SOURCE", required_unless_present = "in_place", conflicts_with = "in_place")]
    pub(crate) source: Option<String>,
    /// Only this table; for a CSV file the one its rows belong to
    #[arg(long, value_name = "TABLE", conflicts_with = "in_place")]
    pub(crate) table: Option<String>,
    /// Mend a database of the earlier system where it is, after adopting it
    #[arg(long)]
    pub(crate) in_place: bool,
    /// Pipeline file whose store takes the rows; none: the stock pipeline
    #[arg(long, value_name = "FILE")]
    pub(crate) into: Option<PathBuf>,
    /// Which tables are taken over and what is mended [default: built in]
    #[arg(long, value_name = "FILE")]
    pub(crate) rules: Option<PathBuf>,
    /// Leave out for good what the target refuses; else the import stops there, to go on once that is mended
    #[arg(long)]
    pub(crate) skip_refused: bool,
    /// Only say what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Time zone of instants stored without one [default: that of the database role; of a file: TIMEZONE, else UTC]
    #[arg(long, value_name = "ZONE")]
    pub(crate) timezone: Option<String>,
    #[command(flatten)]
    pub(crate) data: DataDir,
}
