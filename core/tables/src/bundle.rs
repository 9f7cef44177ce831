//! Batches of one schema as one: what is done per batch is then done once for many.

use arrow_array::RecordBatch;
use arrow_select::concat::concat_batches;

use smiles_stage::Batch;

/// A row of a write: its batch in the write, its row in that batch.
pub type RowAddress = (usize, u32);

/// Rows of a bundle, about: while the target works on one, the next is made.
const ROWS: usize = 4_096;

/// Consecutive batches of a write as one.
#[derive(Debug)]
pub struct Bundle {
    pub(super) records: RecordBatch,
    /// The first of the batches, as numbered in the write.
    first: usize,
    /// Where each of them ends.
    pub(super) ends: Vec<usize>,
}

impl Bundle {
    /// The batches of a write, in order.
    pub fn all(batches: &[Batch]) -> Vec<Self> {
        let mut bundles = Vec::new();
        let mut first = 0;
        let batches: Vec<RecordBatch> = batches.iter().map(Batch::rows).collect();
        while let Some(next) = batches.get(first) {
            let schema = next.schema_ref();
            let mut rows = 0;
            let fits = |batch: &&RecordBatch| {
                let begun = rows > 0;
                rows += batch.num_rows();
                batch.schema_ref() == schema && (!begun || rows <= ROWS)
            };
            let many: Vec<&RecordBatch> = batches[first..].iter().take_while(fits).collect();
            bundles.push(Self::of(first, &many));
            first += many.len();
        }
        bundles
    }

    /// One batch.
    pub fn single(records: &RecordBatch) -> Self {
        Self::of(0, &[records])
    }

    #[expect(
        clippy::expect_used,
        reason = "the batches are of one schema, and a write holds less than 2 GiB"
    )]
    fn of(first: usize, many: &[&RecordBatch]) -> Self {
        let mut end = 0;
        let ends = many
            .iter()
            .map(|records| {
                end += records.num_rows();
                end
            })
            .collect();
        let records = match many {
            [one] => (*one).clone(),
            _ => concat_batches(many[0].schema_ref(), many.iter().copied()).expect("batches of one schema"),
        };
        Self { records, first, ends }
    }

    /// Where a row of the bundle comes from.
    #[expect(clippy::expect_used, reason = "a batch of 2^32 rows does not fit the journal")]
    pub(super) fn place(&self, row: usize) -> RowAddress {
        let batch = self.ends.partition_point(|end| *end <= row);
        let begin = if batch == 0 { 0 } else { self.ends[batch - 1] };
        (self.first + batch, u32::try_from(row - begin).expect("a row number"))
    }
}
