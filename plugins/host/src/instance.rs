//! An instance on a thread of its own: its calls may block, come one at a time, and have a limit.
//!
//! A call that passes its limit has failed for the pipeline, and the instance is asked to give it up. Until it returns
//! the stage stays unhealthy; then the instance is closed and another is opened. Nothing else waits for it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use smiles_stage::{Clock, StageError, State};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::oneshot;

use crate::context::{ApplyState, Context, StateRequest};
use crate::instance_handle::{CallError, Cancel, InstanceHandle};
use crate::last_words::THREAD;

/// How long dropping an instance waits for its `close`.
const FAREWELL: Duration = Duration::from_secs(1);

type Job = Box<dyn FnOnce(&mut Option<InstanceHandle>) + Send>;

/// A running instance, seen from the pipeline.
pub(crate) struct Instance {
    jobs: Option<Sender<Job>>,
    /// Closes when the thread has ended.
    ended: Receiver<()>,
    /// Jobs sent and not finished.
    open_jobs: Arc<AtomicUsize>,
    cancel: Arc<Cancel>,
    context: Arc<Context>,
    limit: Duration,
    /// The call that passed its limit.
    stalled: Option<&'static str>,
    /// It asked to be opened anew.
    spent: bool,
}

/// Whether an instance can be called.
pub(crate) enum Readiness {
    Fit,
    /// Another one is to be opened.
    Spent,
    /// In a call that passed its limit.
    Stuck(&'static str),
}

impl Instance {
    /// Starts the thread; nothing is open yet.
    pub(crate) fn start(
        context: Arc<Context>,
        cancel: Arc<Cancel>,
        limit: Duration,
    ) -> Result<Self, StageError> {
        let (jobs, inbox) = channel::<Job>();
        let (end, ended) = channel();
        let open_jobs = Arc::new(AtomicUsize::new(0));
        let name = format!("{THREAD}{}", context.stage);
        let started = thread::Builder::new().name(name).spawn(move || {
            let mut handle = None;
            for job in inbox {
                job(&mut handle);
            }
            drop(handle);
            drop(end);
        });
        started.map_err(|error| StageError::retry("cannot start a thread for a plugin").because(error))?;
        Ok(Self { jobs: Some(jobs), ended, open_jobs, cancel, context, limit, stalled: None, spent: false })
    }

    pub(crate) fn fitness(&self) -> Readiness {
        match self.stalled {
            Some(call) if self.open_jobs.load(Ordering::Acquire) > 0 => Readiness::Stuck(call),
            Some(_) => Readiness::Spent,
            None if self.spent => Readiness::Spent,
            None => Readiness::Fit,
        }
    }

    /// Makes a call and waits for it, at most as long as the limit.
    pub(crate) async fn call<T: Send + 'static>(
        &mut self,
        name: &'static str,
        call: impl FnOnce(&mut Option<InstanceHandle>) -> Result<T, CallError> + Send + 'static,
    ) -> Result<T, StageError> {
        let (answer, answered) = oneshot::channel();
        self.send(name, move |handle, finished| {
            let result = guarded(handle, call);
            finished();
            // A caller that no longer waits needs no answer.
            drop(answer.send(result));
        })?;
        let clock = Arc::clone(&self.context.clock);
        let deadline = clock.monotonic() + self.limit;
        tokio::select! {
            biased;
            answer = answered => match answer {
                Ok(result) => self.settle(result),
                Err(_) => self.settle(Err(CallError { error: self.vanished(name), reopen: true })),
            },
            () = clock.sleep_until(deadline) => Err(self.give_up(name)),
        }
    }

