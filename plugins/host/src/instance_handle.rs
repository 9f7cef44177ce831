//! One instance of a plugin's stage, called on the thread that made it: every status, null and odd answer becomes a
//! [`CallError`] or a value.

use std::ffi::c_void;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::ffi::FFI_ArrowArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_schema::SchemaRef;
use smiles_plugin_abi::{
    ArrowArray, ArrowSchema, ERROR_REOPEN, STATUS_END, STATUS_HALT, STATUS_OK, STATUS_REJECT, SmilesError,
    SmilesPosition, SmilesStage, SmilesStr, SmilesWatermark,
};
use smiles_stage::{Action, Position, Rejection, RunId, Seq, StageError, TIME, TargetId, Watermark};

use crate::context::{ApplyState, Context, Reject, one_line};
use crate::{rows, schema};

/// The error of a call.
#[derive(Debug)]
pub(crate) struct CallError {
    pub(crate) error: StageError,
    /// The instance is in no state to be called again.
    pub(crate) reopen: bool,
}

/// Where `cancel` finds the instance from another thread; emptied before `close` begins.
#[derive(Default)]
pub(crate) struct Cancel(Mutex<Option<(Address, unsafe extern "C" fn(*mut c_void))>>);

struct Address(*mut c_void);

// SAFETY: only handed to `cancel`, which the ABI allows from any thread.
unsafe impl Send for Address {}

impl Cancel {
    /// Asks the call in progress to return.
    pub(crate) fn ask(&self) {
        let handle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((Address(this), cancel)) = handle.as_ref() {
            // SAFETY: the instance is open: it is taken out of here before it closes.
            unsafe { cancel(*this) };
        }
    }

    fn set(&self, to: Option<(Address, unsafe extern "C" fn(*mut c_void))>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = to;
    }
}

/// The result of one poll of a source (a pass of the ABI).
pub(crate) enum PassResult {
    Rows(RecordBatch, Vec<String>),
    /// As the rows before, and there will never be more.
    Last(RecordBatch, Vec<String>),
    Ended,
}

/// An open instance, on the thread that made it.
pub(crate) struct InstanceHandle {
    stage: SmilesStage,
    this: *mut c_void,
    context: Arc<Context>,
    cancel: Arc<Cancel>,
    /// The columns that leave a source or a transform.
    output: Option<SchemaRef>,
    /// Batches written since the last flush.
    written: Vec<Position>,
    /// The error of a poll that brought rows all the same: the result of the next one.
    pending: Option<CallError>,
}

/// A function that the library's check has found, or an error where it is absent after all.
fn slot<T>(slot: Option<T>, name: &str) -> Result<T, CallError> {
    slot.ok_or_else(|| CallError::of(StageError::halt(format!("the plugin has no `{name}`"))))
}

impl CallError {
    pub(crate) fn of(error: StageError) -> Self {
        Self { error, reopen: false }
    }
}

impl InstanceHandle {
    /// Opens an instance.
    pub(crate) fn open(
        stage: SmilesStage,
        context: Arc<Context>,
        cancel: Arc<Cancel>,
        options: &str,
    ) -> Result<Self, CallError> {
        let open = slot(stage.open, "open")?;
        let host = context.table();
        let (mut this, mut error) = (std::ptr::null_mut(), SmilesError::empty());
        let (pipeline, name) = (SmilesStr::lend(&context.pipeline), SmilesStr::lend(&context.stage));
        let _call = context.begin("open", None, None);
        // SAFETY: the texts are valid during the call, the table for ever.
        let status =
            unsafe { open(host, pipeline, name, SmilesStr::lend(options), &raw mut this, &raw mut error) };
        let (output, written, pending) = (None, Vec::new(), None);
        let handle = Self { stage, this, context, cancel, output, written, pending };
        handle.outcome("open", status, &error)?;
        if handle.this.is_null() {
            return Err(handle.invalid("open", "it succeeded and gave no instance"));
        }
        if let Some(function) = handle.stage.cancel {
            handle.cancel.set(Some((Address(handle.this), function)));
        }
        Ok(handle)
    }

