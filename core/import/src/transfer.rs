//! Table by table from a source to the store: in pieces, each with its mark, mended on the way.

use std::sync::Arc;

use arrow_array::{Array, RecordBatch};
use arrow_schema::SchemaRef;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};
use smiles_stage::RunId;
use tokio_util::sync::CancellationToken;

use crate::convert::{self, BadCell, Clock, TextRow};
use crate::error::{ImportError, told};
use crate::progress::Progress;
use crate::repeats;
use crate::report::{Report, Taken};
use crate::rules::{Rules, Step};
use crate::source::Source;
use crate::target::{Chain, StageFactory, Written};

/// Rows per transaction.
const PIECE: usize = 10_000;
/// Bad cells and refused rows that are named; a file whose every line is wrong has one mistake.
const NAMED: usize = 20;

/// One import.
pub struct Import<'a> {
    /// Makes the stages; its pipeline has the store that takes the rows.
    pub stage_factory: &'a StageFactory,
    /// Where the rows come from.
    pub source: Source,
    /// Of instants without one.
    pub zone: TimeZone,
    /// Nothing is written, only counted.
    pub dry_run: bool,
    /// Whether rows that the target refuses are left out for good.
    pub skip_refused: bool,
    /// Asks for the end: the piece under way is finished, since half of it would be undone anyway.
    pub stop: CancellationToken,
    /// Is told how far it is.
    pub progress: &'a dyn Fn(Progress<'_>),
}

