//! What follows from a device file alone: its columns, requests and blocks. Sources with the same device share it, so that
//! a thousand of one kind are described once.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use arrow_schema::{Schema, SchemaRef};

use crate::columns::{Column, columns};
use crate::device::Device;
use crate::device::block::Block;
use crate::plan::{RequestPlan, request_plan};
use crate::split::split;

/// Of every device that a source of this process has.
static PLANS: Mutex<Vec<Weak<DevicePlan>>> = Mutex::new(Vec::new());

/// What follows from a device file.
#[derive(Debug)]
pub(crate) struct DevicePlan {
    /// As the file says.
    pub(crate) given: Device,
    /// With its long blocks divided.
    pub(crate) split: Device,
    pub(crate) columns: Vec<Column>,
    pub(crate) schema: SchemaRef,
    pub(crate) requests: RequestPlan,
    /// The blocks of the divided device, in its order.
    pub(crate) blocks: Vec<BlockShape>,
}

/// Name and size of a block.
#[derive(Debug)]
pub(crate) struct BlockShape {
    pub(crate) name: String,
    pub(crate) bytes: usize,
    pub(crate) bits: bool,
    /// How long its last values hold.
    pub(crate) keep: Option<Duration>,
}

/// The plan of a checked device: one that is known already, if another source has the same.
pub(crate) fn device_plan(device: Device) -> Arc<DevicePlan> {
    let mut plans = PLANS.lock().unwrap_or_else(PoisonError::into_inner);
    plans.retain(|plan| plan.strong_count() > 0);
    if let Some(plan) = plans.iter().filter_map(Weak::upgrade).find(|plan| plan.given == device) {
        return plan;
    }
    let plan = Arc::new(DevicePlan::new(device));
    plans.push(Arc::downgrade(&plan));
    plan
}

impl DevicePlan {
    fn new(given: Device) -> Self {
        let split = split(&given);
        let columns = columns(&split);
        let fields: Vec<_> = columns.iter().map(|column| column.arrow.clone()).collect();
        let (schema, requests) = (Arc::new(Schema::new(fields)), request_plan(&split));
        let blocks = split.blocks.iter().map(|(name, block)| BlockShape::new(name, block)).collect();
        Self { given, split, columns, schema, requests, blocks }
    }
}

impl BlockShape {
    fn new(name: &str, block: &Block) -> Self {
        Self {
            name: name.to_owned(),
            bytes: block.data_bytes(),
            bits: block.read.is_bits(),
            keep: block.between.map(|between| between.keep.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::device;

    #[test]
    fn the_same_device_is_planned_once_and_another_is_another() {
        let of = |scale: &str| {
            let text = format!(
                "blocks: {{shared_once: {{address: 0, count: 1, fields: {{f: {{at: 0, type: u16, unit: {scale} V}}}}}}}}"
            );
            device_plan(device(&text))
        };
        let (one, same, other) = (of("0.1"), of("0.1"), of("0.01"));
        assert!(Arc::ptr_eq(&one, &same));
        assert!(!Arc::ptr_eq(&one, &other));
    }
}
