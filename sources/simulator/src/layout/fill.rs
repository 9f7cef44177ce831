//! Fills records: what the world knows, in the units and types of the device file's fields.

use smiles_source_modbus::device::{Block, Device, Field, Order, Raw, Simulate, Type, encode, unit_of};
use smiles_stage::unit::{Conversion, Unit};

use super::image::unhex;
use crate::SetupError;
use crate::world::Reading;

/// Serial number of the device itself where the file wants one: the same for every seed, as on a nameplate.
const DEVICE_SERIAL: &str = "20260921000417";

/// The block of a device file, ready to be filled.
#[derive(Debug)]
pub(crate) struct Filler {
    block: Block,
    order: Order,
    /// A record of which nothing is known.
    empty: Vec<u8>,
    /// How many of its bytes are the block's; behind them stand those that its values have in others.
    own: usize,
    slots: Vec<Slot>,
}

/// One field with a hint.
#[derive(Debug)]
struct Slot {
    field: Field,
    hint: Simulate,
    /// By unit of the raw number, how the world's unit converts to it.
    units: Vec<(String, Conversion)>,
    /// The power of ten that its scale factor says.
    power: i32,
}

/// A simulated value for a hint.
enum SimulatedValue<'a> {
    Text(&'a str),
    Number(f64),
    /// A number of a counter, whose field starts again from 0 when it is full.
    Count(f64),
}

impl Filler {
    /// # Errors
    /// A field that cannot be simulated as its hint says.
    pub(crate) fn new(name: &str, block: &Block, device: &Device) -> Result<Self, SetupError> {
        let mut slots = block
            .fields
            .iter()
            .filter_map(|(field_name, field)| {
                let hint = field.simulate.clone()?;
                Some(Slot::new(&format!("{name}.{field_name}"), field, hint, power(device, block, field)))
            })
            .collect::<Result<Vec<_>, _>>()?;
        // Fields whose unit depends on others are filled after those.
        slots.sort_by_key(|slot| !slot.field.variants.is_empty());
        let own = if block.read.is_bits() { block.count.into() } else { block.data_bytes() };
        let bytes = own + block.lent().map(|(.., length)| usize::from(length)).sum::<usize>();
        let mut filler =
            Self { block: block.clone(), order: device.order, empty: vec![0; bytes], own, slots };
        for fill in &block.fill {
            filler.put_fixed(name, usize::from(fill.at), &fill.hex)?;
        }
        Ok(filler)
    }

    pub(crate) fn own(&self) -> usize {
        self.own
    }

    /// The data of one record. A record of a list of which nothing is known has what is fixed and zeros.
    pub(crate) fn record(&self, known: Option<&Reading>, in_list: bool) -> Vec<u8> {
        let mut data = self.empty.clone();
        for slot in &self.slots {
            let Some(value) = slot.value(known, in_list) else { continue };
            if self.block.read.is_bits() {
                put_coil(&slot.field, &value, &mut data);
                continue;
            }
            let unit = unit_of(&self.block, &slot.field, self.order, &data);
            let raw = slot.raw(value, unit);
            // A value that does not fit (text of a field that is too short) leaves zeros, as a device would.
            let _ = encode(&slot.field, self.order, &raw, &mut data);
        }
        data
    }

    fn put_fixed(&mut self, name: &str, at: usize, hex: &str) -> Result<(), SetupError> {
        let bytes = unhex(hex).ok_or_else(|| {
            SetupError::new(format!("block `{name}`: fill: `{hex}` is not hexadecimal bytes"))
        })?;
        let has = self.own;
        let slots = self.empty.get_mut(at..at + bytes.len()).ok_or_else(|| {
            SetupError::new(format!("block `{name}`: fill at {at} reaches beyond its {has} bytes"))
        })?;
        slots.copy_from_slice(&bytes);
        Ok(())
    }
}

impl Slot {
    fn new(name: &str, field: &Field, hint: Simulate, power: i32) -> Result<Self, SetupError> {
        let mut units = Vec::new();
        if let Some(base) = base_unit(&hint) {
            let variants = field.variants.iter().map(|variant| &variant.unit);
            for text in field.unit.iter().chain(variants) {
                units.push((text.clone(), conversion(name, base, text)?));
            }
        }
        if field.kind_of_value.is_text() != is_text(&hint) && !is_serial(&hint) {
            return Err(SetupError::new(format!(
                "field `{name}`: `simulate:` gives {}, which its type does not hold",
                if is_text(&hint) { "text" } else { "a number" }
            )));
        }
        Ok(Self { field: field.clone(), hint, units, power })
    }