    /// Tells it the columns; `output`: what its plan said leaves it.
    pub(crate) fn bind(
        &mut self,
        input: Option<&SchemaRef>,
        output: Option<&SchemaRef>,
    ) -> Result<(), CallError> {
        let bind = slot(self.stage.bind, "bind")?;
        let exported = match input {
            Some(input) => Some(schema::export(input).map_err(|reason| self.invalid("bind", &reason))?),
            None => None,
        };
        let given = exported.as_ref().map_or(std::ptr::null(), std::ptr::from_ref).cast::<ArrowSchema>();
        let (mut filled, mut error) = (ArrowSchema::empty(), SmilesError::empty());
        let into = if output.is_some() { &raw mut filled } else { std::ptr::null_mut() };
        let _call = self.context.begin("bind", None, None);
        // SAFETY: `given` is valid during the call, `into` is ours.
        let status = unsafe { bind(self.this, given, into, &raw mut error) };
        if let Err(failed) = self.outcome("bind", status, &error) {
            // SAFETY: empty, or what the plugin filled in before it failed.
            unsafe { schema::release(&mut filled) };
            return Err(failed);
        }
        let Some(planned) = output else { return Ok(()) };
        // SAFETY: what the plugin filled in.
        let bound = unsafe { schema::import(&mut filled) }.map_err(|reason| self.invalid("bind", &reason))?;
        if let Some(difference) = schema::difference(planned, &bound) {
            return Err(self.invalid("bind", &format!("it says {difference}, as `plan` said")));
        }
        self.output = Some(SchemaRef::clone(planned));
        Ok(())
    }

    /// One pass of a source. Rows are taken whatever is said with them: nobody could ask for them again.
    pub(crate) fn next(&mut self, limit: Duration) -> Result<PassResult, CallError> {
        let next = slot(self.stage.next, "next")?;
        if let Some(failed) = self.pending.take() {
            return Err(failed);
        }
        let (mut filled, mut error) = (ArrowArray::empty(), SmilesError::empty());
        let _call = self.context.begin("next", None, None);
        // SAFETY: `filled` and `error` are ours.
        let status = unsafe { next(self.this, millis(limit), &raw mut filled, &raw mut error) };
        let faults = self.context.faults();
        if !matches!(status, STATUS_OK | STATUS_END) {
            return self.rows_beside(faults, status, &error, &mut filled);
        }
        let rows = self.take_rows("next", STATUS_OK, &error, &mut filled)?;
        if status == STATUS_END && rows.is_none() && faults.is_empty() {
            return Ok(PassResult::Ended);
        }
        let rows = rows.unwrap_or_else(|| RecordBatch::new_empty(self.output()));
        Ok(if status == STATUS_END { PassResult::Last(rows, faults) } else { PassResult::Rows(rows, faults) })
    }

    /// A pass that failed: if it brought rows all the same they are taken, and the failure is one of its faults.
    fn rows_beside(
        &mut self,
        mut faults: Vec<String>,
        status: i32,
        error: &SmilesError,
        filled: &mut ArrowArray,
    ) -> Result<PassResult, CallError> {
        let Err(failed) = self.outcome("next", status, error) else { return Ok(PassResult::Ended) };
        // SAFETY: what the plugin filled in.
        let Ok(Some(rows)) = (unsafe { rows::import(filled, &self.output()) }) else { return Err(failed) };
        faults.push(failed.error.to_string());
        if failed.reopen || *failed.error.action() == Action::Halt {
            self.pending = Some(failed);
        }
        Ok(PassResult::Rows(rows, faults))
    }

    /// Tells a source what is durable.
    pub(crate) fn commit(&mut self, position: Position) -> Result<(), CallError> {
        let Some(commit) = self.stage.commit else { return Ok(()) };
        let (position, mut error) = (raw(position), SmilesError::empty());
        let _call = self.context.begin("commit", None, None);
        // SAFETY: borrowed during the call.
        let status = unsafe { commit(self.this, &raw const position, &raw mut error) };
        self.outcome("commit", status, &error)
    }

    /// Rows through a transform.
    pub(crate) fn apply(&mut self, batch: &RecordBatch, state: ApplyState) -> Result<RecordBatch, CallError> {
        self.apply_array(rows::export(&rows::copied(batch)), batch, state)
    }

