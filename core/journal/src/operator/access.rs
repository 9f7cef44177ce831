//! A journal in short transactions, also while a bridge works with it: what an operator has to say.
//!
//! The process that owns a journal keeps nothing of these tables in memory and begins each of its own transactions
//! by taking SQLite's write lock, so a transaction of another process is like one more of its own. What must not
//! happen is a write to a file that is being examined or exchanged by a repair: both wait at the door ([`Lock`]). Where
//! nobody owns the file, it is made sound first, as an opening would.

use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use jiff::Timestamp;
use rusqlite::{Connection, TransactionBehavior};
use smiles_stage::{RunId, Seq, TargetId};

use crate::api::dead_letter::{DeadLetter, DeadLetterId, transform_owner};
use crate::api::error::JournalError;
use crate::api::status::Acknowledged;
use crate::format::failure::Failure;
use crate::format::layout;
use crate::format::layout::random_run;
use crate::format::lock::Lock;
use crate::format::records::SinkRow;
use crate::ledger::correction::{CorrectableState, Correction};
use crate::ledger::old_copy::{OldBatches, OldCopy};
use crate::ledger::selection::StoredDeadLetter;
use crate::ledger::{correction, dead_letters, old_copy, rename, replays, row_counts};
use crate::repair::examine::{self, Depth};
use crate::repair::left;

/// Letters given up in one transaction: the owner waits for it.
const STEP: usize = 500;

/// Access to a journal that may belong to another process.
#[derive(Debug)]
pub struct OperatorAccess {
    path: PathBuf,
    pipeline: String,
    /// The owner's lock, where nobody else may use the file meanwhile.
    _alone: Option<Lock>,
}

impl OperatorAccess {
    /// Beside whoever owns it.
    ///
    /// # Errors
    /// [`JournalError::Refused`]: another pipeline's, or no journal; [`JournalError::Storage`].
    pub fn enter(path: &Path, pipeline: &str, now: Timestamp) -> Result<Self, JournalError> {
        match made_sound(path, pipeline, now) {
            Ok((door, owner)) => {
                // In this order: a bridge that waits at the door must not find the journal taken.
                drop(owner);
                drop(door);
            }
            // Its owner has seen to it that it is sound.
            Err(JournalError::Locked { .. }) => {}
            Err(error) => return Err(error),
        }
        Ok(Self::at(path, pipeline, None))
    }

    /// With nobody else: until it is dropped no bridge can open the journal.
    ///
    /// # Errors
    /// [`JournalError::Locked`]: a bridge uses it; else as [`OperatorAccess::enter`].
    pub fn alone(path: &Path, pipeline: &str, now: Timestamp) -> Result<Self, JournalError> {
        let (_door, owner) = made_sound(path, pipeline, now)?;
        Ok(Self::at(path, pipeline, Some(owner)))
    }

    fn at(path: &Path, pipeline: &str, lock: Option<Lock>) -> Self {
        Self { path: path.to_owned(), pipeline: pipeline.to_owned(), _alone: lock }
    }

    /// Takes note of everything that was lost, dropped or repaired.
    ///
    /// # Errors
    /// [`JournalError::Storage`].
    pub fn acknowledge(&self) -> Result<Acknowledged, JournalError> {
        self.write("acknowledge losses in", row_counts::acknowledge)
    }

    /// Gives letters up for good: their rows are booked as dropped. How many there still were.
    ///
    /// # Errors
    /// [`JournalError::Storage`]; [`JournalError::Refused`] while they are being replayed.
    pub fn give_up(&self, dead_letters: &[StoredDeadLetter]) -> Result<u64, JournalError> {
        let _lock = self.only_one()?;
        let mut given = 0;
        for some in dead_letters.chunks(STEP) {
            given +=
                self.write("drop dead letters of", |connection| dead_letters::give_up(connection, some))?;
        }
        Ok(given)
    }

    /// The sinks with a replay that was begun and not ended.
    ///
    /// # Errors
    /// [`JournalError::Storage`].
    pub fn in_replay(&self) -> Result<Vec<String>, JournalError> {
        self.write("read", replays::sinks)
    }

