//! Batches as bytes: Arrow IPC streams, cut after the schema so that a schema is stored once.

use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::MetadataVersion;
use arrow_ipc::reader::StreamDecoder;
use arrow_ipc::writer::{IpcWriteOptions, StreamWriter};

use crate::format::failure::Failure;

/// The end of a stream, Arrow IPC streaming format. What is known of a batch beside its rows follows it as one byte of
/// flags; a batch of which there is nothing to say ends without both, as all did before there were flags.
const END: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];

/// The flag of a batch whose pass did not reach every record.
const INCOMPLETE: u8 = 1;

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
    pub(crate) fn of(records: &RecordBatch, complete: bool) -> Result<Self, Failure> {
        // The least padding there is: a dead letter is one row, and would be mostly padding.
        let options = IpcWriteOptions::try_new(8, false, MetadataVersion::V5).map_err(arrow)?;
        let schema = records.schema_ref();
        let mut writer = StreamWriter::try_new_with_options(Vec::new(), schema, options).map_err(arrow)?;
        let cut = writer.get_ref().len();
        writer.get_mut().reserve(records.get_array_memory_size().min(16 << 20));
        writer.write(records).map_err(arrow)?;
        let mut bytes = std::mem::take(writer.get_mut());
        if !complete {
            bytes.extend_from_slice(&END);
            bytes.push(INCOMPLETE);
        }
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

/// The rows again, and whether their pass was complete. Any bytes are safe to pass: what is not a batch is a failure.
pub(crate) fn decode(prefix: &[u8], payload: Vec<u8>) -> Result<(RecordBatch, bool), Failure> {
    // Checksums make garbage here next to impossible; should a decoder trip over it, one batch is lost, not the thread.
    let decoded = catch_unwind(AssertUnwindSafe(|| {
        let mut decoder = StreamDecoder::new();
        decoder.decode(&mut Buffer::from(prefix))?;
        let mut rest = Buffer::from_vec(payload);
        // The body of a batch without rows is empty, and the decoder looks at it only when something follows.
        let records = match decoder.decode(&mut rest)? {
            None => decoder.decode(&mut Buffer::from(END))?,
            some => some,
        };
        let flags = rest.as_slice().strip_prefix(&END).and_then(|flags| flags.first().copied());
        Ok::<_, arrow_schema::ArrowError>(
            records.map(|records| (records, flags.unwrap_or(0) & INCOMPLETE == 0)),
        )
    }));
    match decoded {
        Ok(Ok(Some(decoded))) => Ok(decoded),
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

#[cfg(test)]
mod tests {
    use smiles_testkit::{ids, numbered};

    use super::*;

    #[test]
    fn rows_and_completeness_come_back_and_a_batch_without_flags_is_complete() {
        for (rows, complete) in
            [(vec![1, 2, 3], true), (vec![1, 2, 3], false), (vec![], true), (vec![], false)]
        {
            let encoded = Encoded::of(&numbered(rows.clone()), complete).unwrap();
            let (records, said) = decode(encoded.prefix(), encoded.payload().to_vec()).unwrap();
            assert_eq!((ids(&records), said), (rows.clone(), complete));
        }
        let without_flags = {
            let mut writer = StreamWriter::try_new(Vec::new(), numbered([7]).schema_ref()).unwrap();
            let cut = writer.get_ref().len();
            writer.write(&numbered([7])).unwrap();
            (writer.get_ref()[..cut].to_vec(), writer.get_ref()[cut..].to_vec())
        };
        let (records, complete) = decode(&without_flags.0, without_flags.1).unwrap();
        assert_eq!((ids(&records), complete), (vec![7], true));
    }
}
