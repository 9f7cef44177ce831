//! The lines of this process: one for each address, however many sources of however many pipelines ask there.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use smiles_stage::option::Period;

use crate::address::Address;
use crate::line::state::LineState;
use crate::wire::rtu;

/// All lines that a source is on.
static LINES: Mutex<BTreeMap<String, Weak<Line>>> = Mutex::new(BTreeMap::new());

/// What one source wants of its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wishes {
    /// The source, for messages.
    pub(crate) source: String,
    pub(crate) settings: Settings,
}

/// How a line is treated. Of several wishes the gentlest holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    /// How long the device is left alone after a connection was made.
    pub(crate) connect_delay: Duration,
    /// The least time between an answer and the next question.
    pub(crate) min_delay: Duration,
    /// Whether the connection stays open between passes.
    pub(crate) keep: bool,
}

/// One address.
pub(crate) struct Line {
    pub(crate) address: Address,
    wishes: Mutex<BTreeMap<u64, Wishes>>,
    passes: AtomicUsize,
    heard: AtomicBool,
    /// Answers that were damaged on the way, since the line is in use.
    crc_faults: AtomicU64,
    /// Those who wait get it in the order they came.
    state: tokio::sync::Mutex<LineState>,
}

/// A source's place on a line; given up when dropped.
pub(crate) struct Membership {
    line: Arc<Line>,
    number: u64,
}

/// The line to an address, joined. Warns where the wishes of those on it differ.
///
/// # Errors
/// Others speak to the same address in another way.
pub(crate) fn line(address: &Address, wishes: Wishes) -> Result<(Arc<Line>, Membership), String> {
    static NUMBERS: AtomicU64 = AtomicU64::new(0);
    let mut lines = locked(&LINES);
    lines.retain(|_, line| line.strong_count() > 0);
    let known = lines.get(&address.key()).and_then(Weak::upgrade);
    let line = match known {
        Some(line) if line.address == *address => line,
        Some(line) => {
            let others = locked(&line.wishes).values().map(|it| it.source.clone()).collect::<Vec<_>>();
            return Err(format!(
                "`{}` is asked as {} and here as {address}; one line has one way to speak",
                others.join("`, `"),
                line.address
            ));
        }
        None => {
            let line = Arc::new(Line {
                address: address.clone(),
                wishes: Mutex::default(),
                passes: AtomicUsize::new(0),
                heard: AtomicBool::new(false),
                crc_faults: AtomicU64::new(0),
                state: tokio::sync::Mutex::default(),
            });
            lines.insert(address.key(), Arc::downgrade(&line));
            line
        }
    };
    drop(lines);
    let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
    let mut all = locked(&line.wishes);
    // Reloaded pipelines open their sources before the old ones go; the same source is no other.
    let different = all.values().find(|it| it.source != wishes.source && it.settings != wishes.settings);
    if let Some(other) = different {
        let gentlest = gentlest([other.settings, wishes.settings]);
        tracing::warn!(
            line = %address, one = other.source, other = wishes.source,
            connect_delay = %Period(gentlest.connect_delay), min_delay = %Period(gentlest.min_delay),
            connection = if gentlest.keep { "keep" } else { "pass" },
            "sources share a line and want it treated differently; the gentlest holds for all"
        );
    }
    all.insert(number, wishes);
    drop(all);
    Ok((Arc::clone(&line), Membership { line, number }))
}

impl Drop for Membership {
    fn drop(&mut self) {
        locked(&self.line.wishes).remove(&self.number);
    }
}

impl Line {
    pub(crate) fn settings(&self) -> Settings {
        gentlest(locked(&self.wishes).values().map(|it| it.settings))
    }

    /// The least time between a byte and the next question.
    pub(crate) fn pause(&self) -> Duration {
        let silence = match &self.address {
            Address::Serial(port) => rtu::silence(port.baud),
            Address::Tcp(_) | Address::RtuOverTcp(_) => Duration::ZERO,
        };
        self.settings().min_delay.max(silence)
    }

    /// How many sources are on it.
    pub(crate) fn members(&self) -> usize {
        locked(&self.wishes).len()
    }

    pub(crate) fn passes_more(&self) {
        self.passes.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn passes_less(&self) {
        self.passes.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether anything was ever heard on it.
    pub(crate) fn ever_heard(&self) -> bool {
        self.heard.load(Ordering::Relaxed)
    }

    pub(crate) fn was_heard(&self) {
        self.heard.store(true, Ordering::Relaxed);
    }

    /// Counts answers that were damaged.
    pub(crate) fn were_damaged(&self, count: u64) {
        if count > 0 {
            let crc_faults = self.crc_faults.fetch_add(count, Ordering::Relaxed) + count;
            tracing::debug!(line = %self.address, crc_faults, "an answer was damaged");
        }
    }

    /// The line for oneself, when one's turn has come.
    pub(crate) async fn lock(&self) -> tokio::sync::MutexGuard<'_, LineState> {
        self.state.lock().await
    }

    /// A pass has ended: when no other is under way the connection is closed, or kept for the next.
    pub(crate) async fn rest(&self) {
        if self.passes.load(Ordering::Relaxed) > 0 {
            return;
        }
        let mut state = self.lock().await;
        if self.passes.load(Ordering::Relaxed) == 0 {
            state.rest(self.settings().keep).await;
        }
    }
}

fn gentlest(settings: impl IntoIterator<Item = Settings>) -> Settings {
    let all = settings.into_iter();
    let gentler = |one: Settings, other: Settings| Settings {
        connect_delay: one.connect_delay.max(other.connect_delay),
        min_delay: one.min_delay.max(other.min_delay),
        keep: one.keep && other.keep,
    };
    all.reduce(gentler).unwrap_or_default()
}

/// The value, whatever became of others who held it.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
