//! The options of the `modbus` source, and from them the plan.

use std::sync::Arc;
use std::time::Duration;

use arrow_schema::{Schema, SchemaRef};
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use smiles_stage::option::Period;
use smiles_stage::{
    Cadence, OpenContext, Path, PlanContext, Problem, Problems, Severity, Source, SourcePlan, Stage,
    StageError,
};

use crate::address::Address;
use crate::check::check;
use crate::columns::{Column, columns};
use crate::connection::{ConnectionOptions, DeviceConnection};
use crate::device::Device;
use crate::device::field::Field;
use crate::device_warnings::device_warnings;
use crate::plan::request_plan;
use crate::poll::{BlockShape, PollMemory, PollPlan};
use crate::source::Poller;

/// A poll may take at least this long, however often it is due.
const PASS_MIN: Duration = Duration::from_secs(60);

/// Polls a device over Modbus TCP.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Options")]
pub struct ModbusOptions {
    /// Where the device listens: `tcp://host:port`; the port is 502 unless said.
    #[schemars(example = &"tcp://192.168.1.50:502")]
    pub address: String,
    /// The unit asked, 1 to 255; 0 where a gateway wants it.
    #[serde(default = "unit_id")]
    pub unit_id: u8,
    /// How long to wait for a connection and for each answer.
    #[serde(default = "timeout")]
    pub timeout: Period,
    /// The least time between one answer and the next request.
    #[serde(default = "min_delay")]
    pub min_delay: Period,
    /// What becomes of the connection after a pass.
    #[serde(default)]
    pub connection: Connection,
    /// The device: blocks of registers and their fields. Usually `!include` of a device file.
    pub device: Device,
}

/// What becomes of the connection after a pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Connection {
    /// A fresh one for each pass, closed after it: the safest for fragile devices.
    #[default]
    PerPass,
    /// Kept open as long as the device lets it.
    Keep,
}

fn unit_id() -> u8 {
    1
}

fn timeout() -> Period {
    Period(Duration::from_secs(3))
}

fn min_delay() -> Period {
    Period(Duration::from_millis(50))
}

/// The `modbus` source type.
pub struct Modbus;

impl Stage for Modbus {
    type Plan = dyn SourcePlan;
    type Config = ModbusOptions;
    const NAME: &'static str = "modbus";
    const ABOUT: &'static str = "polls a device over Modbus TCP by its device file";

    fn plan(config: ModbusOptions, _context: PlanContext<'_>) -> Result<Box<dyn SourcePlan>, Problems> {
        let mut problems = check(&config.device, &Path::root().key("device"));
        let address = config.address.parse::<Address>();
        if let Err(error) = &address {
            let help = "write `tcp://host:port`, for example `tcp://192.168.1.50:502`";
            problems.push(Problem::error(Path::root().key("address"), error.to_string()).help(help));
        }
        if config.timeout.0.is_zero() {
            let message = "a time limit of 0 leaves no time for an answer";
            problems.push(Problem::error(Path::root().key("timeout"), message).help("for example `3s`"));
        }
        match address {
            Ok(address) if !problems.iter().any(|problem| problem.severity == Severity::Error) => {
                Ok(Box::new(ModbusPlan::new(config, address)))
            }
            _ => Err(problems),
        }
    }
}

/// The plan of a source: valid options, and the columns of its device.
struct ModbusPlan {
    options: ModbusOptions,
    address: Address,
    columns: Vec<Column>,
    schema: SchemaRef,
}

impl ModbusPlan {
    fn new(options: ModbusOptions, address: Address) -> Self {
        let columns = columns(&options.device);
        let fields: Vec<_> = columns.iter().map(|column| column.arrow.clone()).collect();
        Self { options, address, columns, schema: Arc::new(Schema::new(fields)) }
    }

    fn poll_plan(&self, every: Option<Duration>) -> PollPlan {
        let device = &self.options.device;
        let shape = |(name, block): (&str, &crate::device::block::Block)| BlockShape {
            name: name.to_owned(),
            bytes: block.data_bytes(),
            bits: block.read.is_bits(),
        };
        PollPlan {
            requests: request_plan(device),
            blocks: device.blocks.iter().map(shape).collect(),
            zero: zero(device),
            order: device.order,
            limit: every.unwrap_or_default().max(PASS_MIN),
        }
    }
}

/// The field that ends the list.
fn zero(device: &Device) -> Option<Field> {
    let mut blocks = device.blocks.iter().map(|(_, block)| block);
    blocks.find_map(|block| {
        let until = block.repeat.as_ref()?.until.as_ref()?;
        block.fields.get(&until.zero).map(|field| block.located(field))
    })
}

#[async_trait]
impl SourcePlan for ModbusPlan {
    fn output(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn cadence(&self) -> Cadence {
        Cadence::Polled
    }

    fn warnings(&self) -> Problems {
        device_warnings(&self.options.device, &Path::root().key("device"))
    }

    fn address(&self) -> String {
        format!("{} unit {}", self.address, self.options.unit_id)
    }

    async fn open(&self, context: OpenContext) -> Result<Box<dyn Source>, StageError> {
        let connection = DeviceConnection::new(ConnectionOptions {
            address: self.address.clone(),
            unit: self.options.unit_id,
            timeout: self.options.timeout.0,
            min_delay: self.options.min_delay.0,
            tolerate: self.options.device.tolerate.as_slice().into(),
        });
        Ok(Box::new(Poller {
            name: format!("{} at {}", context.stage, self.address()),
            connection,
            keep: self.options.connection == Connection::Keep,
            plan: self.poll_plan(context.every),
            memory: PollMemory::default(),
            columns: self.columns.clone(),
            schema: Arc::clone(&self.schema),
        }))
    }
}
