//! Where to look for whose fault a refused row is: the catalogue, and the tables as they were planned.

use std::time::Duration;

use smiles_tables::TablesPlan;
use tokio_postgres::Client;

use crate::connect::Connector;

/// A connection that can be asked, within the transaction or after it.
pub(crate) struct Evidence<'a> {
    pub(crate) connector: &'a Connector,
    pub(crate) client: &'a Client,
    pub(crate) tables: &'a TablesPlan,
    /// Statement that makes a broken transaction usable again.
    pub(crate) undo: Option<&'a str>,
}

impl Evidence<'_> {
    pub(crate) fn limit(&self) -> Duration {
        self.connector.config.timeout.0
    }
}