    /// Until this is dropped nobody else replays or gives letters up.
    ///
    /// # Errors
    /// [`JournalError::Refused`]: somebody does; [`JournalError::Storage`].
    pub fn replay(&self, sink: &str) -> Result<Replay<'_>, JournalError> {
        let _lock = self.only_one()?;
        Ok(Replay { access: self, sink: sink.to_owned(), _lock })
    }

    /// All that a person may correct, and has corrected.
    ///
    /// # Errors
    /// [`JournalError::Storage`].
    pub fn correctable_state(&self) -> Result<CorrectableState, JournalError> {
        self.write("read", correction::correctable_state)
    }

    /// Whether nobody else works with the journal.
    pub fn is_alone(&self) -> bool {
        self._alone.is_some()
    }

    /// Puts state of transforms in place and books a sentence, as decided by what the journal holds at that moment: nobody
    /// else writes in between. A guest beside the owner, who keeps that state in memory, leaves orders for it
    /// ([`crate::api::journal::Journal::pending_corrections`]): their values say what to add.
    ///
    /// # Errors
    /// [`JournalError::Refused`]: the decision was not to; [`JournalError::Storage`].
    pub fn correct(
        &self,
        now: Timestamp,
        decide: impl FnOnce(CorrectableState) -> Result<Correction, String>,
    ) -> Result<Correction, JournalError> {
        let decided = self.write("correct state in", |connection| {
            let decided = decide(correction::correctable_state(connection)?);
            if let Ok(decided) = &decided {
                correction::correct(connection, decided, (now, self.is_alone()))?;
            }
            Ok(decided)
        });
        decided?.map_err(JournalError::Refused)
    }

    /// What is held back because this file may be an old copy.
    ///
    /// # Errors
    /// [`JournalError::Storage`].
    pub fn old_copies(&self) -> Result<Vec<OldCopy>, JournalError> {
        self.write("read", old_copy::all)
    }

    /// Has what is held back of a sink delivered or forgotten; what it concerned. `None`: nothing is held back.
    ///
    /// # Errors
    /// [`JournalError::Refused`]: there is no such sink; [`JournalError::Storage`].
    pub fn decide(&self, sink: &str, decision: OldBatches) -> Result<Option<OldCopy>, JournalError> {
        self.write("note a decision in", |connection| old_copy::decide(connection, sink, decision))
    }

    /// Hands dead letters back to their transform: the bridge takes them through it and the ones behind it once more, now
    /// or when it next runs. How many were not on their way before.
    ///
    /// # Errors
    /// [`JournalError::Storage`]; [`JournalError::Refused`] while others are replayed or dropped.
    pub fn hand_back(&self, transform: &str, dead_letters: &[DeadLetterId]) -> Result<usize, JournalError> {
        let _lock = self.only_one()?;
        let owner = transform_owner(transform);
        self.write("hand dead letters back in", |connection| {
            replays::begin(connection, &owner, random_run()?, dead_letters)
        })
    }

    /// Gives everything of the sink `old` to the name `new`; `false`: that was done before.
    ///
    /// # Errors
    /// [`JournalError::Refused`]: there is no such sink, or both have a place; [`JournalError::Storage`].
    pub fn rename_sink(&self, old: &str, new: &str) -> Result<bool, JournalError> {
        self.write("rename a sink in", |connection| rename::rename(connection, old, new))
    }

    fn only_one(&self) -> Result<Lock, JournalError> {
        Lock::replaying(&self.path)?.ok_or_else(|| {
            JournalError::Refused(
                "dead letters of this journal are being replayed or dropped already".to_owned(),
            )
        })
    }

    /// One transaction of its own.
    fn write<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, Failure>,
    ) -> Result<T, JournalError> {
        let attempt = || -> Result<T, Failure> {
            let _door = Lock::door(&self.path)?;
            let mut connection = layout::beside_owner(&self.path)?;
            let owner = layout::pipeline_of(&connection)?;
            if owner != self.pipeline {
                return Err(examine::not_ours(&self.path, &owner, &self.pipeline));
            }
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        };
        attempt().map_err(|failure| failure.told(doing, 0))
    }
}

