//! `smiles plugin check`: every rule of the ABI, in a child process so that a crash is a finding.

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use clap::Args;
use smiles_config::unchecked;
use smiles_plugin_host::PluginFile;
use smiles_plugin_host::conformance::{Listener, Outcome, Setup, run as run_checks};
use smiles_runtime::SystemClock;

use crate::command::console::print;
use crate::command::one_off::ended_by_signals;
use crate::command::plugin::built_in::warn_if_built_in;
use crate::exit::Failure;
use crate::plugins;

/// What the child says where nothing is wrong and not everything was tried.
const INCOMPLETE: i32 = 3;

pub(crate) fn run(args: &PluginCheckArgs) -> Result<(), Failure> {
    if args.here {
        return here(args);
    }
    ended_by_signals()?;
    let file = PluginFile { path: args.path.clone(), sha256: None, timeout: None, prefix: None };
    let probed = plugins::host()?.probe(&file).map_err(Failure::configuration)?;
    for stage in &probed.stages {
        warn_if_built_in(stage.meta.role, &stage.meta.type_name)?;
        if let [first, ..] = unchecked(&stage.schema).as_slice() {
            return Err(anyhow!("the schema of `{}`: {first}", stage.meta.type_name).into());
        }
    }
    let program = std::env::current_exe().context("cannot find this program to start it again")?;
    let mut child = Command::new(program);
    child.args(["plugin", "check", "--here"]).arg(&args.path);
    if let Some(options) = &args.options {
        child.args(["--options", options]);
    }
    let status = child.status().context("cannot start a child process for the check")?;
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(()),
        (Some(2), _) => Err(Failure::Configuration(String::new())),
        (Some(INCOMPLETE), _) => Err(Failure::Incomplete(format!(
            "{} breaks no rule that could be tried, and some could not be: give options that reach its target or device \
             with --options",
            args.path.display()
        ))),
        (Some(_), _) => {
            Err(anyhow!("{} does not keep the rules; they are in smiles_plugin.h", args.path.display())
                .into())
        }
        (None, signal) => {
            let signal = signal.map_or_else(|| "a signal".to_owned(), |signal| format!("signal {signal}"));
            Err(anyhow!("{} crashes ({signal}) in the check named last", args.path.display()).into())
        }
    }
}

fn here(args: &PluginCheckArgs) -> Result<(), Failure> {
    let options = match &args.options {
        Some(text) => Some(
            serde_json::from_str(text)
                .map_err(|error| Failure::configuration(format!("--options is not JSON: {error}")))?,
        ),
        None => None,
    };
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let setup =
        Setup { options, folder: folder.path().display().to_string(), clock: Arc::new(SystemClock::new()) };
    let mut printed = Printed::default();
    let sound = run_checks(&args.path, &setup, &mut printed).map_err(Failure::configuration)?;
    let Printed { passed, skipped, failed, .. } = printed;
    print(&format!("\n{passed} passed, {skipped} could not be tried here, {failed} failed\n"))?;
    if !sound {
        drop(folder);
        // The parent says the last word.
        std::process::exit(1);
    }
    if skipped > 0 {
        drop(folder);
        std::process::exit(INCOMPLETE);
    }
    Ok(())
}

/// A line per check: its name before it begins, its outcome after.
#[derive(Default)]
struct Printed {
    stage: String,
    passed: usize,
    skipped: usize,
    failed: usize,
}

impl Printed {
    fn say(text: &str) {
        // Flushed, since the plugin may crash. A reader that went away does not stop the check.
        let mut out = std::io::stdout();
        _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

impl Listener for Printed {
    fn begins(&mut self, stage: &str, check: &str) {
        if self.stage != stage {
            stage.clone_into(&mut self.stage);
            Self::say(&format!("{stage}\n"));
        }
        Self::say(&format!("  {check} ... "));
    }

    fn ended(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Passed => {
                self.passed += 1;
                Self::say("ok\n");
            }
            Outcome::Skipped(reason) => {
                self.skipped += 1;
                Self::say(&format!("not tried: {reason}\n"));
            }
            Outcome::Failed(reason) => {
                self.failed += 1;
                Self::say(&format!("FAILED: {reason}\n"));
            }
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct PluginCheckArgs {
    /// The library
    #[arg(value_name = "PATH")]
    pub(crate) path: PathBuf,
    /// Options to try its stages with, as JSON
    #[arg(long, value_name = "JSON")]
    pub(crate) options: Option<String>,
    /// Run its code in this process
    #[arg(long, hide = true)]
    pub(crate) here: bool,
}
