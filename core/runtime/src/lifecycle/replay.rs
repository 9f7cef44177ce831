//! Dead letters brought to their target once more, each exactly once: whatever is in doubt, the target is asked about
//! the run of the replay. Any step may be the last one of this process; the next replay goes on from there.

use arrow_array::RecordBatch;
use arrow_select::concat::concat_batches;
use jiff::Timestamp;
use smiles_journal::{DeadLetter, DeadLetterId, JournalError, OperatorAccess, Replay};
use smiles_stage::{Action, Batch, Clock, Position, Rejection, RunId, Seq, StageError, TargetId, Watermark};

use crate::call::guard::guarded;
use crate::call::retry::Backoff;
use crate::call::upkeep::{forget, hand_over};
use crate::lifecycle::target::Target;

/// Letters of one replay: one transaction of the target.
const LETTERS_MAX: usize = 500;
/// Tries before a person is told that the target does not answer.
const TRIES: u32 = 5;

/// What became of the letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Rows that are in the target now.
    pub delivered: u64,
    /// Of these, rows of a replay that was interrupted before.
    pub earlier: u64,
    /// Letters that were refused again.
    pub refused: u64,
    /// Replays whose watermark could not be taken out of the target; the next one does.
    pub unpruned: u64,
}

/// Why a replay did not come to its end. What it had begun is ended by the next one.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The journal could not be asked.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The target could not be asked, or took nothing.
    #[error("`{sink}` cannot deliver: {said}")]
    Sink {
        /// The sink.
        sink: String,
        /// What it said.
        said: String,
    },
    /// The sink would write to something else than it did when the rows were refused.
    #[error(
        "`{sink}` has another target than before: run the pipeline, which delivers what the journal retains, then \
         replay"
    )]
    OtherTarget {
        /// The sink.
        sink: String,
    },
}

/// Replays these dead letters of the target's sink, after what an earlier replay left unfinished.
///
/// # Errors
/// See [`ReplayError`]; nothing is lost, and a row is never stored twice by replaying again.
pub async fn replay(
    guest: &OperatorAccess,
    target: &mut Target,
    dead_letters: &[DeadLetterId],
    clock: &dyn Clock,
) -> Result<Replayed, ReplayError> {
    let journal = guest.replay(&target.name)?;
    let known = journal.target()?;
    let mut courier = Replayer { journal, target, known, clock, told: Replayed::default() };
    for run in courier.journal.unfinished()? {
        courier.finish(run).await?;
    }
    courier.told.earlier = courier.told.delivered;
    for some in dead_letters.chunks(LETTERS_MAX) {
        if let Some(run) = courier.journal.begin(some)? {
            courier.finish(run).await?;
        }
    }
    Ok(courier.told)
}

struct Replayer<'a> {
    journal: Replay<'a>,
    target: &'a mut Target,
    /// What the sink wrote to when the rows were refused.
    known: Option<TargetId>,
    clock: &'a dyn Clock,
    told: Replayed,
}

/// What a try came to.
enum Step {
    /// All that is left of the replay is durable in the target.
    Stored,
    /// Nothing is left of it.
    Empty,
    /// Some rows were refused; the others are to be tried.
    Fewer,
}

/// Why a try came to nothing.
enum ReplayFailure {
    Stage(StageError),
    Final(ReplayError),
}

impl From<StageError> for ReplayFailure {
    fn from(error: StageError) -> Self {
        Self::Stage(error)
    }
}

impl<E: Into<ReplayError>> From<E> for ReplayFailure {
    fn from(error: E) -> Self {
        Self::Final(error.into())
    }
}