impl Import<'_> {
    /// Takes over every table that the rules and the source have, or `only` one.
    ///
    /// # Errors
    /// Rules, source and target do not fit each other, or reading or writing failed.
    pub async fn all(&mut self, rules: &Rules, only: Option<&str>) -> Result<Report, ImportError> {
        let mut report = Report::new(&self.source.shown, &self.zone, self.dry_run);
        if let Some(only) = only
            && !rules.steps.iter().any(|step| step.table == only)
        {
            let known: Vec<&str> = rules.steps.iter().map(|step| step.table.as_str()).collect();
            let message =
                format!("--table: nothing is known of a table `{only}`; there are {}", known.join(", "));
            return Err(ImportError::Refused(message));
        }
        let mut found = false;
        for step in rules.steps.iter().filter(|step| only.is_none_or(|only| only == step.table)) {
            if self.stop.is_cancelled() {
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
            let message = format!(
                "{} has none of the tables that can be imported: {}",
                self.source.shown,
                known.join(", ")
            );
            return Err(ImportError::Refused(message));
        }
        Ok(report)
    }

    /// Whether the table has every column that is to be read.
    fn fits(&self, step: &Step, there: &[String]) -> Result<(), ImportError> {
        let is_there = |name: &str| there.iter().any(|column| column == name);
        // Of a file of one's own the columns that are not there are null; the keys must be.
        let is_csv = self.source.is_csv();
        let missing: Vec<&str> = step
            .columns
            .keys()
            .map(String::as_str)
            .filter(|name| !is_there(name) && (!is_csv || step.key.iter().any(|key| key == name)))
            .collect();
        if missing.is_empty() {
            let unknown: Vec<&str> = there
                .iter()
                .map(String::as_str)
                .filter(|name| is_csv && *name != "id" && !step.columns.contains_key(*name))
                .collect();
            if unknown.is_empty() {
                return Ok(());
            }
            let known: Vec<&str> = step.columns.keys().map(String::as_str).collect();
            return Err(ImportError::Refused(format!(
                "line 1: `{}` has no column {}; there are {}",
                step.table,
                unknown.join(", "),
                known.join(", ")
            )));
        }
        Err(ImportError::Refused(format!("the table `{}` has no column {}", step.table, missing.join(", "))))
    }

    async fn step(&mut self, step: &Step, clock: &mut Clock) -> Result<Taken, ImportError> {
        let columns: Vec<String> = step.columns.keys().cloned().collect();
        let schema = convert::schema(step);
        let number = self.number(step);
        if self.source.is_csv() {
            // Nothing of a file is written as long as something in it is wrong.
            self.proofread(step, &columns).await?;
        }
        let total = self.source.count(&step.table).await?;
        let mut taken = Taken { total, ..Taken::default() };
        let (mut chain, output) = self.stage_factory.transforms(step, Arc::clone(&schema))?;
        let first = self.source.rows(&step.table, &columns, number.as_deref(), 0, 1).await?;
        let Some(first) = first.into_iter().next() else { return Ok(taken) };
        let (mut target, mut mark) = (None, 0);
        if !self.dry_run {
            let mut opened = self.stage_factory.open(step, &output, run_of(step, &first)).await?;
            let (number, id) = opened.mark().await?;
            self.is_another(id.as_deref()).await?;
            (target, mark) = (Some(opened), number);
        }
        (self.progress)(Progress::Table { name: &step.table, rows: total });
        // A table without a number is small and overwrites what is there: it is taken whole, every time.
        let remembers = step.number.is_some();
        let mut after = if remembers { mark } else { 0 };
        while !self.stop.is_cancelled() {
            let mut rows = self.source.rows(&step.table, &columns, number.as_deref(), after, PIECE).await?;
            if rows.len() == PIECE {
                repeats::end_at_pause(step, &mut rows, &self.zone);
            }
            let Some(last) = rows.last().map(|(number, _)| *number) else { break };
            after = last;
            mark = if remembers { last } else { mark + 1 };
            (self.progress)(Progress::Rows(rows.len() as u64));
            let (mended, numbers) = self.mended(step, &schema, rows, clock, &mut chain, &mut taken)?;
            let rows = mended.num_rows() as u64;
            let written = match &mut target {
                Some(target) => target.write(mark, mended, self.skip_refused).await?,
                None => Written { rows, refused: Vec::new() },
            };
            taken.written += written.rows;
            let refused = written.refused.into_iter().map(|(row, reason)| self.at(&numbers, row, &reason));
            taken.refused.extend(refused);
            if !self.skip_refused && !taken.refused.is_empty() {
                (self.progress)(Progress::Ended);
                return Err(stopped(&step.table, &taken.refused));
            }
            if number.is_none() {
                break;
            }
        }
        (self.progress)(Progress::Ended);
        taken.swallowed = target.map_or(0, |target| target.swallowed());
        Ok(taken)
    }

    /// The column that numbers a table's rows; a file has its lines.
    fn number(&self, step: &Step) -> Option<String> {
        if self.source.is_csv() { Some("line".to_owned()) } else { step.number.clone() }
    }

    /// A piece as it goes to the target with the numbers of its rows, and the count of what was mended.
    fn mended(
        &self,
        step: &Step,
        schema: &SchemaRef,
        mut rows: Vec<TextRow>,
        clock: &mut Clock,
        chain: &mut Chain,
        taken: &mut Taken,
    ) -> Result<(RecordBatch, Vec<i64>), ImportError> {
        taken.read += rows.len() as u64;
        taken.repeated += repeats::without_repeats(step, &mut rows, &self.zone);
        let batch = convert::batch(step, schema, &rows, &self.zone, clock)
            .map_err(|bad| wrong_cells(&step.table, &bad))?;
        let mended = chain.apply(batch.clone()).map_err(told)?;
        taken.not_heard += rows_with_new_nulls(&batch, &mended);
        Ok((mended, rows.into_iter().map(|(number, _)| number).collect()))
    }

    /// A refusal with the place of its row in the source.
    fn at(&self, numbers: &[i64], row: usize, reason: &str) -> String {
        let what = if self.source.is_csv() { "line" } else { "row" };
        numbers.get(row).map_or_else(|| reason.to_owned(), |number| format!("{what} {number}: {reason}"))
    }

    /// Reads all of a file for its mistakes alone.
    async fn proofread(&mut self, step: &Step, columns: &[String]) -> Result<(), ImportError> {
        let schema = convert::schema(step);
        let (mut after, mut bad) = (0, Vec::new());
        let (mut oldest_first, mut first) = (true, None);
        loop {
            let rows = self.source.rows(&step.table, columns, Some("line"), after, PIECE).await?;
            let Some(last) = rows.last() else { break };
            first = first.or_else(|| rows.first().and_then(|row| repeats::at(step, row, &self.zone)));
            oldest_first = first <= repeats::at(step, last, &self.zone).or(first);
            after = last.0;
            if let Err(more) = convert::batch(step, &schema, &rows, &self.zone, &mut Clock::default()) {
                bad.extend(more);
            }
        }
        match (bad.is_empty(), oldest_first) {
            (false, _) => Err(wrong_cells(&step.table, &bad)),
            // The file is known by its first row. One that grows at the front would be another one each time, and all
            // of its rows would be taken again.
            (true, false) => Err(ImportError::Refused(format!(
                "the rows of `{}` come newest first: write them oldest first, so that a longer file of the same rows is \
                 known again; `(head -n 1 FILE; tail -n +2 FILE | tac) > SORTED.csv` turns them round",
                step.table
            ))),
            (true, true) => Ok(()),
        }
    }

    /// A database is not taken over into itself.
    async fn is_another(&self, target: Option<&str>) -> Result<(), ImportError> {
        let own = self.source.target_id().await?;
        if own.is_some() && own.as_deref() == target {
            return Err(ImportError::Refused(
                "this database is the one the pipeline writes to: it needs no import. --in-place mends what the earlier \
                 system left in it"
                    .to_owned(),
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

/// The target refuses rows: nothing of their piece was written.
fn stopped(table: &str, refused: &[String]) -> ImportError {
    ImportError::failed(format!(
        "the target refuses rows of `{table}`, and nothing from there on was written:\n  {}\nmend what they say (rows of \
         inverters that are not known: import `inverters` first), and the same command goes on there; --skip-refused \
         leaves them out for good",
        first(refused.iter().cloned()).join("\n  ")
    ))
}

fn wrong_cells(table: &str, bad: &[BadCell]) -> ImportError {
    ImportError::Refused(first(bad.iter().map(|cell| format!("{table}, {cell}"))).join("\nerror: "))
}

/// The first of them, and how many more there are.
fn first(all: impl ExactSizeIterator<Item = String>) -> Vec<String> {
    let more = all.len().saturating_sub(NAMED);
    let rest = (more > 0).then(|| format!("and {more} more"));
    all.take(NAMED).chain(rest).collect()
}
