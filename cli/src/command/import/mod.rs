//! `smiles import`: takes over what an earlier system stored, and mends what it stored wrongly.

mod convert;
mod report;
mod rules;
mod source;
mod target;

use std::io::IsTerminal;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use arrow_array::{Array, RecordBatch};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};
use smiles_config::Environment;
use smiles_stage::{Migrate, RunId};

use crate::args::ImportArgs;
use crate::exit::Failure;
use crate::{logging, project, registry, stock};
use convert::{BadCell, Clock, TextRow};
use report::{Report, Taken};
use rules::{Rules, Step};
use source::Source;
use target::{Target, Workshop};

/// Rows per transaction.
const PIECE: usize = 10_000;
/// Bad cells that are named; a file whose every line is wrong has one mistake.
const NAMED: usize = 20;

pub(super) fn run(args: &ImportArgs) -> Result<(), Failure> {
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
        options: super::errand(&data_dir)?,
    };
    super::block_on(async {
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
        let mut import =
            Import { workshop: &workshop, source, zone, dry_run: args.dry_run, stop: Stop::listen() };
        let report = import.all(&rules, args.table.as_deref(), &shown).await?;
        super::print(&report.to_string())?;
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
    TimeZone::get(name).map_err(|_| {
        let help = "write an IANA name such as Europe/Berlin, or UTC (--timezone)";
        Failure::configuration(format!("no such time zone `{name}`; {help}"))
    })
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
        return super::print(
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
    super::print(&text)
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

struct Import<'a> {
    workshop: &'a Workshop,
    source: Source,
    zone: TimeZone,
    dry_run: bool,
    stop: Stop,
}

impl Import<'_> {
    async fn all(&mut self, rules: &Rules, only: Option<&str>, shown: &str) -> Result<Report, Failure> {
        let mut report = Report::new(shown, &self.zone, self.dry_run);
        if let Some(only) = only
            && !rules.steps.iter().any(|step| step.table == only)
        {
            let known: Vec<&str> = rules.steps.iter().map(|step| step.table.as_str()).collect();
            let message =
                format!("--table: nothing is known of a table `{only}`; there are {}", known.join(", "));
            return Err(Failure::configuration(message));
        }
        let mut found = false;
        for step in rules.steps.iter().filter(|step| only.is_none_or(|only| only == step.table)) {
            if self.stop.asked() {
                break;
            }
            let there = self.source.columns(&step.table).await?;
            if there.is_empty() {
                continue;
            }
            found = true;
            self.fits(step, &there)?;
            let taken = self.step(step, report.clock()).await?;
            report.add(&step.table, taken);
        }
        if !found {
            let known: Vec<&str> = rules.steps.iter().map(|step| step.table.as_str()).collect();
            let message =
                format!("{shown} has none of the tables that can be imported: {}", known.join(", "));
            return Err(Failure::configuration(message));
        }
        Ok(report)
    }

    /// Whether the table has every column that is to be read.
    fn fits(&self, step: &Step, there: &[String]) -> Result<(), Failure> {
        let is_there = |name: &str| there.iter().any(|column| column == name);
        // Of a file of one's own the columns that are not there are null; the keys must be.
        let is_csv = matches!(self.source, Source::Csv(_));
        let missing: Vec<&str> = step
            .columns
            .names()
            .filter(|name| !is_there(name) && (!is_csv || step.key.iter().any(|key| key == name)))
            .collect();
        if missing.is_empty() {
            let unknown: Vec<&str> = there
                .iter()
                .map(String::as_str)
                .filter(|name| is_csv && *name != "id" && !step.columns.names().any(|known| known == *name))
                .collect();
            if unknown.is_empty() {
                return Ok(());
            }
            let known: Vec<&str> = step.columns.names().collect();
            return Err(Failure::configuration(format!(
                "line 1: `{}` has no column {}; there are {}",
                step.table,
                unknown.join(", "),
                known.join(", ")
            )));
        }
        Err(Failure::configuration(format!(
            "the table `{}` has no column {}",
            step.table,
            missing.join(", ")
        )))
    }

    async fn step(&mut self, step: &Step, clock: &mut Clock) -> Result<Taken, Failure> {
        let columns: Vec<String> = step.columns.names().map(str::to_owned).collect();
        let schema = convert::schema(step);
        let number = self.number(step);
        if matches!(self.source, Source::Csv(_)) {
            // Nothing of a file is written as long as something in it is wrong.
            self.proofread(step, &columns).await?;
        }
        let total = self.source.count(&step.table).await?;
        let mut taken = Taken { total, ..Taken::default() };
        let (mut chain, output) = self.workshop.transforms(step, Arc::clone(&schema))?;
        let first = self.source.rows(&step.table, &columns, number.as_deref(), 0, 1).await?;
        let Some(first) = first.into_iter().next() else { return Ok(taken) };
        let mut target = None;
        let mut after = 0;
        if !self.dry_run {
            let mut opened = self.workshop.open(step, &output, run_of(step, &first)).await?;
            let (mark, id) = opened.mark().await?;
            self.is_another(id.as_deref()).await?;
            after = mark;
            target = Some(opened);
        }
        let bar = progress("{msg:20} {bar:30} {pos}/{len} rows, {per_sec}, {eta} left", Some(total));
        bar.set_message(step.table.clone());
        let mut numbered = if number.is_some() { after } else { 0 };
        while !self.stop.asked() {
            let mut rows =
                self.source.rows(&step.table, &columns, number.as_deref(), numbered, PIECE).await?;
            if rows.len() == PIECE {
                convert::end_at_pause(step, &mut rows, &self.zone);
            }
            let Some(last) = rows.last().map(|(number, _)| *number) else { break };
            let read = rows.len() as u64;
            self.piece(
                step,
                &schema,
                rows,
                clock,
                &mut chain,
                &mut target,
                &mut taken,
                if number.is_some() { last } else { after + 1 },
            )
            .await?;
            bar.inc(read);
            numbered = last;
            if number.is_none() {
                break;
            }
        }
        bar.finish_and_clear();
        Ok(taken)
    }

    /// The column that numbers a table's rows; a file has its lines.
    fn number(&self, step: &Step) -> Option<String> {
        match self.source {
            Source::Csv(_) => Some("line".to_owned()),
            Source::Postgres(_) | Source::Sqlite(_) => step.number.clone(),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one piece on its way from the source to the target")]
    async fn piece(
        &self,
        step: &Step,
        schema: &arrow_schema::SchemaRef,
        mut rows: Vec<TextRow>,
        clock: &mut Clock,
        chain: &mut target::Chain,
        target: &mut Option<Target>,
        taken: &mut Taken,
        number: i64,
    ) -> Result<(), Failure> {
        taken.read += rows.len() as u64;
        taken.repeated += convert::without_repeats(step, &mut rows, &self.zone);
        let batch = convert::batch(step, schema, &rows, &self.zone, clock)
            .map_err(|bad| wrong_cells(&step.table, &bad))?;
        let mended = chain.apply(batch.clone()).map_err(|error| Failure::Runtime(source::told(error)))?;
        taken.not_heard += rows_with_new_nulls(&batch, &mended);
        if let Some(target) = target {
            let written = target.write(number, mended).await?;
            taken.written += written.rows;
            taken.refused.extend(written.refused);
        } else {
            taken.written += rows.len() as u64;
        }
        Ok(())
    }

    /// Reads all of a file for its mistakes alone.
    async fn proofread(&mut self, step: &Step, columns: &[String]) -> Result<(), Failure> {
        let schema = convert::schema(step);
        let (mut after, mut bad) = (0, Vec::new());
        loop {
            let rows = self.source.rows(&step.table, columns, Some("line"), after, PIECE).await?;
            let Some((last, _)) = rows.last() else { break };
            after = *last;
            if let Err(more) = convert::batch(step, &schema, &rows, &self.zone, &mut Clock::default()) {
                bad.extend(more);
            }
        }
        if bad.is_empty() { Ok(()) } else { Err(wrong_cells(&step.table, &bad)) }
    }

    /// A database is not taken over into itself.
    async fn is_another(&self, target: Option<&str>) -> Result<(), Failure> {
        let Source::Postgres(source) = &self.source else { return Ok(()) };
        let own = source.target_id().await.map_err(source::told)?;
        if own.is_some() && own.as_deref() == target {
            return Err(Failure::configuration(
                "this database is the one the pipeline writes to: it needs no import. --in-place mends what the earlier \
                 system left in it",
            ));
        }
        Ok(())
    }
}

/// The name of a table of a source, by what stands in its first row: the same however often and from where it is read.
fn run_of(step: &Step, first: &TextRow) -> RunId {
    let mut hash = Sha256::new();
    hash.update(step.table.as_bytes());
    // Of a small table, which is written anew every time, the first row may be any.
    if step.number.is_some() {
        hash.update(format!("{first:?}"));
    }
    let mut id = [0; 16];
    id.copy_from_slice(&hash.finalize()[..16]);
    RunId(id)
}

/// Rows in which a value became null.
fn rows_with_new_nulls(before: &RecordBatch, after: &RecordBatch) -> u64 {
    let pairs: Vec<_> = before
        .columns()
        .iter()
        .zip(after.columns())
        .filter(|(a, b)| a.null_count() != b.null_count())
        .collect();
    let changed =
        |row: &usize| pairs.iter().any(|(before, after)| before.is_valid(*row) && after.is_null(*row));
    (0..before.num_rows()).filter(changed).count() as u64
}

fn wrong_cells(table: &str, bad: &[BadCell]) -> Failure {
    let mut lines: Vec<String> = bad.iter().take(NAMED).map(|cell| format!("{table}, {cell}")).collect();
    if bad.len() > NAMED {
        lines.push(format!("and {} more", bad.len() - NAMED));
    }
    Failure::configuration(lines.join("\nerror: "))
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