impl Replayer<'_> {
    /// Takes the replay to its end, from wherever it is.
    async fn finish(&mut self, run: RunId) -> Result<(), ReplayError> {
        let mut backoff = Backoff::new(run);
        let mut tries = 0;
        let stored = loop {
            match self.step(run).await {
                Ok(Step::Stored) => break true,
                Ok(Step::Empty) => break false,
                Ok(Step::Fewer) => {}
                Err(ReplayFailure::Final(error)) => return Err(error),
                Err(ReplayFailure::Stage(error)) => {
                    tries += 1;
                    if tries == TRIES || *error.action() == Action::Halt {
                        return Err(ReplayError::Sink {
                            sink: self.target.name.clone(),
                            said: error.chain(),
                        });
                    }
                    self.clock.sleep_until(self.clock.monotonic() + backoff.next()).await;
                }
            }
        };
        if stored {
            self.told.delivered += self.journal.delivered(run)?;
            if guarded(forget(self.target.sink.as_mut(), &[run])).await.is_err() {
                self.told.unpruned += 1;
                return Ok(());
            }
        }
        Ok(self.journal.forgotten(run)?)
    }

    /// Asks the target, and writes what it does not have.
    async fn step(&mut self, run: RunId) -> Result<Step, ReplayFailure> {
        if self.mark(run).await?.is_some_and(|mark| mark > Seq::ZERO) {
            return Ok(Step::Stored);
        }
        let mut marks = Vec::new();
        for run in self.journal.runs(run)? {
            marks.extend(self.mark(run).await?.map(|mark| (run, mark)));
        }
        let parcels = pack(run, self.journal.rows(run, &marks)?, self.clock.now())?;
        let Some(last) = parcels.last().map(|parcel| parcel.batch.position) else { return Ok(Step::Empty) };
        match self.write(&parcels).await {
            Ok(Some(reached)) if reached == last => Ok(Step::Stored),
            Ok(_) => Err(StageError::retry("the sink does not report the rows as stored").into()),
            Err(error) => match error.action() {
                Action::Reject { rows } => {
                    let Some(dead_letters) = refused(&parcels, rows, self.clock.now()) else {
                        return Err(error.into());
                    };
                    self.journal.refused(run, &dead_letters)?;
                    self.told.refused += u64::try_from(dead_letters.len()).unwrap_or(u64::MAX);
                    Ok(Step::Fewer)
                }
                _ => Err(error.into()),
            },
        }
    }

    /// What the target says of a run; `None` where it keeps no watermarks.
    async fn mark(&mut self, run: RunId) -> Result<Option<Seq>, ReplayFailure> {
        let answer = guarded(self.target.sink.watermark(run)).await.map_err(|failure| failure.error)?;
        let Some(Watermark { target, seq }) = answer else { return Ok(None) };
        if self.known.is_some_and(|known| known != target) {
            return Err(ReplayError::OtherTarget { sink: self.target.name.clone() }.into());
        }
        Ok(Some(seq))
    }

    /// Until everything is durable; a sink that is through with a part of it gets the rest again.
    async fn write(&mut self, parcels: &[ReplayBatch]) -> Result<Option<Position>, StageError> {
        let sink = &mut self.target.sink;
        let mut done = 0;
        loop {
            let rest = &parcels[done..];
            let written = guarded(async {
                for parcel in rest {
                    hand_over(sink.as_mut(), &parcel.batch).await?;
                }
                sink.flush().await
            });
            let reached = written.await.map_err(|failure| failure.error.behind(done))?;
            let place = |parcel: &ReplayBatch| parcel.batch.position;
            let is_durable = |at: Position| reached.is_some_and(|it| it.run == at.run && it.seq >= at.seq);
            let taken = rest.iter().take_while(|parcel| is_durable(place(parcel))).count();
            if taken == 0 || taken == rest.len() {
                return Ok(reached);
            }
            done += taken;
        }
    }
}

/// The rows of one batch as journalled, on their way under the replay's run.
struct ReplayBatch {
    batch: Batch,
    dead_letters: Vec<DeadLetterId>,
}

/// One parcel per batch: what is one per poll stays so.
fn pack(
    run: RunId,
    rows: Vec<(DeadLetterId, RecordBatch)>,
    now: Timestamp,
) -> Result<Vec<ReplayBatch>, StageError> {
    let unfit = |error| StageError::halt("the rows of one batch have several schemas").because(error);
    let mut parcels = Vec::new();
    for same in rows.chunk_by(|(one, _), (other, _)| one.position == other.position) {
        let Some((_, first)) = same.first() else { continue };
        let records = concat_batches(&first.schema(), same.iter().map(|(_, row)| row)).map_err(unfit)?;
        let seq = Seq(u64::try_from(parcels.len()).unwrap_or(u64::MAX)).next();
        let batch = Batch { position: Position { run, seq }, complete: false, accepted_at: now, records };
        parcels.push(ReplayBatch { batch, dead_letters: same.iter().map(|(id, _)| *id).collect() });
    }
    Ok(parcels)
}

/// The letters with their new reasons; `None` if the sink named no row, or one it was not given.
fn refused(parcels: &[ReplayBatch], rejected: &[Rejection], at: Timestamp) -> Option<Vec<DeadLetter>> {
    let letter = |rejection: &Rejection| {
        let id = parcels.get(rejection.batch)?.dead_letters.get(rejection.row)?;
        let (code, reason) = (rejection.code.clone(), rejection.reason.clone());
        Some(DeadLetter { position: id.position, row: id.row, code, reason, at })
    };
    let dead_letters = rejected.iter().map(letter).collect::<Option<Vec<_>>>()?;
    (!dead_letters.is_empty()).then_some(dead_letters)
}