    /// As [`InstanceHandle::apply`], of rows on the line already, which the plugin may then share with others.
    pub(crate) fn apply_array(
        &mut self,
        mut given: FFI_ArrowArray,
        batch: &RecordBatch,
        state: ApplyState,
    ) -> Result<RecordBatch, CallError> {
        let apply = slot(self.stage.apply, "apply")?;
        let (mut filled, mut error) = (ArrowArray::empty(), SmilesError::empty());
        let _call = self.context.begin("apply", latest(batch), Some(state));
        // SAFETY: the plugin takes `given`, or leaves it to us; `filled` and `error` are ours.
        let status = unsafe { apply(self.this, raw_array(&mut given), &raw mut filled, &raw mut error) };
        self.written = vec![Position { run: RunId([0; 16]), seq: Seq::ZERO }];
        let rows = self.take_rows("apply", status, &error, &mut filled)?;
        rows.ok_or_else(|| self.invalid("apply", "it succeeded and gave no rows"))
    }

    /// Rows into a sink: accepted.
    pub(crate) fn write(&mut self, batch: &RecordBatch, position: Position) -> Result<(), CallError> {
        self.write_array(rows::export(&rows::copied(batch)), position)
    }

    /// As [`InstanceHandle::write`], of rows on the line already, which the plugin may then share with others.
    pub(crate) fn write_array(
        &mut self,
        mut given: FFI_ArrowArray,
        position: Position,
    ) -> Result<(), CallError> {
        let write = slot(self.stage.write, "write")?;
        let (at, mut error) = (raw(position), SmilesError::empty());
        self.written.push(position);
        let _call = self.context.begin("write", None, None);
        // SAFETY: the plugin takes `given`, or leaves it to us; `at` is borrowed during the call.
        let status = unsafe { write(self.this, raw_array(&mut given), &raw const at, &raw mut error) };
        self.outcome("write", status, &error).inspect_err(|_| self.written.clear())
    }

    /// Everything written becomes durable, up to the position said.
    pub(crate) fn flush(&mut self, limit: Duration) -> Result<Option<Position>, CallError> {
        let flush = slot(self.stage.flush, "flush")?;
        let (mut durable, mut error) = (SmilesPosition::default(), SmilesError::empty());
        let _call = self.context.begin("flush", None, None);
        // SAFETY: `durable` and `error` are ours.
        let status = unsafe { flush(self.this, millis(limit), &raw mut durable, &raw mut error) };
        let outcome = self.outcome("flush", status, &error);
        self.written.clear();
        outcome?;
        let said = Position { run: RunId(durable.run), seq: Seq(durable.seq) };
        Ok((durable.seq > 0).then_some(said))
    }

    /// What the target says of a run; `None`: it keeps no watermark.
    pub(crate) fn watermark(&mut self, run: RunId) -> Result<Option<Watermark>, CallError> {
        let Some(watermark) = self.stage.watermark else { return Ok(None) };
        let (mut said, mut error) = (SmilesWatermark::default(), SmilesError::empty());
        let _call = self.context.begin("watermark", None, None);
        // SAFETY: 16 bytes borrowed during the call; `said` and `error` are ours.
        let status = unsafe { watermark(self.this, run.0.as_ptr(), &raw mut said, &raw mut error) };
        self.written.clear();
        self.outcome("watermark", status, &error)?;
        Ok(Some(Watermark { target: TargetId(said.target), seq: Seq(said.seq) }))
    }

    /// Watermarks of these runs may go.
    pub(crate) fn forget(&mut self, runs: &[RunId]) -> Result<(), CallError> {
        let Some(forget) = self.stage.forget else { return Ok(()) };
        let bytes: Vec<u8> = runs.iter().flat_map(|run| run.0).collect();
        let mut error = SmilesError::empty();
        let _call = self.context.begin("forget", None, None);
        // SAFETY: `runs.len()` times 16 bytes, borrowed during the call.
        let status = unsafe { forget(self.this, bytes.as_ptr(), runs.len(), &raw mut error) };
        self.outcome("forget", status, &error)
    }

    /// What the call in progress put into its state.
    pub(crate) fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// Ends the instance, as often as one likes.
    pub(crate) fn close(&mut self) {
        self.cancel.set(None);
        if let Some(close) = self.stage.close {
            let _call = self.context.begin("close", None, None);
            // SAFETY: `this` is the instance, or null once it is closed.
            unsafe { close(&raw mut self.this) };
        }
    }

