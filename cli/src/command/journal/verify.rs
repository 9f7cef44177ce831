//! `smiles journal verify`: every page and checksum of the file, the books of every sink, and what its target says.

use anyhow::{Context, anyhow};
use smiles_config::Environment;
use smiles_journal::{RowCounts, Status, inspect};
use smiles_runtime::Target;
use smiles_stage::{Delivery, Seq};

use crate::command::journal::files::with_journals;
use crate::command::run::RunArgs;
use crate::exit::Failure;
use crate::project;

pub(crate) fn run(args: &RunArgs) -> Result<(), Failure> {
    let environment = Environment::from_process();
    let data_dir = project::data_dir(args.data.data_dir.as_deref(), &environment);
    let environment = with_any_device(environment);
    let mut wrong = 0;
    for (project, path) in with_journals(&args.files, &environment, &data_dir)? {
        let status = inspect(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let options = crate::command::one_off::one_off_options(&data_dir)?;
        let lines = crate::command::one_off::block_on_until_signal(async {
            let targets = project
                .wired
                .targets(options, |_, delivery| delivery == Delivery::Transactional)
                .await
                .context("cannot open the sinks")?;
            Ok(compare(&status, targets).await)
        })?;
        let unsound =
            smiles_journal::verify(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let unsound = unsound.into_iter().map(|said| (false, said));
        crate::command::console::print(&format!("{}\n", path.display()))?;
        for (fine, line) in unsound.chain(lines) {
            wrong += usize::from(!fine);
            crate::command::console::print(&format!("  {} {line}\n", if fine { "ok   " } else { "WRONG" }))?;
        }
    }
    if wrong == 0 { Ok(()) } else { Err(anyhow!("{wrong} of these do not match").into()) }
}

/// No source is asked, so the stock pipeline may leave open which device it is about, as after a demo.
fn with_any_device(environment: Environment) -> Environment {
    let is_set = |name: &str| environment.get(name).is_some_and(|value| !value.trim().is_empty());
    if is_set("DTU_HOST") || is_set("DTU_CONFIGS") {
        environment
    } else {
        environment.with("DTU_HOST", "localhost")
    }
}

/// A line per sink and per run: whether it is as it should be, and what is.
async fn compare(status: &Status, targets: Vec<Target>) -> Vec<(bool, String)> {
    let mut lines: Vec<_> = status.row_counts.iter().chain(&status.transforms).map(balance).collect();
    for mut target in targets {
        let row_counts = status.row_counts.iter().find(|row_counts| row_counts.sink == target.name);
        for (run, delivered) in row_counts.map_or(&[][..], |row_counts| &row_counts.watermarks) {
            let known = match target.sink.watermark(*run).await {
                Ok(Some(watermark)) => watermark.seq,
                Ok(None) => continue,
                Err(error) => {
                    lines.push((false, format!("{}: {}", target.name, error.chain())));
                    break;
                }
            };
            lines.push(against(&target.name, &run.to_string(), *delivered, known));
        }
    }
    lines
}

fn balance(row_counts: &RowCounts) -> (bool, String) {
    let RowCounts { sink, accepted, delivered, dead_lettered, dropped, lost, waiting, .. } = row_counts;
    let fine = *accepted == delivered + dead_lettered + dropped + lost + waiting;
    let sign = if fine { "=" } else { "is not" };
    let line = format!(
        "{sink}: {accepted} accepted {sign} {delivered} delivered + {dead_lettered} dead letters + {dropped} dropped + \
         {lost} lost + {waiting} waiting"
    );
    (fine, line)
}

/// The target may be ahead (a crash between its commit and ours), never behind.
fn against(sink: &str, run: &str, delivered: Seq, known: Seq) -> (bool, String) {
    let said = format!("{sink}: run {run}: delivered up to {delivered}, the target says {known}");
    match known >= delivered {
        true => (true, said),
        false => (
            false,
            format!("{said}: less than was delivered (an older backup?); `smiles run` delivers it again"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn books_that_do_not_balance_are_wrong() {
        let fine = RowCounts {
            accepted: 10,
            delivered: 5,
            dead_lettered: 1,
            dropped: 1,
            lost: 1,
            waiting: 2,
            ..RowCounts::default()
        };
        assert!(balance(&fine).0);
        let (fine, line) = balance(&RowCounts { waiting: 3, ..fine });
        assert!(!fine && line.contains("10 accepted is not 5 delivered"), "{line}");
    }

    #[test]
    fn a_target_may_be_ahead_but_not_behind() {
        assert!(against("store", "r", Seq(4), Seq(5)).0 && against("store", "r", Seq(4), Seq(4)).0);
        assert!(!against("store", "r", Seq(4), Seq(3)).0);
    }
}
