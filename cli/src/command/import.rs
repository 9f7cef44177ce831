//! `smiles import`: takes over what an earlier system stored, and mends what it stored wrongly.

use std::cell::RefCell;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::tz::TimeZone;
use smiles_config::Environment;
use smiles_import::{Import, ImportError, Progress, Rules, Source, StageFactory};
use smiles_stage::{Migrate, Path, read_limited};
use tokio_util::sync::CancellationToken;

use crate::command::console::print;
use crate::command::one_off::{block_on, one_off_options};
use crate::exit::Failure;
use crate::project::DataDir;
use crate::{logging, project, registry, stock};

/// More than any rules.
const MAX_RULES_BYTES: u64 = 8 << 20;

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
    let stage_factory = StageFactory {
        pipeline,
        registry: opened.loaded.registry.clone(),
        files: Arc::clone(&opened.loaded.files),
        options: one_off_options(&data_dir)?,
    };
    let bar = RefCell::new(ProgressBar::hidden());
    let progress = |progress: Progress<'_>| show(&bar, progress);
    block_on(async {
        if args.in_place {
            let how = Migrate { dry_run: args.dry_run, timezone: args.timezone.clone() };
            return print(&smiles_import::mend(&stage_factory, opened.wired, &rules, &how, &progress).await?);
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
        let stop = interrupted();
        let mut import = Import {
            stage_factory: &stage_factory,
            source,
            zone,
            dry_run: args.dry_run,
            skip_refused: args.skip_refused,
            stop: stop.clone(),
            progress: &progress,
        };
        let report = import.all(&rules, args.table.as_deref()).await?;
        print(&report.to_string())?;
        if stop.is_cancelled() {
            return Err(anyhow!("stopped; the same command continues where this one ended").into());
        }
        match report.left_out() {
            0 => Ok(()),
            rows => Err(anyhow!("{rows} rows were left out").into()),
        }
    })
}

fn read_rules(args: &ImportArgs) -> Result<Rules, Failure> {
    match &args.rules {
        None => Ok(Rules::parse(stock::text(stock::IMPORT), stock::IMPORT)?),
        Some(path) => {
            let name = path.display().to_string();
            let text: String = read_limited(path, MAX_RULES_BYTES)
                .map_err(|error| Failure::configuration(format!("--rules: cannot read {name}: {error}")))?;
            Ok(Rules::parse(&text, &name)?)
        }
    }
}

fn zone(name: &str) -> Result<TimeZone, Failure> {
    smiles_stage::time_zone(name, Path::root()).map_err(|problem| {
        let help = problem.help.unwrap_or_default();
        Failure::configuration(format!("{} (--timezone); {help}", problem.message))
    })
}

/// Is cancelled by Ctrl-C.
fn interrupted() -> CancellationToken {
    let token = CancellationToken::new();
    let noticed = token.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            noticed.cancel();
        }
    });
    token
}

/// Shows on a terminal how far it is.
fn show(bar: &RefCell<ProgressBar>, progress: Progress<'_>) {
    match progress {
        Progress::Table { name, rows } => {
            let template = "{msg:20} {bar:30} {pos}/{len} rows, {per_sec}, {eta} left";
            bar.replace(begin(template, Some(rows))).finish_and_clear();
            bar.borrow().set_message(name.to_owned());
        }
        Progress::Rows(more) => bar.borrow().inc(more),
        Progress::Mending => bar.replace(begin("mending {elapsed}", None)).finish_and_clear(),
        Progress::Ended => bar.borrow().finish_and_clear(),
    }
}

fn begin(template: &str, total: Option<u64>) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new).with_style(style);
    bar.enable_steady_tick(std::time::Duration::from_millis(200));
    bar
}

impl From<ImportError> for Failure {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Refused(message) => Self::configuration(message),
            ImportError::Failed(_) | ImportError::Csv { .. } => Self::Runtime(error.into()),
        }
    }
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
