//! What belongs to the whole process and a plugin may not leave changed behind a call: how the bridge is asked to end, the mode of
//! new files, the working folder. It is put back, and said once per plugin and thing.

use std::collections::BTreeSet;
use std::mem::MaybeUninit;
use std::path::PathBuf;
use std::ptr::{null, null_mut};
use std::sync::{Mutex, PoisonError};

use libc::{c_int, mode_t};

/// By which the bridge is asked to end or to read its files again.
const SIGNALS: [(c_int, &str); 3] = [
    (libc::SIGTERM, "the handler of SIGTERM"),
    (libc::SIGINT, "the handler of SIGINT"),
    (libc::SIGHUP, "the handler of SIGHUP"),
];

/// As it was before a call.
pub(crate) struct ProcessState {
    signals: [libc::sigaction; SIGNALS.len()],
    umask: mode_t,
    folder: Option<PathBuf>,
}

impl ProcessState {
    /// As it is now.
    pub(crate) fn now() -> Self {
        Self {
            signals: SIGNALS.map(|(signal, _)| action(signal)),
            umask: umask(),
            folder: std::env::current_dir().ok(),
        }
    }

    /// Puts back what is another now, and warns of it.
    pub(crate) fn put_back(&self, plugin: &str, stage: &str) {
        for ((signal, what), before) in SIGNALS.iter().zip(&self.signals) {
            // Only a handler of ours that was there: one that the bridge sets up meanwhile stays.
            let ours = before.sa_sigaction != libc::SIG_DFL && before.sa_sigaction != libc::SIG_IGN;
            if ours && action(*signal).sa_sigaction != before.sa_sigaction {
                // SAFETY: what `sigaction` itself said.
                unsafe { libc::sigaction(*signal, before, null_mut()) };
                warn(plugin, stage, what);
            }
        }
        if umask() != self.umask {
            // SAFETY: a number; the call cannot fail.
            unsafe { libc::umask(self.umask) };
            warn(plugin, stage, "the umask");
        }
        if let Some(folder) = &self.folder
            && std::env::current_dir().ok().as_ref() != Some(folder)
            && std::env::set_current_dir(folder).is_ok()
        {
            warn(plugin, stage, "the working folder");
        }
    }
}

/// What is done on a signal.
fn action(signal: c_int) -> libc::sigaction {
    // SAFETY: all zeros is a valid `sigaction`.
    let mut found: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: asks only, and fills in what is ours.
    unsafe { libc::sigaction(signal, null(), &raw mut found) };
    found
}

/// The mode of new files, as the kernel tells it: to ask by `umask` is to change it, and other threads make files.
fn umask() -> mode_t {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let said = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    said.and_then(|said| mode_t::from_str_radix(said.trim(), 8).ok()).unwrap_or(0)
}

fn warn(plugin: &str, stage: &str, what: &'static str) {
    static SAID: Mutex<BTreeSet<(String, &'static str)>> = Mutex::new(BTreeSet::new());
    let new = SAID.lock().unwrap_or_else(PoisonError::into_inner).insert((plugin.to_owned(), what));
    if new {
        tracing::warn!(
            plugin,
            stage,
            "the plugin changed {what} of the whole process: put back; it may not do so"
        );
    }
}
