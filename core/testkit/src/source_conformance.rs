//! What every source must do, as functions a source's tests call.
//!
//! The test brings a [`Subject`]: a plan, and a device (a file, a simulator) that answers.

#![expect(clippy::expect_used, reason = "a check fails by panicking")]

use async_trait::async_trait;
use smiles_stage::{OpenContext, Pass, Position, RunId, Seq, Source, SourcePlan};

/// A source under test with something that answers it.
#[async_trait]
pub trait Subject: Send + Sync {
    /// The plan.
    fn plan(&self) -> &dyn SourcePlan;

    /// What the runtime would give it.
    fn context(&self) -> OpenContext;

    /// Makes the device unreachable, or reachable again; `false` if the source has none.
    async fn set_reachable(&self, reachable: bool) -> bool;

    /// A name for each row of a pass, stable across instances of the source over the same device.
    fn names(&self, pass: &Pass) -> Vec<String>;
}

/// Runs every check, each on the fresh subject that `make` gives.
///
/// # Panics
/// A check failed.
pub async fn all<S: Subject>(mut make: impl AsyncFnMut() -> S) {
    rows_fit_the_plan(&make().await).await;
    the_plan_names_what_it_talks_to(&make().await);
    a_commit_is_taken(&make().await).await;
    an_abandoned_pass_loses_nothing(&make().await).await;
    a_failure_is_an_error_and_heals(&make().await).await;
}

async fn open(subject: &dyn Subject) -> Box<dyn Source> {
    subject.plan().open(subject.context()).await.expect("the source opens")
}

async fn heard(source: &mut dyn Source) -> Pass {
    source.next().await.expect("the device answers").expect("the source has rows")
}

/// The rows of a pass are in the schema of the plan, column by column, with its metadata.
///
/// # Panics
/// They are not.
pub async fn rows_fit_the_plan(subject: &dyn Subject) {
    let mut source = open(subject).await;
    let pass = heard(source.as_mut()).await;
    assert!(pass.rows.num_rows() > 0, "a pass over a device that answers has rows");
    assert!(
        pass.complete && pass.faults.is_empty(),
        "a device that answers has no faults: {:?}",
        pass.faults
    );
    assert_eq!(pass.rows.schema(), subject.plan().output(), "the rows are in the schema of the plan");
}

/// The plan says what it talks to, in words for people.
///
/// # Panics
/// It does not.
pub fn the_plan_names_what_it_talks_to(subject: &dyn Subject) {
    assert!(!subject.plan().address().trim().is_empty(), "a plan names what it talks to");
}

/// A commit after a pass succeeds, and the source goes on.
///
/// # Panics
/// It does not.
pub async fn a_commit_is_taken(subject: &dyn Subject) {
    let mut source = open(subject).await;
    heard(source.as_mut()).await;
    let position = Position { run: RunId([1; 16]), seq: Seq(1) };
    source.commit(position).await.expect("a commit is taken");
    source.next().await.expect("the source goes on after a commit");
}

/// Dropping `next` before it returns loses nothing: the next call says what the dropped one would have.
///
/// # Panics
/// Rows are missing, or out of order.
pub async fn an_abandoned_pass_loses_nothing(subject: &dyn Subject) {
    let expected = {
        let mut source = open(subject).await;
        let pass = heard(source.as_mut()).await;
        subject.names(&pass)
    };
    let mut source = open(subject).await;
    {
        // Polled once and dropped: a call that is already on its way.
        let mut call = source.next();
        let waker = std::task::Waker::noop();
        let mut context = std::task::Context::from_waker(waker);
        if let std::task::Poll::Ready(answer) = call.as_mut().poll(&mut context) {
            let pass = answer.expect("the device answers").expect("the source has rows");
            assert_eq!(subject.names(&pass), expected, "two sources over one device disagree");
            return;
        }
    }
    let pass = heard(source.as_mut()).await;
    assert_eq!(subject.names(&pass), expected, "an abandoned pass lost or repeated rows");
}

/// A device that cannot be reached is an error whose message says so, and the source heals by itself.
///
/// # Panics
/// It does not.
pub async fn a_failure_is_an_error_and_heals(subject: &dyn Subject) {
    let mut source = open(subject).await;
    if !subject.set_reachable(false).await {
        return;
    }
    let error = source.next().await.expect_err("an unreachable device brought a pass");
    assert!(!error.chain().trim().is_empty(), "an error says what failed");
    subject.set_reachable(true).await;
    // One more failure is fair: the source may find its broken connection only now.
    let pass = match source.next().await {
        Ok(pass) => pass,
        Err(_) => source.next().await.expect("a reachable device is heard again"),
    };
    assert!(pass.is_some_and(|pass| pass.rows.num_rows() > 0), "a reachable device is heard again");
}

#[cfg(test)]
mod tests;
