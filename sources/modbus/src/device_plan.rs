//! What follows from a device file alone: its columns, requests and blocks. Sources with the same device share it, so that
//! a thousand of one kind are described once.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use arrow_schema::{Schema, SchemaRef};

use crate::decode::columns::{Column, columns};
use crate::device::Device;
use crate::device::block::Block;
use crate::device::borrowed::Borrowed;
use crate::layout::laid_out;
use crate::plan::{RequestPlan, request_plan};

/// Of every device that a source of this process has.
static PLANS: Mutex<Vec<Weak<DevicePlan>>> = Mutex::new(Vec::new());

/// What follows from a device file.
#[derive(Debug)]
pub(crate) struct DevicePlan {
    /// As the file says.
    pub(crate) given: Device,
    /// Of blocks alone, each short enough for one request.
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
    pub(crate) once: bool,
    /// What its values need of other blocks.
    pub(crate) borrowed: Vec<Lent>,
}

/// Bytes of another block.
#[derive(Clone, Debug)]
pub(crate) struct Lent {
    /// The place of the block.
    pub(crate) block: usize,
    /// Where they stand in its data.
    pub(crate) bytes: Range<usize>,
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
    pub(crate) fn new(given: Device) -> Self {
        let split = laid_out(&given);
        let columns = columns(&given, &split);
        let fields: Vec<_> = columns.iter().map(|column| column.arrow.clone()).collect();
        let (schema, requests) = (Arc::new(Schema::new(fields)), request_plan(&split));
        let blocks = split.blocks.iter().map(|(name, block)| BlockShape::new(&split, name, block)).collect();
        Self { given, split, columns, schema, requests, blocks }
    }
}

impl BlockShape {
    fn new(device: &Device, name: &str, block: &Block) -> Self {
        let lent = |borrowed: &Borrowed| {
            let start = usize::from(borrowed.at);
            let place = device.blocks.names().position(|name| name == borrowed.block)?;
            Some(Lent { block: place, bytes: start..start + usize::from(borrowed.bytes) })
        };
        Self {
            once: block.once,
            borrowed: block.borrowed.iter().filter_map(lent).collect(),
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
