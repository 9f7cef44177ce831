//! What a store says of rows that triggers of its database leave out: checks that hold for every store, on a table `names` with a key
//! and a table `readings`, whose triggers leave out a `value` of 13, and which refuses 66.

#![expect(clippy::expect_used, reason = "a check of a battery fails by panicking")]

use smiles_stage::{Action, Batch, Sink};

/// Names and values as a batch of this number.
pub type NamedRows<'a> = &'a dyn Fn(u64, &[(&str, Option<u32>)]) -> Batch;

/// Rows that a trigger leaves out are counted by table, and not where nothing of their write is stored. `what` names the
/// mapping; the store refuses a row with this `code`.
///
/// # Panics
/// It is not so.
pub async fn are_counted(sink: &mut dyn Sink, rows: NamedRows<'_>, code: &str, what: &str) {
    let good = rows(1, &[("a", Some(20)), ("b", Some(1))]);
    let bad = rows(2, &[("c", Some(13)), ("b", Some(13))]);
    store(sink, &[good, bad]).await;
    let left_out = [("names".to_owned(), 2), ("readings".to_owned(), 2)];
    assert_eq!(sink.swallowed(), left_out, "{what}");
    // What is found row by row because another one is refused is counted once.
    let mixed = rows(3, &[("d", Some(13)), ("d", Some(66))]);
    sink.write(&mixed).await.expect("rows are taken");
    let error = sink.flush().await.expect_err("a row is refused");
    let Action::Reject { rows } = error.action() else { panic!("no rows are named: {}", error.chain()) };
    let named: Vec<_> = rows.iter().map(|row| (row.batch, row.row, row.code.as_str())).collect();
    assert_eq!(named, [(0, 1, code)]);
    assert_eq!(sink.swallowed(), left_out, "nothing of it is stored");
}

/// Rows that rightly change nothing (older ones, or those that are there already) are not counted.
///
/// # Panics
/// It is not so.
pub async fn are_not_those_that_change_nothing(sink: &mut dyn Sink, rows: NamedRows<'_>, what: &str) {
    let newer = |seq| rows(seq, &[("a", Some(20)), ("b", Some(5))]);
    let older = rows(2, &[("a", Some(3)), ("b", None)]);
    store(sink, &[newer(1), older, newer(3)]).await;
    assert_eq!(sink.swallowed(), [], "{what}");
}

async fn store(sink: &mut dyn Sink, batches: &[Batch]) {
    for batch in batches {
        sink.write(batch).await.expect("rows are taken");
        sink.flush().await.expect("rows are stored");
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use jiff::Timestamp;
    use smiles_stage::{Position, Rejection, RunId, Seq, StageError, Watermark};

    use super::*;
    use crate::numbered;

    /// Says the same whatever it is given, and refuses the second row of the third batch.
    struct Says(Vec<(String, u64)>, u64);

    #[async_trait]
    impl Sink for Says {
        async fn write(&mut self, batch: &Batch) -> Result<(), StageError> {
            self.1 = batch.position.seq.0;
            Ok(())
        }

        async fn flush(&mut self) -> Result<Option<Position>, StageError> {
            let row = Rejection { batch: 0, row: 1, code: "66".into(), reason: String::new() };
            if self.1 == 3 { Err(StageError::reject(vec![row], "refused")) } else { Ok(None) }
        }

        async fn watermark(&mut self, _run: RunId) -> Result<Option<Watermark>, StageError> {
            Ok(None)
        }

        fn swallowed(&self) -> Vec<(String, u64)> {
            self.0.clone()
        }
    }

    fn rows(seq: u64, given: &[(&str, Option<u32>)]) -> Batch {
        let position = Position { run: RunId([1; 16]), seq: Seq(seq) };
        let records = numbered(0..i64::try_from(given.len()).unwrap());
        Batch { position, complete: true, accepted_at: Timestamp::UNIX_EPOCH, records }
    }

    fn two_of_each() -> Says {
        Says(vec![("names".to_owned(), 2), ("readings".to_owned(), 2)], 0)
    }

    #[tokio::test]
    async fn a_sink_that_counts_passes() {
        are_counted(&mut two_of_each(), &rows, "66", "").await;
    }

    #[tokio::test]
    #[should_panic = "left == right"]
    async fn one_that_counts_nothing_fails() {
        are_counted(&mut Says(Vec::new(), 0), &rows, "66", "").await;
    }

    #[tokio::test]
    #[should_panic = "a row is refused"]
    async fn one_that_refuses_nothing_fails() {
        are_counted(&mut two_of_each(), &|_, given| rows(1, given), "66", "").await;
    }

    #[tokio::test]
    #[should_panic = "left == right"]
    async fn one_that_counts_what_rightly_changes_nothing_fails() {
        let renumbered = |_, given: &[(&str, Option<u32>)]| rows(1, given);
        are_not_those_that_change_nothing(&mut two_of_each(), &renumbered, "").await;
    }
}
