//! Open files: a process is often given far fewer than it may have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// More than every connection that the limits of an API allow, and what else is open.
const ENOUGH: u64 = 1 << 17;

/// Lets this process open as many files as it may, as far as that is of use. Where it may not, the API serves fewer
/// connections and says so.
pub(crate) fn raise() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let allowed = maximum.map_or(ENOUGH, |maximum| maximum.min(ENOUGH));
    if current.is_some_and(|current| current < allowed) {
        _ = setrlimit(Resource::Nofile, Rlimit { current: Some(allowed), maximum });
    }
}
