//! Runs the cases of a suite: each once straight through, and rows once more with a crash and a restart at every pass.

use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use smiles_runtime::{StageOutput, with_causes};

use crate::bench::{Bench, UnderTest};
use crate::compare::{Difference, Judge, first_difference};
use crate::error::{CasesError, Cause, Mistakes};
use crate::file::{Case, Table};
use crate::read::{Comes, Ready, ReadyStep, read};
use crate::suite::Suite;

/// How a case ended.
pub struct Outcome {
    pub(crate) name: String,
    /// Where the case stands in the file.
    pub(crate) line: Option<usize>,
    /// What went wrong beside the rows.
    pub(crate) errors: Vec<String>,
    pub(crate) differences: Vec<Difference>,
}

/// The rows that left each stage, pass by pass.
type Rows = BTreeMap<String, Vec<RecordBatch>>;

/// Pipelines by what tells them apart: the variables, and whether there are registers.
type Benches = BTreeMap<(BTreeMap<String, String>, bool), Bench>;

/// Runs every case whose name contains `filter`.
///
/// # Errors
/// A mistake in the file or in its pipeline; all mistakes are said before anything runs.
pub async fn run(
    suite: &mut Suite,
    under_test: &UnderTest<'_>,
    filter: &str,
) -> Result<Vec<Outcome>, CasesError> {
    let mut benches = Benches::new();
    let mut mistakes = Mistakes::default();
    for (at, case) in suite.named(filter) {
        let key = key(suite, case);
        if !benches.contains_key(&key) {
            benches.insert(key.clone(), Bench::open(suite, case, under_test).await?);
        }
        if let Some(Err(wrong)) = benches.get(&key).map(|bench| read(bench, suite, case, &at)) {
            mistakes.values.extend(wrong.values);
            mistakes.keys.extend(wrong.keys);
        }
    }
    suite.blame(mistakes);
    suite.sound()?;
    let mut outcomes = Vec::new();
    for (at, case) in suite.named(filter) {
        let Some(bench) = benches.get_mut(&key(suite, case)) else { continue };
        // What does not fit has been said.
        if let Ok(ready) = read(bench, suite, case, &at) {
            outcomes.push(one(bench, suite, &ready).await);
        }
    }
    Ok(outcomes)
}

fn key(suite: &Suite, case: &Case) -> (BTreeMap<String, String>, bool) {
    (suite.file.variables(case), case.gives_registers())
}

async fn one(bench: &mut Bench, suite: &Suite, ready: &Ready<'_>) -> Outcome {
    let case = ready.case;
    let line = suite.place(&ready.at.key("name")).map(|place| place.line);
    let mut outcome = Outcome { name: case.name.clone(), line, errors: Vec::new(), differences: Vec::new() };
    let judge = Judge { times: &ready.times, tolerance: case.tolerance.or(suite.file.tolerance) };
    let mut all = Rows::new();
    if let Err(error) = straight(bench, suite, ready, &judge, &mut all, &mut outcome).await {
        outcome.errors.push(with_causes(error.as_ref()));
    } else {
        outcome.judge(&judge, &case.expect, &ready.at.key("expect"), &all);
        if !case.gives_registers() {
            let again = restarting(bench, ready).await;
            let said =
                again.map_or_else(|error| Some(with_causes(error.as_ref())), |again| changed(&all, &again));
            outcome.errors.extend(said);
        }
    }
    for difference in &mut outcome.differences {
        difference.line = suite.place(&difference.at).map(|place| place.line);
    }
    outcome
}

/// The steps as they are written.
async fn straight(
    bench: &mut Bench,
    suite: &Suite,
    ready: &Ready<'_>,
    judge: &Judge<'_>,
    all: &mut Rows,
    outcome: &mut Outcome,
) -> Result<(), Cause> {
    bench.begin_again().await?;
    for ready_step in &ready.steps {
        let mut rows = Rows::new();
        let done = step(bench, ready_step, &mut rows).await;
        done.map_err(|error| match suite.place(&ready_step.at) {
            Some(place) => CasesError::failed(format!("line {}", place.line), error).into(),
            None => error,
        })?;
        outcome.judge(judge, &ready_step.step.expect, &ready_step.at.key("expect"), &rows);
        rows.into_iter().for_each(|(stage, rows)| all.entry(stage).or_default().extend(rows));
    }
    Ok(())
}

async fn step(bench: &mut Bench, step: &ReadyStep<'_>, rows: &mut Rows) -> Result<(), Cause> {
    if step.step.restart {
        bench.restart().await?;
    }
    match &step.comes {
        Comes::Nothing => {}
        Comes::Rows(passes) => {
            for pass in passes {
                keep(bench.feed(step.source, &pass.rows, pass.time, true).await?, rows);
            }
        }
        Comes::Registers(registers, time) => {
            let (heard, said) = bench.pass(step.source, registers).await?;
            match &step.step.fails {
                Some(text) if said.contains(text.as_str()) => {}
                Some(text) if said.is_empty() => {
                    return Err(format!("the poll did not fail, and should have failed with `{text}`").into());
                }
                Some(text) => return Err(format!("the poll failed without saying `{text}`: {said}").into()),
                None if said.is_empty() => {}
                None => return Err(format!("the poll failed: {said}").into()),
            }
            if let Some((heard, complete)) = heard {
                keep(bench.feed(step.source, &heard, *time, complete).await?, rows);
            }
        }
    }
    Ok(())
}

/// The same rows, the process killed in the middle of each pass, started again, and once more after it.
async fn restarting(bench: &mut Bench, ready: &Ready<'_>) -> Result<Rows, Cause> {
    let mut all = Rows::new();
    bench.begin_again().await?;
    for step in &ready.steps {
        let Comes::Rows(passes) = &step.comes else { continue };
        for pass in passes {
            bench.crash(step.source, &pass.rows, pass.time).await?;
            keep(bench.feed(step.source, &pass.rows, pass.time, true).await?, &mut all);
            bench.restart().await?;
        }
    }
    Ok(all)
}

/// What a restart changed, as a sentence.
fn changed(straight: &Rows, again: &Rows) -> Option<String> {
    for (stage, batches) in straight {
        let others = again.get(stage).map_or(&[][..], Vec::as_slice);
        for (number, (one, other)) in batches.iter().zip(others).enumerate() {
            if let Some((row, column, one, other)) = first_difference(one, other) {
                let (pass, row) = (number + 1, row + 1);
                return Some(format!(
                    "a restart between passes changes what leaves `{stage}`: {column} of pass {pass}, row {row}, is \
                     {other} and was {one}; what a stage must remember across restarts belongs in its state"
                ));
            }
        }
    }
    None
}

fn keep(left: Vec<StageOutput>, rows: &mut Rows) {
    left.into_iter().for_each(|StageOutput { stage, rows: more }| rows.entry(stage).or_default().push(more));
}

impl Outcome {
    /// Whether everything was as expected.
    pub fn passed(&self) -> bool {
        self.errors.is_empty() && self.differences.is_empty()
    }

    fn judge(
        &mut self,
        judge: &Judge<'_>,
        expect: &BTreeMap<String, Table>,
        at: &smiles_stage::Path,
        rows: &Rows,
    ) {
        for (stage, table) in expect {
            let left = rows.get(stage).map_or(&[][..], Vec::as_slice);
            self.differences.extend(judge.differences(stage, table, &at.key(stage), left));
        }
    }
}
