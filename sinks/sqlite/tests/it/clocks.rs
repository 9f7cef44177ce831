//! Rows that are dated by a clock that is wrong.

use smiles_testkit::{clock_schema, clock_steps, clock_tables};

use crate::fixture::{Fixture, RUN};

const ROWS: &str = "SELECT k, v, strftime('%s', last), strftime('%s', first) FROM t ORDER BY k";

#[tokio::test]
async fn a_wrong_clock_freezes_nothing() {
    let fixture = Fixture::new(clock_tables(), clock_schema());
    let mut sink = fixture.connected().await;
    for (batch, rows) in clock_steps(RUN) {
        sink.write(&batch).await.unwrap();
        sink.flush().await.unwrap();
        assert_eq!(fixture.rows(ROWS), rows, "{:?}", batch.position.seq);
    }
}

/// The same in as few writes as can be: rows of one key are folded before they are written.
#[tokio::test]
async fn a_wrong_clock_freezes_nothing_in_one_write() {
    let fixture = Fixture::new(clock_tables(), clock_schema());
    let mut sink = fixture.connected().await;
    let steps = clock_steps(RUN);
    for (batch, _) in &steps[..3] {
        sink.write(batch).await.unwrap();
    }
    sink.flush().await.unwrap();
    assert_eq!(
        fixture.rows("SELECT k, v, strftime('%s', last) FROM t ORDER BY k"),
        ["a|3|1782043260", "b|3|1782043260"]
    );
}