/// Makes a file that nobody owns sound, as an opening would; the door and the owner's lock, both held.
fn made_sound(path: &Path, pipeline: &str, now: Timestamp) -> Result<(Lock, Lock), JournalError> {
    let told = |failure: Failure| failure.told("open", 0);
    let door = Lock::door(path).map_err(told)?;
    let owner = Lock::take(path)?;
    let missing = left::missing(path, &owner).filter(|_| path.exists());
    examine::repair_if_damaged(path, pipeline, now, Depth::to_open(path)).map_err(told)?;
    note(path, &owner, missing, now).map_err(told)?;
    Ok((door, owner))
}

/// Notes what went missing before a guest's connection takes the log with it.
fn note(path: &Path, owner: &Lock, missing: Option<String>, now: Timestamp) -> Result<(), Failure> {
    if let Some(sentence) = missing {
        row_counts::note_repair(&layout::beside_owner(path)?, now.as_microsecond(), &sentence)?;
    }
    if path.exists() {
        left::end(owner)?;
    }
    Ok(())
}

/// The way of a sink's dead letters back to its target. See `replays.rs` for the order of the steps.
#[derive(Debug)]
pub struct Replay<'a> {
    access: &'a OperatorAccess,
    sink: String,
    _lock: Lock,
}

impl Replay<'_> {
    /// The target that the sink last spoke to.
    ///
    /// # Errors
    /// [`JournalError::Refused`]: the journal knows no such sink; [`JournalError::Storage`].
    pub fn target(&self) -> Result<Option<TargetId>, JournalError> {
        self.write(|connection| Ok(SinkRow::load(connection, &self.sink)?.target()))
    }

    /// Replays that were begun and perhaps not ended.
    ///
    /// # Errors
    /// [`JournalError::Storage`].
    pub fn unfinished(&self) -> Result<Vec<RunId>, JournalError> {
        self.write(|connection| replays::unfinished(connection, &self.sink))
    }

    /// Writes a replay of these letters down, under a run of its own, but for those that are gone; `None` if all are.
    ///
    /// # Errors
    /// [`JournalError::Storage`].
    pub fn begin(&self, dead_letters: &[DeadLetterId]) -> Result<Option<RunId>, JournalError> {
        self.write(|connection| {
            let run = random_run()?;
            Ok((replays::begin(connection, &self.sink, run, dead_letters)? > 0).then_some(run))
        })
    }

    /// The runs that the rows of the replay were accepted in.
    ///
    /// # Errors
    /// [`JournalError::Storage`].
    pub fn runs(&self, replay: RunId) -> Result<Vec<RunId>, JournalError> {
        self.write(|connection| replays::runs(connection, &self.sink, replay))
    }

    /// The rows to bring to the target under the replay's run, in the order in which they were accepted. A row whose
    /// batch is still owed to the target, which is asked for the `marks` of [`Replay::runs`], leaves the replay; so does
    /// one that could not be kept.
    ///
    /// # Errors
    /// [`JournalError::Storage`].
    pub fn rows(
        &self,
        replay: RunId,
        marks: &[(RunId, Seq)],
    ) -> Result<Vec<(DeadLetterId, RecordBatch)>, JournalError> {
        self.write(|connection| replays::rows(connection, &self.sink, replay, marks))
    }

    /// The target refused these again; nothing of the replay is in it. They leave the replay.
    ///
    /// # Errors
    /// [`JournalError::Storage`].
    pub fn refused(&self, replay: RunId, dead_letters: &[DeadLetter]) -> Result<(), JournalError> {
        self.write(|connection| replays::refuse(connection, &self.sink, replay, dead_letters))
    }

    /// The replay is durable in the target: how many letters that makes delivered.
    ///
    /// # Errors
    /// [`JournalError::Storage`].
    pub fn delivered(&self, replay: RunId) -> Result<u64, JournalError> {
        self.write(|connection| replays::deliver(connection, &self.sink, replay))
    }

    /// The target keeps no watermark of the replay any more.
    ///
    /// # Errors
    /// [`JournalError::Storage`].
    pub fn forgotten(&self, replay: RunId) -> Result<(), JournalError> {
        self.write(|connection| replays::forget(connection, &self.sink, replay))
    }

    fn write<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Failure>) -> Result<T, JournalError> {
        self.access.write("replay dead letters of", work)
    }
}