    /// As [`Instance::call`], for roles that are synchronous; the thread waits in place of an async one.
    pub(crate) fn call_now<T: Send + 'static>(
        &mut self,
        name: &'static str,
        state: Option<&mut dyn State>,
        call: impl FnOnce(&mut Option<InstanceHandle>, ApplyState) -> Result<T, CallError> + Send + 'static,
    ) -> Result<T, StageError> {
        let (ask, asked) = channel();
        let result = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&result);
        let memory = ApplyState { ask: ask.clone(), puts: std::collections::HashMap::new() };
        self.send(name, move |handle, finished| {
            let made = guarded(handle, |handle| call(handle, memory));
            let puts = handle.as_ref().map(|handle| handle.context().puts()).unwrap_or_default();
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some((made, puts));
            finished();
            // A caller that no longer waits needs no answer.
            drop(ask.send(StateRequest::Done));
        })?;
        in_place(|| self.wait(name, &asked, state.as_deref()))?;
        let made = result.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((made, puts)) = made else { return Err(self.vanished(name)) };
        let value = self.settle(made)?;
        if let Some(state) = state {
            puts.into_iter().for_each(|(key, value)| state.put(&key, value));
        }
        Ok(value)
    }

    /// Answers what the call asks of its state until it has ended.
    fn wait(
        &mut self,
        name: &'static str,
        asked: &Receiver<StateRequest>,
        state: Option<&dyn State>,
    ) -> Result<(), StageError> {
        let clock: Arc<dyn Clock> = Arc::clone(&self.context.clock);
        let deadline = clock.monotonic() + self.limit;
        loop {
            let left = deadline.saturating_sub(clock.monotonic());
            match asked.recv_timeout(left) {
                Ok(StateRequest::Get(key, answer)) => {
                    // The plugin's thread waits; if it does not, nobody needs the answer.
                    drop(answer.send(state.and_then(|state| state.get(&key))));
                }
                Ok(StateRequest::Done) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => return Err(self.give_up(name)),
                Err(RecvTimeoutError::Disconnected) => {
                    self.spent = true;
                    return Err(self.vanished(name));
                }
            }
        }
    }

    /// `job` says that it has finished before it answers: whoever has its answer may drop the instance, which waits for
    /// `close` where no job is under way.
    fn send(
        &mut self,
        name: &'static str,
        job: impl FnOnce(&mut Option<InstanceHandle>, &dyn Fn()) + Send + 'static,
    ) -> Result<(), StageError> {
        self.context.cancelled.store(false, Ordering::Relaxed);
        self.open_jobs.fetch_add(1, Ordering::AcqRel);
        let open_jobs = Arc::clone(&self.open_jobs);
        let finished = move || _ = open_jobs.fetch_sub(1, Ordering::Release);
        let job = move |handle: &mut Option<InstanceHandle>| job(handle, &finished);
        let sent = self.jobs.as_ref().is_some_and(|jobs| jobs.send(Box::new(job)).is_ok());
        if sent {
            return Ok(());
        }
        self.open_jobs.fetch_sub(1, Ordering::AcqRel);
        self.spent = true;
        Err(self.vanished(name))
    }

    fn settle<T>(&mut self, result: Result<T, CallError>) -> Result<T, StageError> {
        result.map_err(|failed| {
            self.spent |= failed.reopen;
            failed.error
        })
    }

    fn vanished(&self, name: &str) -> StageError {
        let Context { plugin, stage, .. } = self.context.as_ref();
        StageError::retry(format!("plugin `{plugin}`, stage `{stage}`, in `{name}`: its thread has ended"))
    }

    /// The limit has passed: the call is asked to end, from a thread that may itself get stuck in the plugin.
    fn give_up(&mut self, name: &'static str) -> StageError {
        self.stalled = Some(name);
        self.context.cancelled.store(true, Ordering::Relaxed);
        let cancel = Arc::clone(&self.cancel);
        // Without a thread for it the call is not cancelled, only left behind.
        drop(thread::Builder::new().name(format!("{THREAD}cancel")).spawn(move || cancel.ask()));
        let Context { plugin, stage, .. } = self.context.as_ref();
        let limit = smiles_stage::option::Period(self.limit);
        StageError::retry(format!(
            "plugin `{plugin}`, stage `{stage}`: `{name}` has not returned within {limit}"
        ))
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // Threads that the plugin left running see that nobody waits any more.
        self.context.cancelled.store(true, Ordering::Relaxed);
        drop(self.jobs.take());
        if self.open_jobs.load(Ordering::Acquire) == 0 {
            // Ends as soon as `close` has returned; a plugin that hangs in it is left behind.
            _ = self.ended.recv_timeout(FAREWELL);
        }
    }
}

/// A call of ours into the plugin; a panic on our side of it ends the instance.
fn guarded<T>(
    handle: &mut Option<InstanceHandle>,
    call: impl FnOnce(&mut Option<InstanceHandle>) -> Result<T, CallError>,
) -> Result<T, CallError> {
    catch_unwind(AssertUnwindSafe(|| call(handle))).unwrap_or_else(|panic| {
        let text =
            panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        let error =
            StageError::retry(format!("a plugin's answer cannot be taken: {}", text.unwrap_or("no reason")));
        Err(CallError { error, reopen: true })
    })
}

/// The open instance of a job.
pub(crate) fn open_one(handle: &mut Option<InstanceHandle>) -> Result<&mut InstanceHandle, CallError> {
    handle.as_mut().ok_or_else(|| CallError {
        error: StageError::retry("the plugin's instance is not open"),
        reopen: true,
    })
}

/// Waits without holding up the other tasks of this thread.
pub(crate) fn in_place<T>(wait: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(wait),
        _ => wait(),
    }
}
