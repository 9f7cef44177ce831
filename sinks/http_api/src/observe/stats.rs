//! `/stats`: what the store says of itself, under the declared names.

use indexmap::IndexMap;
use serde_json::{Map, Value};
use smiles_stage::StoreStats;

use crate::declare::config::api::Stat;

/// The fields in the declared order.
pub(crate) fn body(stats: &IndexMap<String, Stat>, store: &StoreStats) -> Map<String, Value> {
    let rows = |table: &str| store.rows.iter().find(|(name, _)| name == table).map_or(0, |(_, rows)| *rows);
    let value = |stat: &Stat| match stat {
        Stat::Kind => Value::from(store.kind.as_str()),
        Stat::SizeBytes => Value::from(store.size_bytes),
        Stat::Rows(tables) => Value::from(tables.iter().map(|table| rows(table)).sum::<u64>()),
    };
    stats.iter().map(|(field, stat)| (field.to_owned(), value(stat))).collect()
}
