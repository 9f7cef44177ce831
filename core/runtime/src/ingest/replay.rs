//! Dead letters of transforms that a person handed back: their rows go through the transform that rejected them and the
//! ones behind it once more. The letters leave in the record of the batch that comes of it, so that each row goes on once.

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{RecordBatch, RecordBatchOptions, new_null_array};
use arrow_schema::{ArrowError, SchemaRef};
use arrow_select::concat::concat_batches;
use jiff::Timestamp;
use smiles_journal::{Entry, JournalError, Rejected, RejectedRows, ReplayOutcome, ReplayRequest};
use smiles_stage::{PassInfo, SOURCE, StageError, TIME};

use crate::ingest::stored::recalled;
use crate::ingest::task::IngestTask;

/// The code of a row that can go through no transform any more.
const UNFIT: &str = "unfit";

impl IngestTask {
    /// Everything that was handed back, batch by batch. What fails stays handed back and is tried at the next look.
    pub(crate) async fn go_through_again(&mut self) -> Result<(), JournalError> {
        loop {
            let told = match self.journal.replay_requests().await {
                Ok(dead_letters) if dead_letters.is_empty() => return Ok(()),
                Ok(dead_letters) => self.again(dead_letters).await,
                Err(error) => Err(error),
            };
            self.health_board.dirty.notify_one();
            match told {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(JournalError::Closed) => return Err(JournalError::Closed),
                Err(error) => {
                    let pipeline = self.pipeline.as_str();
                    tracing::warn!(pipeline, %error, "cannot replay dead letters of a transform now; this is retried");
                    return Ok(());
                }
            }
        }
    }

    /// The letters of one transform and one batch; whether they are done with.
    async fn again(&mut self, dead_letters: Vec<ReplayRequest>) -> Result<bool, JournalError> {
        // As before any row of a source: a transform that asked what the store knows has its answer.
        if let Some(answers) = recalled(&mut self.recall).await {
            self.chain.answered(answers);
        }
        let (pipeline, now) = (self.pipeline.clone(), self.clock_trust.now(self.clock.as_ref()));
        let transform = dead_letters.first().map(|letter| letter.transform.clone()).unwrap_or_default();
        let unfit = |reason: String| -> Vec<ReplayOutcome> {
            let why = |letter: ReplayRequest| ReplayOutcome {
                letter,
                again: Some((UNFIT.to_owned(), reason.clone())),
            };
            dead_letters.iter().cloned().map(why).collect()
        };
        let Some((place, columns)) = self.chain.find(&transform) else {
            let reason = format!("the pipeline file has no transform `{transform}` any more");
            tracing::error!(pipeline, transform, reason, "dead letters cannot be replayed and are kept");
            self.journal.returned(unfit(reason), now).await?;
            return Ok(true);
        };
        let rows = match rows(&dead_letters, &columns) {
            Ok(rows) => rows,
            Err(error) => {
                let reason =
                    format!("the row does not match the columns that `{transform}` now takes: {error}");
                tracing::error!(pipeline, transform, reason, "dead letters cannot be replayed and are kept");
                self.journal.returned(unfit(reason), now).await?;
                return Ok(true);
            }
        };
        let pass = self.pass_of(&rows, now);
        match self.chain.apply_from(place, rows, &pass, &mut |_, _| {}) {
            Ok(records) => self.gone_through(dead_letters, records).await,
            Err(failed) => {
                let (transform, error) = (failed.transform, failed.error.chain());
                tracing::error!(
                    pipeline,
                    transform,
                    error,
                    "cannot replay dead letters while a transform fails; this is retried"
                );
                Ok(false)
            }
        }
    }

    /// The pass that rows once were part of: nobody is missing because of them.
    fn pass_of(&mut self, rows: &RecordBatch, now: Timestamp) -> PassInfo {
        let times =
            rows.column_by_name(TIME).and_then(|times| times.as_primitive_opt::<TimestampMicrosecondType>());
        let began = times.and_then(|times| times.iter().flatten().min());
        let began = began.and_then(|micros| Timestamp::from_microsecond(micros).ok()).unwrap_or(now);
        let source = rows.column_by_name(SOURCE).and_then(|names| names.as_string_opt::<i32>());
        let source = source.and_then(|names| names.iter().flatten().next()).unwrap_or_default().to_owned();
        let mut pass = self.pass(usize::MAX, began, false);
        pass.source = source;
        pass
    }

    /// One record: the batch, what it changed, and the letters it came from.
    async fn gone_through(
        &mut self,
        dead_letters: Vec<ReplayRequest>,
        records: RecordBatch,
    ) -> Result<bool, JournalError> {
        let (refused, rejected) = sort(&dead_letters, self.chain.rejected());
        let went_on = dead_letters.len() - refused.len();
        let returned: Vec<ReplayOutcome> = dead_letters
            .into_iter()
            .zip(0..)
            .map(|(letter, number)| {
                let again = refused.iter().find(|row| row.row == number);
                ReplayOutcome { letter, again: again.map(|row| (row.code.clone(), row.reason.clone())) }
            })
            .collect();
        let (state, now) = (self.chain.staged(), self.clock_trust.now(self.clock.as_ref()));
        let appended = if went_on == 0 {
            // A transform that rejects a row has learned nothing from it.
            self.journal.returned(returned, now).await
        } else {
            let aside = RejectedRows { rejected, returned };
            let entry = Entry { records, state, complete: false, aside, now };
            self.journal.append(entry).await.map(drop)
        };
        match appended {
            Ok(()) if went_on > 0 => self.kept(),
            Ok(()) => self.chain.discard(),
            Err(error) => {
                self.chain.discard();
                return Err(error);
            }
        }
        let (pipeline, rejected) = (self.pipeline.as_str(), refused.len());
        tracing::info!(pipeline, rows = went_on, rejected, "dead letters replayed through the transforms");
        Ok(true)
    }
}

/// What the transform rejected again, and what one behind it rejected.
fn sort(dead_letters: &[ReplayRequest], rejected: Vec<Rejected>) -> (Vec<Rejected>, Vec<Rejected>) {
    let transform = dead_letters.first().map_or("", |letter| letter.transform.as_str());
    rejected.into_iter().partition(|row| row.transform == transform)
}

/// The rows as one batch of the columns that enter the transform now. A column that is new is null.
fn rows(dead_letters: &[ReplayRequest], columns: &SchemaRef) -> Result<RecordBatch, StageError> {
    let unfit = |error: ArrowError| StageError::halt(error.to_string());
    let fitted =
        dead_letters.iter().map(|letter| fitted(&letter.row, columns)).collect::<Result<Vec<_>, _>>();
    concat_batches(columns, &fitted.map_err(unfit)?).map_err(unfit)
}

fn fitted(row: &RecordBatch, columns: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let column = |field: &std::sync::Arc<arrow_schema::Field>| match row.column_by_name(field.name()) {
        Some(column) => std::sync::Arc::clone(column),
        None => new_null_array(field.data_type(), row.num_rows()),
    };
    let options = RecordBatchOptions::new().with_row_count(Some(row.num_rows()));
    let all = columns.fields().iter().map(column).collect();
    RecordBatch::try_new_with_options(SchemaRef::clone(columns), all, &options)
}
