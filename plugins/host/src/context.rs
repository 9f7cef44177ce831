//! The services of the host, as C functions over a context that outlives every instance.

use std::collections::HashMap;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use smiles_plugin_abi::{ABI_MINOR, LOG_DEBUG, LOG_ERROR, LOG_INFO, LOG_WARN, SmilesHost, SmilesStr};
use smiles_stage::{Clock, prometheus::Counter};

use crate::last_words::{self, CallMark};

/// More than any batch has; a plugin that names rows without end must not eat the memory.
const MAX_NAMED: usize = 100_000;
/// Longer than any sentence.
const MAX_TEXT: usize = 4096;

/// What an instance's host functions know.
pub(crate) struct Context {
    pub(crate) plugin: String,
    pub(crate) pipeline: String,
    pub(crate) stage: String,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) counters: Vec<Counter>,
    pub(crate) cancelled: AtomicBool,
    call: Mutex<Call>,
    table: OnceLock<HostTable>,
}

/// The contexts of all stages that were ever opened.
static FOR_EVER: Mutex<Vec<Arc<Context>>> = Mutex::new(Vec::new());

/// What the instances of a stage call, at the address that they keep.
struct HostTable(&'static SmilesHost);

// SAFETY: it is never written to, and what it points to is the context, which may be used from any thread.
unsafe impl Send for HostTable {}
// SAFETY: as above.
unsafe impl Sync for HostTable {}

/// What belongs to the call in progress.
#[derive(Default)]
struct Call {
    rejects: Vec<Reject>,
    faults: Vec<String>,
    rows_time: Option<i64>,
    memory: Option<ApplyState>,
}

/// A row named by a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reject {
    pub(crate) seq: u64,
    pub(crate) row: u64,
    pub(crate) code: String,
    pub(crate) reason: String,
}

/// The state of a transform within one `apply`.
pub(crate) struct ApplyState {
    /// Whoever waits for the call answers questions about what was there before.
    pub(crate) ask: Sender<StateRequest>,
    pub(crate) puts: HashMap<Vec<u8>, Vec<u8>>,
}

/// What the instance asks of the caller of `apply`, which waits.
pub(crate) enum StateRequest {
    /// A key, and where its value goes.
    Get(Vec<u8>, Sender<Option<Vec<u8>>>),
    /// The call has ended.
    Done,
}

impl Context {
    pub(crate) fn new(
        plugin: &str,
        pipeline: &str,
        stage: &str,
        clock: Arc<dyn Clock>,
        counters: Vec<Counter>,
    ) -> Self {
        Self {
            plugin: plugin.to_owned(),
            pipeline: pipeline.to_owned(),
            stage: stage.to_owned(),
            clock,
            counters,
            cancelled: AtomicBool::new(false),
            call: Mutex::default(),
            table: OnceLock::new(),
        }
    }

    /// The table that every instance of the stage gets. It and the context stay for ever, a few hundred bytes for each
    /// stage that is opened: a thread of a plugin may call the host at any time, also after `close`.
    pub(crate) fn table(self: &Arc<Self>) -> &'static SmilesHost {
        let table = || {
            FOR_EVER.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(self));
            HostTable(Box::leak(Box::new(Self::services(Arc::as_ptr(self)))))
        };
        self.table.get_or_init(table).0
    }

    fn services(this: *const Self) -> SmilesHost {
        SmilesHost {
            struct_size: u32::try_from(size_of::<SmilesHost>()).unwrap_or(0),
            abi_minor: ABI_MINOR,
            ctx: this.cast_mut().cast(),
            log: Some(log),
            metric_add: Some(metric_add),
            now_us: Some(now_us),
            cancelled: Some(cancelled),
            state_get: Some(state_get),
            state_put: Some(state_put),
            reject: Some(reject),
            fault: Some(fault),
        }
    }

    /// Before a call: nothing is left of the one before. It lasts until the mark is dropped.
    pub(crate) fn begin(&self, call: &str, rows_time: Option<i64>, memory: Option<ApplyState>) -> CallMark {
        *self.call() = Call { rows_time, memory, ..Call::default() };
        last_words::begin(one_line(&self.place(call)))
    }

    /// Whose call it is, and which.
    pub(crate) fn place(&self, call: &str) -> String {
        let Self { plugin, stage, .. } = self;
        format!("plugin `{plugin}`, stage `{stage}`, in `{call}`")
    }

    /// After a call: the rows it named.
    pub(crate) fn rejects(&self) -> Vec<Reject> {
        std::mem::take(&mut self.call().rejects)
    }

    /// After a call: what failed although it brought something.
    pub(crate) fn faults(&self) -> Vec<String> {
        std::mem::take(&mut self.call().faults)
    }

    /// After a call: what it put.
    pub(crate) fn puts(&self) -> HashMap<Vec<u8>, Vec<u8>> {
        self.call().memory.take().map(|memory| memory.puts).unwrap_or_default()
    }

    fn call(&self) -> MutexGuard<'_, Call> {
        self.call.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log(&self, level: u32, message: &str) {
        let (plugin, pipeline, stage) = (self.plugin.as_str(), self.pipeline.as_str(), self.stage.as_str());
        match level {
            LOG_ERROR => tracing::error!(plugin, pipeline, stage, "{message}"),
            LOG_WARN => tracing::warn!(plugin, pipeline, stage, "{message}"),
            LOG_INFO => tracing::info!(plugin, pipeline, stage, "{message}"),
            LOG_DEBUG => tracing::debug!(plugin, pipeline, stage, "{message}"),
            _ => tracing::trace!(plugin, pipeline, stage, "{message}"),
        }
    }

    fn value(&self, key: &[u8]) -> Option<Option<Vec<u8>>> {
        let (answer, received) = channel();
        {
            let call = self.call();
            let memory = call.memory.as_ref()?;
            if let Some(value) = memory.puts.get(key) {
                return Some(Some(value.clone()));
            }
            memory.ask.send(StateRequest::Get(key.to_vec(), answer)).ok()?;
        }
        received.recv().ok()
    }
}

