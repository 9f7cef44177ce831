//! What is said when a plugin takes the process down: one line on standard error that names plugin, stage and call.
//!
//! A crash ends the process by its own signal, as it would without us. `exit` in a call of a plugin is no end of the bridge's own:
//! whatever code it gave, the process ends with [`EXITED`], so that whoever watches the bridge starts it again. `_exit` and
//! SIGKILL leave no last words.

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::ptr::null_mut;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use libc::{c_int, c_void, siginfo_t};

/// The exit code where a plugin called `exit`: an internal error (EX_SOFTWARE).
const EXITED: c_int = 70;
/// The signals of crashes.
const CRASHES: [(c_int, &str); 5] = [
    (libc::SIGSEGV, "SIGSEGV"),
    (libc::SIGBUS, "SIGBUS"),
    (libc::SIGILL, "SIGILL"),
    (libc::SIGFPE, "SIGFPE"),
    (libc::SIGABRT, "SIGABRT"),
];
/// Threads of plugins are called so, and those that a plugin starts in a call inherit the name.
pub(crate) const THREAD: &str = "plugin ";

thread_local! {
    /// Which call runs on this thread: its text, valid until the call ends. Without a destructor, so that a signal handler
    /// may read it.
    static CALL: Cell<(*const u8, usize)> = const { Cell::new((std::ptr::null(), 0)) };
}

/// What was done on each signal of a crash before.
static BEFORE: [AtomicPtr<libc::sigaction>; CRASHES.len()] =
    [const { AtomicPtr::new(null_mut()) }; CRASHES.len()];
/// Whether the line was written.
static SAID: AtomicBool = AtomicBool::new(false);

/// A call of a plugin on this thread, for as long as it lives.
pub(crate) struct CallMark {
    _text: String,
}

/// A call begins: `text` names plugin, stage and call.
pub(crate) fn begin(text: String) -> CallMark {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(watch);
    CALL.set((text.as_ptr(), text.len()));
    CallMark { _text: text }
}

impl Drop for CallMark {
    fn drop(&mut self) {
        CALL.set((std::ptr::null(), 0));
    }
}

/// Has crashes and `exit` watched from now on.
fn watch() {
    for ((signal, _), before) in CRASHES.iter().zip(&BEFORE) {
        // SAFETY: all zeros is a valid `sigaction`.
        let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
        action.sa_sigaction = crashed as *const () as usize;
        // On the stack for signals: that of the thread may be what is full.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        // SAFETY: as above. It is never freed: the handler reads it at any time.
        let old: &'static mut libc::sigaction =
            Box::leak(Box::new(unsafe { MaybeUninit::zeroed().assume_init() }));
        before.store(old, Ordering::Release);
        // SAFETY: both are valid; the handler does only what a handler may.
        unsafe { libc::sigaction(*signal, &raw const action, old) };
    }
    // SAFETY: the function takes nothing and is never unloaded.
    unsafe { libc::atexit(left) };
}

/// Says who crashed and lets the signal do what it did before us: Rust tells of a full stack, then the process dies of it.
extern "C" fn crashed(signal: c_int, info: *mut siginfo_t, _: *mut c_void) {
    let known = CRASHES.iter().zip(&BEFORE).find(|((number, _), _)| *number == signal);
    let Some(((_, name), before)) = known else { return };
    say(&[
        name,
        " in a plugin's code ends the process; docs/plugins.md, \"If a plugin crashes\", says what to do",
    ]);
    let before = before.load(Ordering::Acquire);
    // SAFETY: what `sigaction` filled in, never freed, or null, which changes nothing.
    unsafe { libc::sigaction(signal, before, null_mut()) };
    // SAFETY: the kernel gives a valid pointer to a handler with SA_SIGINFO.
    let sent = unsafe { info.as_ref() }.is_none_or(|info| info.si_code <= 0);
    if sent {
        // SAFETY: may be called in a handler. A fault comes again by itself when the handler returns.
        unsafe { libc::raise(signal) };
    }
}

/// At `exit`: of a plugin, if it was called in one of its calls or on one of its threads.
extern "C" fn left() {
    if say(&["exit() was called there, and ended the process"]) {
        // SAFETY: ends the process at once; the other handlers of `exit` have run or are not waited for.
        unsafe { libc::_exit(EXITED) };
    }
}

/// Writes the line, once; `false`: no plugin's code runs on this thread. Calls only what a signal handler may.
fn say(what: &[&str]) -> bool {
    let (text, length) = CALL.get();
    let mut comm = [0_u8; 16];
    let place = if text.is_null() {
        #[cfg(target_os = "linux")]
        // SAFETY: 16 bytes are what the system writes at most, with a zero byte at their end.
        unsafe {
            libc::prctl(libc::PR_GET_NAME, comm.as_mut_ptr())
        };
        let length = comm.iter().position(|byte| *byte == 0).unwrap_or(comm.len());
        &comm[..length]
    } else {
        // SAFETY: the text of the call that runs on this very thread; its guard is still there.
        unsafe { std::slice::from_raw_parts(text, length) }
    };
    if text.is_null() && !place.starts_with(THREAD.as_bytes()) {
        return false;
    }
    if SAID.swap(true, Ordering::AcqRel) {
        return true;
    }
    let own: &[u8] = if text.is_null() { b"a thread of `" } else { b"" };
    let end: &[u8] = if text.is_null() { b"`: " } else { b": " };
    let mut line = Line { bytes: [0; 1024], length: 0 };
    [b"error: ".as_slice(), own, place, end].into_iter().for_each(|piece| line.add(piece));
    what.iter().for_each(|piece| line.add(piece.as_bytes()));
    line.add(b"\n");
    // SAFETY: bytes of ours; a line that cannot be written is lost.
    unsafe { libc::write(libc::STDERR_FILENO, line.bytes.as_ptr().cast(), line.length) };
    true
}

/// A line that is put together without memory of its own.
struct Line {
    bytes: [u8; 1024],
    length: usize,
}

impl Line {
    fn add(&mut self, piece: &[u8]) {
        let room = &mut self.bytes[self.length..];
        let taken = piece.len().min(room.len());
        room[..taken].copy_from_slice(&piece[..taken]);
        self.length += taken;
    }
}
