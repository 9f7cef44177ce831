//! Looks at a device as a person would: one pass of a source with where each value came from, or a few registers by
//! themselves. Nothing is stored.

use std::time::Duration;

use smiles_stage::Problems;

use crate::decode::columns::Column;
use crate::decode::value::shown;
use crate::device::block::{Block, Tolerance};
use crate::device::table::Table;
use crate::device::{Device, Field};
use crate::line::{Client, LineMeters, Settings, UnitOptions, Wishes, line};
use crate::options::{ModbusOptions, ModbusPlan, checked};
use crate::pass::PollOutcome;
use crate::plan::{List, ReadRequest};

/// What one pass of a source read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The device that was asked.
    pub address: String,
    /// Every field of every block and record that was heard, and those of blocks that were not.
    pub values: Vec<FieldReading>,
    /// What failed.
    pub faults: Vec<String>,
    /// Whether anything was heard.
    pub heard: bool,
}

/// One value and where it came from.
#[derive(Clone, Debug)]
pub struct FieldReading {
    /// The block, with the number of the record where it is a list: `port[3]`.
    pub block: String,
    /// The column.
    pub field: String,
    /// The registers (or coils) that hold it: `holding 37113 to 37114`.
    pub registers: String,
    /// Their bytes as sent, in hexadecimal digits; `None`: not heard.
    pub raw: Option<String>,
    /// The value with its scale in place: `230.1`; `None`: the device has none.
    pub value: Option<String>,
    /// The unit of that.
    pub unit: String,
}

/// Makes one pass of a source.
///
/// # Errors
/// The options are wrong, or others of this process speak to the address in another way.
pub async fn read_source(options: ModbusOptions, name: &str) -> Result<Reading, Problems> {
    let address = checked(&options)?;
    let plan = ModbusPlan::new(options, address);
    let mut poller = plan.poller(name, name, None, LineMeters::default()).map_err(|said| {
        vec![smiles_stage::Problem::error(smiles_stage::Path::root().key("address"), said)]
    })?;
    let outcome = poller.poll().await;
    let blocks = || plan.device.split.blocks.iter().enumerate();
    let mut values = Vec::new();
    for (place, (name, block)) in blocks() {
        let columns: Vec<&Column> =
            plan.device.columns.iter().filter(|column| column.block == place).collect();
        for Part { record, data } in parts(&plan.device.requests.lists, &outcome, place) {
            let of = Of { device: &plan.device.split, name, block, record };
            values.extend(columns.iter().map(|column| of.reading(column, data)));
        }
    }
    Ok(Reading {
        address: plan.shown_address(),
        values,
        faults: outcome.faults.into_iter().map(|fault| fault.message).collect(),
        heard: outcome.heard,
    })
}

/// The data of a block, or of one record of it.
struct Part<'a> {
    /// The number of the record and its first register.
    record: Option<(u16, u16)>,
    data: Option<&'a [u8]>,
}

/// The data of a block: one, or one for each record that was heard.
fn parts<'a>(lists: &[List], outcome: &'a PollOutcome, block: usize) -> Vec<Part<'a>> {
    let Some(place) = lists.iter().position(|list| list.block == block) else {
        let data = outcome.blocks.get(block).and_then(Option::as_deref);
        return vec![Part { record: None, data }];
    };
    let address = |index| {
        let request = lists.get(place).and_then(|list| list.request(index, 1));
        request.map_or(0, |request| request.address)
    };
    let records = outcome.lists.get(place).into_iter().flatten();
    let part = |(index, data): (&u16, &'a Vec<u8>)| Part {
        record: Some((*index, address(*index))),
        data: Some(data.as_slice()),
    };
    records.map(part).collect()
}

/// A block, or a record of it with its number and its first register.
struct Of<'a> {
    device: &'a Device,
    name: &'a str,
    block: &'a Block,
    record: Option<(u16, u16)>,
}

