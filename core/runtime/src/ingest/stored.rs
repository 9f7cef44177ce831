//! What the store knows, for transforms that the journal has no state for: after its loss, or an update of the program.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_select::concat::concat_batches;
use futures::TryStreamExt;
use smiles_stage::{Clock, Query, StageError, Store};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::call::guard::guarded;
use crate::ingest::chain::Answers;

/// How long the first rows wait for the answers. Where they are late, what needs them is not told before they come.
const PATIENCE: Duration = Duration::from_secs(3);
/// After a question that failed, as at the start, when the tables are not made yet.
const AGAIN: Duration = Duration::from_millis(100);
/// The same once it has failed for a while.
const AGAIN_LATER: Duration = Duration::from_secs(5);

/// Answers on their way.
pub(crate) struct StoreQuestions {
    answers: oneshot::Receiver<Vec<Answers>>,
    waited: bool,
}

impl StoreQuestions {
    /// Asks until there are answers, or the pipeline ends; `None`: there is nothing to ask.
    pub(crate) fn begin(
        (pipeline, clock, over): (&str, &Arc<dyn Clock>, &CancellationToken),
        store: Arc<dyn Store>,
        questions: Vec<Vec<Option<Query>>>,
    ) -> Option<Self> {
        if questions.iter().flatten().all(Option::is_none) {
            return None;
        }
        let (told, answers) = oneshot::channel();
        let (over, pipeline, clock) = (over.clone(), pipeline.to_owned(), Arc::clone(clock));
        tokio::spawn(async move {
            tokio::select! {
                () = over.cancelled() => {}
                found = ask(&pipeline, store.as_ref(), &questions, clock.as_ref()) => {
                    // Nobody waits once the pipeline has ended.
                    let _ = told.send(found);
                }
            }
        });
        Some(Self { answers, waited: false })
    }
}

/// The answers, once; the first call waits for them a while.
pub(crate) async fn recalled(recall: &mut Option<StoreQuestions>) -> Option<Vec<Answers>> {
    let StoreQuestions { answers, waited } = recall.as_mut()?;
    let patience = if std::mem::replace(waited, true) { Duration::ZERO } else { PATIENCE };
    let answers = tokio::time::timeout(patience, answers).await.ok()?;
    *recall = None;
    answers.ok()
}

async fn ask(
    pipeline: &str,
    store: &dyn Store,
    questions: &[Vec<Option<Query>>],
    clock: &dyn Clock,
) -> Vec<Answers> {
    let (begun, mut told) = (clock.monotonic(), false);
    loop {
        match guarded(all(store, questions)).await {
            Ok(answers) => return answers,
            Err(failure) => {
                let now = clock.monotonic();
                let late = now.saturating_sub(begun) >= PATIENCE;
                if late && !std::mem::replace(&mut told, true) {
                    let error = failure.error.chain();
                    tracing::warn!(
                        pipeline,
                        error,
                        "cannot read the stored sums from the store; no sums are published until this succeeds"
                    );
                }
                clock.sleep_until(now + if late { AGAIN_LATER } else { AGAIN }).await;
            }
        }
    }
}

async fn all(store: &dyn Store, questions: &[Vec<Option<Query>>]) -> Result<Vec<Answers>, StageError> {
    let mut all = Vec::new();
    for questions in questions {
        let mut answers = Answers::new();
        for question in questions {
            answers.push(match question {
                Some(question) => one(store, question).await?,
                None => None,
            });
        }
        all.push(answers);
    }
    Ok(all)
}

/// The rows as one batch; `None`: there are none.
async fn one(store: &dyn Store, question: &Query) -> Result<Option<RecordBatch>, StageError> {
    let parts: Vec<RecordBatch> = store.query(question).await?.try_collect().await?;
    let Some(first) = parts.first() else { return Ok(None) };
    let unfit = |error| StageError::retry("the parts of an answer have several schemas").because(error);
    concat_batches(&first.schema(), &parts).map(Some).map_err(unfit)
}
