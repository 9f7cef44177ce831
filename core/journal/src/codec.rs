//! Batches as bytes: Arrow IPC streams, cut after the schema so that a schema is stored once.

use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::reader::StreamDecoder;
use arrow_ipc::writer::StreamWriter;

use crate::failure::Failure;

/// The end of a stream, Arrow IPC streaming format.
const END: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];

/// An encoded batch: the schema message, then everything else, in one allocation.
#[derive(Debug)]
pub(crate) struct Encoded {
    bytes: Vec<u8>,
    cut: usize,
    /// Names the schema by its content.
    pub(crate) schema: i64,
}

impl Encoded {
    /// The batch as one self-contained IPC stream.
    pub(crate) fn of(records: &RecordBatch) -> Result<Self, Failure> {
        let mut writer = StreamWriter::try_new(Vec::new(), records.schema_ref()).map_err(arrow)?;
        let cut = writer.get_ref().len();
        writer.get_mut().reserve(records.get_array_memory_size().min(16 << 20));
        writer.write(records).map_err(arrow)?;
        let bytes = std::mem::take(writer.get_mut());
        let schema = name_of(bytes.get(..cut).unwrap_or_default());
        Ok(Self { bytes, cut, schema })
    }

    /// The schema message.
    pub(crate) fn prefix(&self) -> &[u8] {
        self.bytes.get(..self.cut).unwrap_or_default()
    }

    /// The messages after it: dictionaries and the record batch.
    pub(crate) fn payload(&self) -> &[u8] {
        self.bytes.get(self.cut..).unwrap_or_default()
    }
}

/// The rows again. Any bytes are safe to pass: what is not a batch is a failure.
pub(crate) fn decode(prefix: &[u8], payload: Vec<u8>) -> Result<RecordBatch, Failure> {
    // Checksums make garbage here next to impossible; should a decoder trip over it, one batch is lost, not the thread.
    let decoded = catch_unwind(AssertUnwindSafe(|| {
        let mut decoder = StreamDecoder::new();
        decoder.decode(&mut Buffer::from(prefix))?;
        let records = decoder.decode(&mut Buffer::from_vec(payload))?;
        // The body of a batch without rows is empty, and the decoder looks at it only when something follows.
        match records {
            None => decoder.decode(&mut Buffer::from(END)),
            some => Ok(some),
        }
    }));
    match decoded {
        Ok(Ok(Some(records))) => Ok(records),
        Ok(Ok(None)) => Err(Failure::Damaged("a batch ends too early".to_owned())),
        Ok(Err(error)) => Err(Failure::Damaged(error.to_string())),
        Err(_) => Err(Failure::Damaged("a batch is not Arrow IPC".to_owned())),
    }
}

fn name_of(bytes: &[u8]) -> i64 {
    i64::from_le_bytes(smiles_stage::fingerprint(bytes).to_le_bytes())
}

fn arrow(error: arrow_schema::ArrowError) -> Failure {
    Failure::Other(error.into())
}
