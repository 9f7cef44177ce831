//! The options of the `modbus` source, and from them the plan.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arrow_schema::SchemaRef;
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
use crate::check::warnings::device_warnings;
use crate::device::Device;
use crate::device_plan::{DevicePlan, device_plan};
use crate::explain::explain;
use crate::line::{Client, LineMeters, Settings, UnitOptions, Wishes, line};
use crate::pass::{Clients, PollMemory, PollPlan};
use crate::refusals::Refusals;
use crate::source::Poller;

/// A poll may take at least this long, however often it is due.
const PASS_MIN: Duration = Duration::from_secs(60);

/// The least time between an answer and the next question, unless said.
const MIN_DELAY: Duration = Duration::from_millis(50);

/// Polls a device over Modbus.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Options")]
pub struct ModbusOptions {
    /// Where the device listens: `tcp://host:port` (Modbus TCP), `rtu+tcp://host:port` (RTU through a transparent serial
    /// adapter) or `serial:///dev/ttyUSB0?baud=9600&parity=none&stop_bits=1` (RTU; these values unless said). The port is 502
    /// unless said. Sources with the same address share one connection and take turns.
    #[schemars(example = &"tcp://192.168.1.50:502")]
    #[schemars(example = &"rtu+tcp://192.168.1.60:4001")]
    #[schemars(example = &"serial:///dev/ttyUSB0?baud=9600")]
    pub address: Option<String>,
    /// In place of `address`: the name of an entry of `lines:` in the pipeline file.
    #[schemars(with = "Option<String>", extend("format" = "line"))]
    pub line: Option<LineOptions>,
    /// The unit asked, 1 to 255; 0 where a gateway wants it.
    #[serde(default = "unit_id")]
    pub unit_id: u8,
    /// How long to wait for a connection and for each answer.
    #[serde(default = "timeout")]
    pub timeout: Period,
    /// How long to leave the device alone after connecting: some ignore what comes at once. Unset: 0.
    pub connect_delay: Option<Period>,
    /// The least time between one answer and the next request. Unset: 50ms. Of several sources on a line the longest
    /// holds for all.
    pub min_delay: Option<Period>,
    /// What becomes of the connection after a pass.
    #[serde(default)]
    pub connection: Connection,
    /// The device: blocks of registers and their fields. Usually `!include` of a device file.
    pub device: Device,
}

/// A line, as `lines:` of the pipeline file says it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineOptions {
    /// Its name.
    pub name: String,
    /// Where it leads.
    pub address: Option<String>,
    /// As that of a source.
    pub connect_delay: Option<Period>,
    /// As that of a source.
    pub min_delay: Option<Period>,
}

/// What becomes of the connection after a pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Connection {
    /// A fresh one for each pass, closed after it: the safest for fragile devices.
    #[default]
    Pass,
    /// The same, as files of an earlier day call it.
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

/// The `modbus` source type.
pub struct Modbus;

impl Stage for Modbus {
    type Plan = dyn SourcePlan;
    type Config = ModbusOptions;
    const NAME: &'static str = "modbus";
    const ABOUT: &'static str = "polls a device over Modbus TCP or RTU by its device file";

    fn plan(config: ModbusOptions, _context: PlanContext<'_>) -> Result<Box<dyn SourcePlan>, Problems> {
        let address = checked(&config)?;
        Ok(Box::new(ModbusPlan::new(config, address)))
    }
}

/// The address of sound options.
///
/// # Errors
/// Everything that is wrong with them.
pub(crate) fn checked(config: &ModbusOptions) -> Result<Address, Problems> {
    let mut problems = check(&config.device, &Path::root().key("device"));
    let address = config.address(&mut problems);
    if config.timeout.0.is_zero() {
        let message = "a time limit of 0 leaves no time for an answer";
        problems.push(Problem::error(Path::root().key("timeout"), message).help("for example `3s`"));
    }
    match address {
        Some(address) if !problems.iter().any(|problem| problem.severity == Severity::Error) => Ok(address),
        _ => Err(problems),
    }
}

