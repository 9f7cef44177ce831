//! Work at a store that goes on by itself, one at a time. Requests wait for it as long as it is quick, and not at all
//! once one of them has waited in vain: a store that hangs makes nobody late again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};

/// How long a request waits before it is answered from what is known.
pub(crate) const PATIENCE: Duration = Duration::from_millis(500);

/// One kind of work.
#[derive(Debug, Default)]
pub(crate) struct Job {
    state: Mutex<State>,
    /// Counts those that ended.
    ended: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    running: bool,
    /// Somebody has waited in vain, and none was quick since.
    late: bool,
}

impl Job {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins it unless it is under way. It answers whether the store did.
    pub(crate) fn begin(self: &Arc<Self>, work: impl Future<Output = bool> + Send + 'static) {
        if std::mem::replace(&mut self.lock().running, true) {
            return;
        }
        let run = Run { job: Arc::clone(self), begun: Instant::now(), answered: false };
        tokio::spawn(async move {
            let mut run = run;
            run.answered = work.await;
        });
    }

    /// Waits for the end of what is under way, for so long at most.
    pub(crate) async fn wait(&self, patience: Duration) {
        let mut ended = {
            let state = self.lock();
            if !state.running || state.late {
                return;
            }
            self.ended.subscribe()
        };
        if timeout(patience, ended.changed()).await.is_err() {
            self.lock().late = true;
        }
    }
}

/// The work under way; it ends however the work does.
struct Run {
    job: Arc<Job>,
    begun: Instant,
    answered: bool,
}

impl Drop for Run {
    fn drop(&mut self) {
        let mut state = self.job.lock();
        state.running = false;
        state.late = state.late && !(self.answered && self.begun.elapsed() <= PATIENCE);
        // Within the lock: who subscribes in it is told of this end or of a later one.
        self.job.ended.send_modify(|ended| *ended += 1);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use tokio::sync::oneshot;

    use super::*;

    /// Whether a request that comes now would wait.
    fn is_waited_for(job: &Job) -> bool {
        job.wait(PATIENCE).now_or_never().is_none()
    }

    #[tokio::test]
    async fn only_the_first_waits_for_what_hangs_and_quick_work_is_waited_for_again() {
        let job = Arc::new(Job::default());
        assert!(!is_waited_for(&job), "nothing is under way");
        let mut ended = job.ended.subscribe();
        let (answer, hangs) = oneshot::channel::<()>();
        job.begin(async { hangs.await.is_ok() });
        job.begin(async { unreachable!("one is under way") });
        assert!(is_waited_for(&job));
        job.wait(Duration::from_millis(1)).await;
        assert!(!is_waited_for(&job), "somebody waited in vain");
        answer.send(()).unwrap();
        ended.changed().await.unwrap();

        for (took, answered, waited_for) in
            [(PATIENCE * 2, true, false), (Duration::ZERO, false, false), (Duration::ZERO, true, true)]
        {
            *job.lock() = State { running: true, late: true };
            let begun = Instant::now().checked_sub(took).unwrap();
            drop(Run { job: Arc::clone(&job), begun, answered });
            job.begin(std::future::pending());
            assert_eq!(is_waited_for(&job), waited_for, "after one that took {took:?}: {answered}");
        }
    }

    #[tokio::test]
    async fn work_that_panics_has_ended() {
        let job = Arc::new(Job::default());
        let mut ended = job.ended.subscribe();
        job.begin(async { panic!("as it happens") });
        ended.changed().await.unwrap();
        job.begin(async { true });
        ended.changed().await.unwrap();
    }
}