    /// What to put in; `None`: leave zeros.
    fn value<'a>(&'a self, known: Option<&'a Reading>, in_list: bool) -> Option<SimulatedValue<'a>> {
        match (&self.hint, known) {
            (Simulate::Constant(number), _) => Some(SimulatedValue::Number(*number as f64)),
            (Simulate::Text(text), _) => Some(SimulatedValue::Text(text)),
            (Simulate::DeviceSerial, _) if !in_list => Some(SimulatedValue::Text(DEVICE_SERIAL)),
            (hint, Some(reading)) => Some(measured(hint, reading)),
            (_, None) => None,
        }
    }

    fn raw(&self, value: SimulatedValue<'_>, unit: Option<&str>) -> Raw {
        let number = match value {
            SimulatedValue::Text(text) => match self.field.kind_of_value {
                Type::Hex => return Raw::Text(fitted(text, usize::from(self.field.width()) * 2)),
                Type::Text | Type::Ascii => {
                    return Raw::Text(text.chars().take(usize::from(self.field.width())).collect());
                }
                _ => SimulatedValue::Number(text.parse().unwrap_or_default()),
            },
            number => number,
        };
        let (number, counts) = match number {
            SimulatedValue::Count(number) => (self.converted(number, unit).floor(), true),
            SimulatedValue::Number(number) => (self.converted(number, unit), false),
            SimulatedValue::Text(_) => (0.0, false),
        };
        match self.field.kind_of_value {
            Type::F16 | Type::F32 | Type::F64 => Raw::Float(number),
            Type::Bool => Raw::Bool(number != 0.0),
            Type::Hex | Type::Text | Type::Ascii => Raw::Text(format!("{number:.0}")),
            Type::I8 | Type::I16 | Type::I24 | Type::I32 | Type::I48 | Type::I64 => {
                Raw::Signed(signed(&self.field, number))
            }
            Type::Mod10k => Raw::Signed(number.round() as i64),
            Type::UnixSeconds | Type::SecondsSince2000 | Type::Datetime | Type::Date => seconds(number),
            Type::U8 | Type::U16 | Type::U24 | Type::U32 | Type::U48 | Type::U64 | Type::Bcd | Type::Bits => {
                Raw::Unsigned(unsigned(&self.field, number, counts))
            }
        }
    }

    fn converted(&self, number: f64, unit: Option<&str>) -> f64 {
        let known = unit.and_then(|unit| self.units.iter().find(|(text, _)| text == unit));
        let counts = known.map_or(number, |(_, conversion)| conversion.apply(number));
        if matches!(self.hint, Simulate::Constant(_)) {
            // The raw number itself.
            return counts;
        }
        self.field.raw_of(counts) / 10_f64.powi(self.power)
    }
}

/// What the clock of a device says so many seconds after 1970.
fn seconds(number: f64) -> Raw {
    let after = jiff::SignedDuration::from_secs(number as i64);
    jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0).checked_add(after).map_or(Raw::Missing, Raw::Clock)
}

/// The power of ten that the scale factor of a field says, where the file gives it: 0 where it says nothing.
fn power(device: &Device, block: &Block, field: &Field) -> i32 {
    let named = field.scale_by.as_deref();
    let asked = named.and_then(|name| {
        let mut others = device.blocks.iter();
        block.fields.get(name).or_else(|| others.find_map(|(_, other)| other.fields.get(name)))
    });
    match asked.and_then(|asked| asked.simulate.as_ref()) {
        Some(Simulate::Constant(power)) => i32::try_from(*power).unwrap_or_default(),
        _ => 0,
    }
}