impl ModbusOptions {
    /// The address, of the source or of its line.
    fn address(&self, problems: &mut Problems) -> Option<Address> {
        let root = Path::root;
        let of_line = self.line.as_ref().map(|line| (&line.address, &line.name));
        let (text, at) = match (&self.address, of_line) {
            (Some(_), Some((Some(_), name))) => {
                let message = format!("line `{name}` says the address already");
                problems.push(Problem::error(root().key("address"), message).help("remove one of them"));
                return None;
            }
            (Some(text), _) => (text, root().key("address")),
            (None, Some((Some(text), _))) => (text, root().key("line").key("address")),
            (None, Some((None, name))) => {
                let message = format!("neither the source nor line `{name}` has an address");
                let help = "add `address: tcp://host:port`, or another form of address, to the line";
                problems.push(Problem::error(root().key("line"), message).help(help));
                return None;
            }
            (None, None) => {
                let help = "add `address: tcp://host:port`, or `line:` with the name of an entry of `lines:`";
                problems.push(Problem::error(root(), "where the device listens is not said").help(help));
                return None;
            }
        };
        match text.parse::<Address>() {
            Ok(address) => Some(address),
            Err(error) => {
                problems.push(Problem::error(at, error.to_string()).help(error.help));
                None
            }
        }
    }

    /// How the line is to be treated: of what source and line say, the gentler.
    fn settings(&self) -> Settings {
        let line = self.line.as_ref();
        let gentler = |own: Option<Period>, line: Option<Period>, default: Duration| {
            own.into_iter().chain(line).map(|period| period.0).max().unwrap_or(default)
        };
        Settings {
            connect_delay: gentler(
                self.connect_delay,
                line.and_then(|line| line.connect_delay),
                Duration::ZERO,
            ),
            min_delay: gentler(self.min_delay, line.and_then(|line| line.min_delay), MIN_DELAY),
            keep: self.connection == Connection::Keep,
        }
    }
}

/// The plan of a source: valid options, and what follows from its device.
pub(crate) struct ModbusPlan {
    address: Address,
    unit: u8,
    timeout: Duration,
    settings: Settings,
    pub(crate) device: Arc<DevicePlan>,
}

impl ModbusPlan {
    pub(crate) fn new(options: ModbusOptions, address: Address) -> Self {
        let (unit, timeout, settings) = (options.unit_id, options.timeout.0, options.settings());
        Self { address, unit, timeout, settings, device: device_plan(options.device) }
    }

    /// Address and unit.
    pub(crate) fn shown_address(&self) -> String {
        format!("{} unit {}", self.address, self.unit)
    }

    /// The source, on its line.
    ///
    /// # Errors
    /// Others speak to the same address in another way.
    pub(crate) fn poller(
        &self,
        stage: &str,
        source: &str,
        every: Option<Duration>,
        meters: LineMeters,
    ) -> Result<Poller, String> {
        let units: BTreeSet<Option<u8>> =
            self.device.split.blocks.iter().map(|(_, block)| block.unit_id).collect();
        let mut clients = Vec::new();
        for asked in units {
            let wishes = Wishes { source: source.to_owned(), settings: self.settings };
            let (line, membership) = line(&self.address, wishes)?;
            let unit = UnitOptions {
                unit: asked.unwrap_or(self.unit),
                timeout: self.timeout,
                tolerate: self.device.split.tolerate.clone(),
            };
            clients.push((asked, Client::new(line, membership, unit, meters.clone())));
        }
        Ok(Poller {
            name: format!("{stage} at {}", self.shown_address()),
            clients: Clients::new(clients),
            refusals: Refusals::default(),
            plan: PollPlan {
                source: stage.to_owned(),
                device: Arc::clone(&self.device),
                limit: every.unwrap_or_default().max(PASS_MIN),
            },
            memory: PollMemory::default(),
        })
    }
}

#[async_trait]
impl SourcePlan for ModbusPlan {
    fn output(&self) -> SchemaRef {
        Arc::clone(&self.device.schema)
    }

    fn cadence(&self) -> Cadence {
        Cadence::Polled
    }

    fn warnings(&self) -> Problems {
        device_warnings(&self.device.given, &Path::root().key("device"))
    }

    fn address(&self) -> String {
        self.shown_address()
    }

    fn explain(&self) -> Vec<String> {
        explain(&self.device.split)
    }

    async fn open(&self, context: OpenContext) -> Result<Box<dyn Source>, StageError> {
        let source = format!("{}/{}", context.pipeline, context.stage);
        match self.poller(&context.stage, &source, context.every, LineMeters::register(&context)) {
            Ok(mut poller) => {
                let columns = self.device.columns.iter().filter(|column| column.field.valid.is_some());
                let names = columns
                    .filter(|column| column.meaning.is_some())
                    .map(|column| column.arrow.name().as_str());
                poller.refusals = Refusals::register(&context, names);
                Ok(Box::new(poller))
            }
            Err(why) => Err(StageError::halt(format!("{}: {why}", context.stage))),
        }
    }
}
