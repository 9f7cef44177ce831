//! One record: a batch, the state it changed, the rows set aside on its way, and the books of every sink.

use smiles_stage::{Batch, Position, Seq};

use crate::api::entry::{Accepted, Entry};
use crate::format::codec::Encoded;
use crate::format::failure::Failure;
use crate::format::records::{SinkRow, db, extend, instant};
use crate::format::seal::put;
use crate::ledger::rejected;
use crate::log::store::{JournalFile, rows_of};

impl JournalFile {
    /// Writes one record. The caller's transaction makes it durable.
    pub(crate) fn append(&mut self, entry: &Entry, encoded: &Encoded) -> Result<Accepted, Failure> {
        self.now = self.now.max(entry.now);
        let state: usize = entry.state.iter().map(|change| change.key.len() + change.value.len()).sum();
        let rejected = rejected::encoded(&entry.aside.rejected)?;
        let dead_letters: Vec<usize> = rejected.iter().map(|(_, values)| values.payload().len()).collect();
        self.make_dead_letter_room(&dead_letters)?;
        let dropped_rows = self.make_room(encoded.payload().len() + state)?;
        self.keep_schema(encoded)?;
        let rows = rows_of(&entry.records);
        let at = entry.now.as_microsecond();
        let mut run = self.run.clone();
        if run.last == 0 {
            (run.base, run.first_at) = (self.head, at);
        }
        run.last += 1;
        run.last_at = at;
        let ordinal = run.base + run.last;
        put(
            &self.connection,
            "batches",
            &[&db(ordinal), &run.id.0, &db(run.last), &encoded.schema, &db(rows), &at, &encoded.payload()],
        )?;
        run.save(&self.connection)?;
        extend(&self.connection, run.id, run.last, rows)?;
        for mut sink in SinkRow::all(&self.connection)? {
            sink.accepted += rows;
            sink.save(&self.connection)?;
        }
        self.keep_state(&entry.state)?;
        let position = Position { run: run.id, seq: Seq(run.last) };
        self.keep_rejected(position, &rejected)?;
        self.take_back(&entry.aside.returned)?;
        let (complete, records) = (entry.complete, entry.records.clone());
        let batch = Batch { position, complete, accepted_at: instant(at), records };
        self.hot.push(ordinal, batch.clone(), encoded.payload().len());
        self.run = run;
        self.head = ordinal;
        self.appended += 1;
        Ok(Accepted { batch, dropped_rows })
    }
}