fn measured<'a>(hint: &Simulate, reading: &'a Reading) -> SimulatedValue<'a> {
    let heard = |value: i64| SimulatedValue::Number(if reading.heard { value as f64 } else { 0.0 });
    match hint {
        Simulate::Serial | Simulate::SerialOf(_) => SimulatedValue::Text(&reading.serial),
        Simulate::DeviceSerial => SimulatedValue::Text(DEVICE_SERIAL),
        Simulate::Index => SimulatedValue::Number(reading.index.into()),
        Simulate::Constant(number) => SimulatedValue::Number(*number as f64),
        Simulate::Text(_) => SimulatedValue::Text(""),
        Simulate::DcVoltage => SimulatedValue::Number(reading.dc_voltage),
        Simulate::DcCurrent => SimulatedValue::Number(reading.dc_current),
        Simulate::DcPower => SimulatedValue::Number(reading.dc_power),
        Simulate::AcVoltage => SimulatedValue::Number(reading.ac_voltage),
        Simulate::Frequency => SimulatedValue::Number(reading.frequency),
        Simulate::EnergyToday => SimulatedValue::Count(reading.energy_today),
        Simulate::EnergyTotal => SimulatedValue::Count(reading.energy_total),
        Simulate::Temperature => SimulatedValue::Number(reading.temperature),
        Simulate::Status => heard(3),
        Simulate::AlarmCode => SimulatedValue::Number(0.0),
        Simulate::AlarmWhenAway(code) => {
            SimulatedValue::Number(if reading.away { *code as f64 } else { 0.0 })
        }
        Simulate::AlarmCount => SimulatedValue::Number(reading.alarm_count.into()),
        Simulate::Link => SimulatedValue::Number(reading.link.into()),
    }
}

/// The unit the world measures in.
fn base_unit(hint: &Simulate) -> Option<&'static str> {
    match hint {
        Simulate::DcVoltage | Simulate::AcVoltage => Some("V"),
        Simulate::DcCurrent => Some("A"),
        Simulate::DcPower => Some("W"),
        Simulate::Frequency => Some("Hz"),
        Simulate::EnergyToday | Simulate::EnergyTotal => Some("Wh"),
        Simulate::Temperature => Some("°C"),
        _ => None,
    }
}

fn conversion(name: &str, base: &str, text: &str) -> Result<Conversion, SetupError> {
    let parse = |text: &str| {
        text.parse::<Unit>().map_err(|error| SetupError::new(format!("field `{name}`: unit: {error}")))
    };
    parse(base)?.to(&parse(text)?).ok_or_else(|| {
        SetupError::new(format!("field `{name}`: what it simulates is in {base}, which is no `{text}`"))
    })
}

fn is_serial(hint: &Simulate) -> bool {
    matches!(hint, Simulate::Serial | Simulate::SerialOf(_) | Simulate::DeviceSerial)
}

fn is_text(hint: &Simulate) -> bool {
    is_serial(hint) || matches!(hint, Simulate::Text(_))
}

/// The last `digits` characters, or zeros in front.
fn fitted(text: &str, digits: usize) -> String {
    let tail = text.get(text.len().saturating_sub(digits)..).unwrap_or(text);
    format!("{}{tail}", "0".repeat(digits.saturating_sub(tail.len())))
}

fn unsigned(field: &Field, number: f64, counts: bool) -> u64 {
    // `as` saturates and makes NaN 0, which is what a device does with what it cannot hold.
    let whole = number.round() as u64;
    let bytes = u32::from(field.width());
    let most = match field.kind_of_value {
        Type::Bcd => 100_u64.checked_pow(bytes).map_or(u64::MAX, |end| end - 1),
        Type::Bits => u64::MAX >> 64_u32.saturating_sub(field.length.unwrap_or(1).into()).min(63),
        _ => 1_u64.checked_shl(bytes * 8).map_or(u64::MAX, |end| end - 1),
    };
    match most.checked_add(1) {
        Some(end) if counts => whole % end,
        _ => whole.min(most),
    }
}

fn signed(field: &Field, number: f64) -> i64 {
    let unused = 64_u32.saturating_sub(u32::from(field.width()) * 8);
    (number.round() as i64).clamp(i64::MIN >> unused, i64::MAX >> unused)
}

fn put_coil(field: &Field, value: &SimulatedValue<'_>, data: &mut [u8]) {
    let (SimulatedValue::Number(number) | SimulatedValue::Count(number)) = value else { return };
    if let Some(coil) = data.get_mut(usize::from(field.at)) {
        *coil = u8::from(*number != 0.0);
    }
}
