//! Access to the catalogue of the database, to attribute a refused row; and the tables as they were planned.

use std::time::Duration;

use smiles_tables::TablesPlan;
use tokio_postgres::Client;

use crate::connect::Connector;

/// A connection on which the catalogue can be asked, within the transaction or after it.
pub(crate) struct CatalogQuery<'a> {
    pub(crate) connector: &'a Connector,
    pub(crate) client: &'a Client,
    pub(crate) tables: &'a TablesPlan,
    /// Statement that makes a broken transaction usable again.
    pub(crate) undo: Option<&'a str>,
}

impl CatalogQuery<'_> {
    pub(crate) fn limit(&self) -> Duration {
        self.connector.config.timeout.0
    }
}
