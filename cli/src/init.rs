//! The first process of a container: nobody is above it, so it has to do what an init does.
//!
//! It starts the program once more as its child, passes signals on, and collects what others leave behind. A kernel gives
//! process 1 no default action for a signal and hands it every orphan; neither is the business of a pipeline.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::Context;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};
use tokio::signal::unix::{SignalKind, signal};

use crate::exit::Failure;

/// Whether this process is the first one.
pub(crate) fn is_this() -> bool {
    std::process::id() == 1
}

/// Runs the program as a child to its end; its exit code is ours.
///
/// # Errors
/// The child cannot be started.
pub(crate) fn mind() -> Result<ExitCode, Failure> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_io().build().context("cannot start")?;
    Ok(runtime.block_on(minded())?)
}

async fn minded() -> anyhow::Result<ExitCode> {
    // Before the child: its end must not be missed.
    let listen = |kind| signal(kind).context("cannot listen to signals");
    let mut ended = listen(SignalKind::child())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut hang_up = listen(SignalKind::hangup())?;
    let mut quit = listen(SignalKind::quit())?;

    let program = std::env::current_exe().context("cannot find this program's file")?;
    // A group of its own: Ctrl-C on a terminal comes once, from here, and not a second time from the terminal.
    let child = Command::new(program)
        .args(std::env::args_os().skip(1))
        .process_group(0)
        .spawn()
        .context("cannot start the bridge")?;
    let child = i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("the bridge has no id")?;
    loop {
        let passed_on = tokio::select! {
            _ = ended.recv() => None,
            _ = terminate.recv() => Some(Signal::TERM),
            _ = interrupt.recv() => Some(Signal::INT),
            _ = hang_up.recv() => Some(Signal::HUP),
            _ = quit.recv() => Some(Signal::QUIT),
        };
        if let Some(signal) = passed_on {
            // It may have ended just now.
            let _ = rustix::process::kill_process(child, signal);
        }
        if let Some(code) = collect(child) {
            return Ok(code);
        }
    }
}

/// Collects every process that ended; the code of the child if it is among them.
fn collect(child: Pid) -> Option<ExitCode> {
    let mut code = None;
    while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
        if pid == child {
            code = Some(exit_code(status));
        }
    }
    code
}

/// As a shell has it: 128 and the signal for one that was killed.
fn exit_code(status: WaitStatus) -> ExitCode {
    let code = status.exit_status().unwrap_or_else(|| 128 + status.terminating_signal().unwrap_or_default());
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}
