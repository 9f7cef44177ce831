//! What `smiles read` is told on the command line.

use std::time::Duration;

use clap::Args;
use smiles_stage::option::Period;

use crate::project::DataDir;

/// A duration, as options write it.
fn duration(text: &str) -> Result<Duration, String> {
    text.parse::<Period>().map(|period| period.0).map_err(|error| error.to_string())
}

/// A number as datasheets write it: 37101 or 0x90ed.
fn register(text: &str) -> Result<u16, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u16::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| format!("`{text}` is not a register from 0 to 65535 (0x0000 to 0xffff)"))
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  smiles read my-meter.yaml                                  every field of the pipeline's sources, once
  smiles read tcp://192.168.1.50 --holding 0 --count 10      ten registers, as numbers of several types
  smiles read tcp://192.168.1.50 --unit 3 --holding 37113 --count 4 --type i32
  smiles read rtu+tcp://192.168.1.9:4001 --input 0x0034 --count 2 --type f32 --order cdab
  smiles read 'serial:///dev/ttyUSB0?baud=9600' --coils 0 --count 8

Numbers are those of the request, from 0: what a manual calls 40001 is `--holding 0`, 30001 is `--input 0`.
LOG_LEVEL=DEBUG shows every frame. Nothing is written to the device, and nothing is stored.
Exit code 0: the device answered; 1: it did not; 2: the command line or the file is wrong.")]
pub(crate) struct ReadArgs {
    /// A pipeline file, or the address of a device: tcp://HOST:PORT, rtu+tcp://HOST:PORT, serial:///dev/ttyUSB0
    #[arg(value_name = "FILE|ADDRESS")]
    pub(super) what: String,
    /// The unit asked (of an address)
    #[arg(long, default_value_t = 1)]
    pub(super) unit: u8,
    #[command(flatten)]
    pub(super) registers: Option<Registers>,
    /// How many registers or coils
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=2000))]
    pub(super) count: u16,
    /// Read them as values of this type: u16, i32, f32, ascii ... (as in device files)
    #[arg(long = "type", value_name = "TYPE")]
    pub(super) kind: Option<String>,
    /// Byte and word order: abcd, cdab, badc or dcba
    #[arg(long, default_value = "abcd")]
    pub(super) order: String,
    /// How long to wait for an answer
    #[arg(long, default_value = "3s", value_parser = duration)]
    pub(super) timeout: Duration,
    /// How long to wait after connecting before the first question
    #[arg(long, default_value = "0s", value_parser = duration)]
    pub(super) connect_delay: Duration,
    /// Read although a bridge runs with this pipeline, and may hold the device's only connection
    #[arg(long)]
    pub(super) anyway: bool,
    #[command(flatten)]
    pub(super) data: DataDir,
}

/// Which of the four tables, and the first address.
#[derive(Debug, Args)]
#[group(required = false, multiple = false)]
pub(super) struct Registers {
    /// Holding registers from this one on (function 3)
    #[arg(long, value_name = "REGISTER", value_parser = register)]
    pub(super) holding: Option<u16>,
    /// Input registers from this one on (function 4)
    #[arg(long, value_name = "REGISTER", value_parser = register)]
    pub(super) input: Option<u16>,
    /// Coils from this one on (function 1)
    #[arg(long, value_name = "COIL", value_parser = register)]
    pub(super) coils: Option<u16>,
    /// Discrete inputs from this one on (function 2)
    #[arg(long, value_name = "INPUT", value_parser = register)]
    pub(super) discrete: Option<u16>,
}
