//! The built-in stages: the one list.

#[cfg(test)]
mod tests;

use smiles_sink_http_api::HttpApi;
use smiles_sink_postgres::Postgres;
use smiles_sink_sqlite::Sqlite;
use smiles_source_internal::Internal;
use smiles_source_modbus::Modbus;
use smiles_source_simulator::Synthetic;
use smiles_stage::Registry;
use smiles_transform_standard::{Counter, DailyReset, Sum, UnitConversion, Validity};

/// Every stage type this binary knows.
pub(crate) fn built_in() -> Registry {
    Registry::new()
        .source::<Modbus>()
        .source::<Synthetic>()
        .source::<Internal>()
        .transform::<UnitConversion>()
        .transform::<Validity>()
        .transform::<Counter>()
        .transform::<DailyReset>()
        .transform::<Sum>()
        .sink::<Postgres>()
        .also_called("postgresql", "postgres")
        .sink::<Sqlite>()
        .sink::<HttpApi>()
}