    /// Whether the plugin keeps to `close` leaving NULL behind.
    pub(crate) fn is_closed(&self) -> bool {
        self.this.is_null()
    }

    fn output(&self) -> SchemaRef {
        self.output.clone().unwrap_or_else(|| SchemaRef::new(arrow_schema::Schema::empty()))
    }

    /// The rows of a call that may bring some; whatever it brought is released.
    fn take_rows(
        &self,
        call: &str,
        status: i32,
        error: &SmilesError,
        filled: &mut ArrowArray,
    ) -> Result<Option<RecordBatch>, CallError> {
        if let Err(failed) = self.outcome(call, status, error) {
            drop(owned(filled));
            return Err(failed);
        }
        // SAFETY: what the plugin filled in.
        let rows = unsafe { rows::import(filled, &self.output()) };
        rows.map_err(|reason| self.invalid(call, &format!("it gave {reason}")))
    }

    /// A status and its error, as the runtime knows them.
    fn outcome(&self, call: &str, status: i32, error: &SmilesError) -> Result<(), CallError> {
        let rejects = self.context.rejects();
        if status == STATUS_OK {
            return Ok(());
        }
        let said = one_line(&error.said());
        let cause = match (said.is_empty(), error.code) {
            (true, code) => format!("it returned status {status}, code {code}, and no message"),
            (false, 0) => said,
            (false, code) => format!("{said} (code {code})"),
        };
        let text = self.text(call, &cause);
        let after = Duration::from_millis(u64::from(error.retry_after_ms));
        let error_of = match status {
            STATUS_HALT => StageError::halt(text),
            STATUS_REJECT => self.rejected(rejects, text),
            _ if after.is_zero() => StageError::retry(text),
            _ => StageError::retry_after(after, text),
        };
        Err(CallError { error: error_of, reopen: error.flags & ERROR_REOPEN != 0 })
    }

    /// Rows by the batches written; one that was not written is an unknown error.
    fn rejected(&self, rejects: Vec<Reject>, text: String) -> StageError {
        let place = |reject: Reject| {
            let batch = self.written.iter().position(|position| position.seq.0 == reject.seq)?;
            let row = usize::try_from(reject.row).ok()?;
            let code = if reject.code.is_empty() { "rejected".to_owned() } else { reject.code };
            let reason = if reject.reason.is_empty() { text.clone() } else { reject.reason };
            Some(Rejection { batch, row, code, reason })
        };
        let named = rejects.len();
        let rows: Option<Vec<Rejection>> = rejects.into_iter().map(place).collect();
        match rows {
            Some(rows) if !rows.is_empty() => StageError::reject(rows, text),
            Some(_) => StageError::retry(format!("{text} (it rejects rows and names none)")),
            None => {
                StageError::retry(format!("{text} (of {named} rows it rejects, some were not given to it)"))
            }
        }
    }

    /// An answer against the contract: tried again, on another instance.
    fn invalid(&self, call: &str, reason: &str) -> CallError {
        CallError { error: StageError::retry(self.text(call, reason)), reopen: true }
    }

    fn text(&self, call: &str, cause: &str) -> String {
        format!("{}: {cause}", self.context.place(call))
    }
}

impl Drop for InstanceHandle {
    fn drop(&mut self) {
        if !self.this.is_null() {
            self.close();
        }
    }
}

fn raw(position: Position) -> SmilesPosition {
    SmilesPosition { run: position.run.0, seq: position.seq.0 }
}

fn raw_array(array: &mut FFI_ArrowArray) -> *mut ArrowArray {
    std::ptr::from_mut(array).cast()
}

/// Takes what was filled in, to be released when dropped.
fn owned(filled: &mut ArrowArray) -> FFI_ArrowArray {
    // SAFETY: the same struct by the C data interface; empty, or filled in by the plugin.
    unsafe { FFI_ArrowArray::from_raw(std::ptr::from_mut(filled).cast()) }
}

fn millis(limit: Duration) -> u32 {
    u32::try_from(limit.as_millis()).unwrap_or(u32::MAX)
}

/// The latest `time` of the rows, in microseconds.
fn latest(batch: &RecordBatch) -> Option<i64> {
    let times = batch.column_by_name(TIME)?.as_primitive_opt::<TimestampMicrosecondType>()?;
    times.iter().flatten().max().or(Some(0))
}