impl Of<'_> {
    fn reading(&self, column: &Column, data: Option<&[u8]>) -> FieldReading {
        let name = column.arrow.name();
        let field = self.block.fields.get(name).unwrap_or(&column.field);
        let (value, unit) = shown(column, data.unwrap_or_default());
        let mut places: Vec<usize> = column.field.places(column.order).collect();
        // As they were sent, whatever order they mean.
        places.sort_unstable();
        let bytes = data.and_then(|data| {
            places.iter().map(|place| data.get(*place).copied()).collect::<Option<Vec<u8>>>()
        });
        FieldReading {
            block: self.record.map_or(self.name.to_owned(), |(index, _)| format!("{}[{index}]", self.name)),
            field: name.to_owned(),
            registers: self.registers(field),
            raw: bytes.map(hex::encode),
            value,
            unit,
        }
    }

    /// The registers of a value, also those that stand apart.
    fn registers(&self, field: &Field) -> String {
        let first = self.record.map_or(self.block.address, |(_, address)| address);
        let request = |skip: u16, count| {
            ReadRequest { table: self.block.read, address: first.saturating_add(skip), count }.to_string()
        };
        if self.block.read.is_bits() {
            return request(field.at, 1);
        }
        if field.words.is_empty() {
            return request(field.at / 2, (field.at % 2 + field.width()).div_ceil(2));
        }
        let mut addresses: Vec<u16> = field.words.iter().filter_map(|at| self.address(first, *at)).collect();
        let (least, most) = (addresses.iter().min().copied(), addresses.iter().max().copied());
        if let (Some(least), Some(most)) = (least, most)
            && usize::from(most - least) + 1 == addresses.len()
        {
            return request(least.saturating_sub(first), most - least + 1);
        }
        addresses.dedup();
        let named: Vec<String> = addresses.iter().map(u16::to_string).collect();
        format!("{} {}", self.block.read.name(), named.join(", "))
    }

    /// The register at so many bytes, of which those behind the block's own are lent by others.
    fn address(&self, first: u16, at: u16) -> Option<u16> {
        let mut behind = usize::from(at).checked_sub(self.block.data_bytes());
        if behind.is_none() {
            return first.checked_add(at / 2);
        }
        for (lender, skip, bytes) in self.block.lent() {
            match behind {
                Some(rest) if rest < usize::from(bytes) => {
                    let lender = self.device.blocks.get(lender)?;
                    return lender.address.checked_add((skip + u16::try_from(rest).ok()?) / 2);
                }
                _ => behind = behind.map(|rest| rest - usize::from(bytes)),
            }
        }
        None
    }
}

/// Registers (or coils) to look at.
#[derive(Clone, Debug)]
pub struct Registers {
    /// Where the device listens, as `address` of a source.
    pub address: String,
    /// The unit.
    pub unit: u8,
    /// The table.
    pub table: Table,
    /// The first of them.
    pub first: u16,
    /// How many.
    pub count: u16,
    /// As `timeout` of a source.
    pub timeout: Duration,
    /// As `connect_delay` of a source.
    pub connect_delay: Duration,
    /// As `tolerate` of a device.
    pub tolerate: Vec<Tolerance>,
}

/// Asks for registers once; their bytes.
///
/// # Errors
/// A sentence: the address is none, or the device did not answer as it should.
pub async fn read_registers(registers: &Registers) -> Result<Vec<u8>, String> {
    let address = registers.address.parse::<crate::address::Address>().map_err(|error| error.to_string())?;
    let settings =
        Settings { connect_delay: registers.connect_delay, min_delay: Duration::ZERO, keep: false };
    let shown = address.to_string();
    let wishes = Wishes { source: "read".to_owned(), settings };
    let (line, membership) = line(&address, wishes)?;
    let unit = UnitOptions {
        unit: registers.unit,
        timeout: registers.timeout,
        tolerate: registers.tolerate.clone(),
    };
    let mut client = Client::new(line, membership, unit, LineMeters::default());
    let request = ReadRequest { table: registers.table, address: registers.first, count: registers.count };
    client.begin();
    let answer = client.ask(request).await;
    client.end(true).await;
    match answer {
        Ok(data) if data.is_empty() => Err(format!("{shown}: the device answered with no data")),
        Ok(data) => Ok(data),
        Err(error) => Err(format!("{shown}, unit {}, {request}: {error}", registers.unit)),
    }
}
