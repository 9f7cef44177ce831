//! Core files: what a process has in memory, passwords too, and a crash would write it to disk.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Has this process leave none. The hard limit stays: who looks for a fault raises the soft one again (`prlimit`).
pub(crate) fn forbid() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Core);
    _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum });
}
