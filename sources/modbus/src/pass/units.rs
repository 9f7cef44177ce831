//! The units of a device: mostly one. Each is asked by itself, and one that is silent does not silence the others.

use crate::line::Client;

/// Silences in a row after which a unit is left alone until the next poll.
const MAX_SILENCES: u8 = 2;

/// Who asks the units of a device.
pub(crate) struct Clients(Vec<(Option<u8>, Client)>);

impl Clients {
    /// One for each unit that blocks name, `None` for that of the source.
    pub(crate) fn new(clients: Vec<(Option<u8>, Client)>) -> Self {
        Self(clients)
    }

    pub(super) fn begin(&mut self) -> Vec<ActiveUnit<'_>> {
        self.0.iter_mut().map(|(unit, client)| ActiveUnit::new(*unit, client)).collect()
    }
}

/// A unit in a poll.
pub(super) struct ActiveUnit<'a> {
    pub(super) unit: Option<u8>,
    pub(super) client: &'a mut Client,
    /// Silences in a row that end the poll of this unit.
    pub(super) patience: u8,
    /// Whether it answered in this poll or the last: a question that is repeated in vain is one silence then, else two.
    trusted: bool,
    /// Silences in a row.
    silences: u8,
    /// It is asked nothing more.
    pub(super) over: bool,
    heard: bool,
}

impl<'a> ActiveUnit<'a> {
    fn new(unit: Option<u8>, client: &'a mut Client) -> Self {
        // Others on the line wait for a unit that is silent no longer than one time limit a pass.
        let patience = if client.others_wait() { 1 } else { MAX_SILENCES };
        let trusted = client.was_heard();
        client.begin();
        Self { unit, client, patience, trusted, silences: 0, over: false, heard: false }
    }

    /// It answered, if only by a refusal.
    pub(super) fn answered(&mut self) {
        self.silences = 0;
        self.trusted = true;
        self.heard = true;
    }

    /// It did not.
    pub(super) fn silent(&mut self) {
        self.silences += if self.trusted { 1 } else { self.client.silences() };
        self.over |= self.silences >= self.patience;
    }

    pub(super) async fn end(self) {
        self.client.end(self.heard).await;
    }
}