/// Runs a service; a panic of ours must not unwind into the plugin.
fn serve<T>(ctx: *mut c_void, fallback: T, service: impl FnOnce(&Context) -> T) -> T {
    // SAFETY: `ctx` is what `Context::table` gave out, and that context is never freed.
    let Some(context) = (unsafe { ctx.cast::<Context>().as_ref() }) else { return fallback };
    catch_unwind(AssertUnwindSafe(|| service(context))).unwrap_or(fallback)
}

/// # Safety
/// A text of the plugin, valid during the call.
unsafe fn text(text: SmilesStr) -> String {
    // SAFETY: the caller's promise.
    let bytes = unsafe { text.bytes() };
    let bytes = bytes.get(..MAX_TEXT).unwrap_or(bytes);
    one_line(&String::from_utf8_lossy(bytes))
}

/// A plugin's text with its line breaks and other control characters spelled out: none of it may look like a line of ours.
pub(crate) fn one_line(text: &str) -> String {
    let spelled = |character: char| match character {
        control if control.is_control() => control.escape_default().to_string(),
        other => other.to_string(),
    };
    text.chars().map(spelled).collect()
}

unsafe extern "C" fn log(ctx: *mut c_void, level: u32, message: SmilesStr) {
    // SAFETY: the plugin's text.
    let message = unsafe { text(message) };
    serve(ctx, (), |context| context.log(level, &message));
}

unsafe extern "C" fn metric_add(ctx: *mut c_void, metric: u32, amount: f64) {
    serve(ctx, (), |context| {
        let counter = usize::try_from(metric).ok().and_then(|metric| context.counters.get(metric));
        if let Some(counter) = counter
            && amount.is_finite()
            && amount >= 0.0
        {
            counter.inc_by(amount);
        }
    });
}

unsafe extern "C" fn now_us(ctx: *mut c_void) -> i64 {
    serve(ctx, 0, |context| {
        let of_rows = context.call().rows_time;
        of_rows.unwrap_or_else(|| context.clock.now().as_microsecond())
    })
}

unsafe extern "C" fn cancelled(ctx: *mut c_void) -> u32 {
    serve(ctx, 1, |context| u32::from(context.cancelled.load(Ordering::Relaxed)))
}

unsafe extern "C" fn state_get(ctx: *mut c_void, key: SmilesStr, buffer: *mut u8, length: *mut usize) -> i32 {
    if length.is_null() {
        return -1;
    }
    // SAFETY: the plugin's key.
    let key = unsafe { key.bytes() };
    let Some(found) = serve(ctx, None, |context| context.value(key)) else { return -1 };
    let Some(value) = found else { return 0 };
    // SAFETY: not null, the plugin's own.
    let room = unsafe { *length };
    // SAFETY: as above.
    unsafe { *length = value.len() };
    if room >= value.len() && !buffer.is_null() {
        // SAFETY: the plugin has that much room.
        unsafe { std::ptr::copy_nonoverlapping(value.as_ptr(), buffer, value.len()) };
    }
    1
}

unsafe extern "C" fn state_put(ctx: *mut c_void, key: SmilesStr, value: *const u8, length: usize) -> i32 {
    // SAFETY: the plugin's key and value.
    let (key, value) = unsafe { (key.bytes(), SmilesStr { ptr: value, len: length }.bytes()) };
    serve(ctx, -1, |context| match context.call().memory.as_mut() {
        Some(memory) => {
            memory.puts.insert(key.to_vec(), value.to_vec());
            0
        }
        None => -1,
    })
}

unsafe extern "C" fn reject(ctx: *mut c_void, seq: u64, row: u64, code: SmilesStr, reason: SmilesStr) {
    // SAFETY: the plugin's texts.
    let (code, reason) = unsafe { (text(code), text(reason)) };
    serve(ctx, (), |context| {
        let mut call = context.call();
        if call.rejects.len() < MAX_NAMED {
            call.rejects.push(Reject { seq, row, code, reason });
        }
    });
}

unsafe extern "C" fn fault(ctx: *mut c_void, message: SmilesStr) {
    // SAFETY: the plugin's text.
    let message = unsafe { text(message) };
    serve(ctx, (), |context| {
        let mut call = context.call();
        if call.faults.len() < MAX_NAMED {
            call.faults.push(message);
        }
    });
}

#[cfg(test)]
mod tests {
    use smiles_testkit::ManualClock;

    use super::*;

    #[test]
    fn a_text_of_a_plugin_stays_one_line() {
        let forged = "fine\n2026-06-21 ERROR the store is gone\r\x1b[2K\u{85}\tä";
        let expected = "fine\\n2026-06-21 ERROR the store is gone\\r\\u{1b}[2K\\u{85}\\tä";
        assert_eq!(one_line(forged), expected);
    }

    #[test]
    fn the_services_outlive_everything_else() {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::default());
        let context = Arc::new(Context::new("p", "pipeline", "stage", clock, Vec::new()));
        let table = context.table();
        assert!(std::ptr::eq(table, context.table()), "one for all instances");
        context.cancelled.store(true, Ordering::Relaxed);
        let left = Arc::downgrade(&context);
        drop(context);
        assert!(left.upgrade().is_some(), "a thread of a plugin may still call");
        let (ctx, cancelled) = (table.ctx, table.cancelled.expect("it is offered"));
        // SAFETY: the table's own function and context.
        assert_eq!(unsafe { cancelled(ctx) }, 1);
    }
}
