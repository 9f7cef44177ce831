//! Series that a source registers again when it is opened again.

use smiles_stage::prometheus::{Error, Registry, core::Collector};

/// Registers a series in place of one of the same name.
pub(crate) fn register<C: Collector + Clone + 'static>(meters: &Registry, series: C) -> Result<(), Error> {
    match meters.register(Box::new(series.clone())) {
        Err(Error::AlreadyReg) => {
            meters.unregister(Box::new(series.clone()))?;
            meters.register(Box::new(series))
        }
        other => other,
    }
}
