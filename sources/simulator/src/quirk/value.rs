//! The values that quirks take.

use std::time::Duration;

use smiles_source_modbus::device::MAX_REGISTERS;
use smiles_stage::option::Period;

use crate::faults::OtherTransaction;
use crate::rate::Rate;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum QuirkValue {
    None,
    Rate(Rate),
    Byte(u8),
    Count(u64),
    PerDay(f64),
    Time(Duration),
    /// From the shorter to the longer.
    Times(Duration, Duration),
    /// From the first to the last.
    Addresses(u16, u16),
    Registers(u16),
    Transaction(OtherTransaction, Rate),
    /// There is none by itself: one must be given.
    Needed,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Argument {
    Nothing,
    Rate,
    Byte,
    Count,
    PerDay,
    Time,
    Times,
    Addresses,
    Registers,
    Transaction,
}

impl Argument {
    pub(super) fn about(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Rate => "a rate such as `always`, `1/5`, `0.2` or `20%`",
            Self::Byte => "a number from 0 to 255",
            Self::Count => "a number of requests",
            Self::PerDay => "a number of times per day",
            Self::Time => "a duration such as `150ms`",
            Self::Times => "two durations such as `1.9s..2.5s`",
            Self::Addresses => "an address such as `0x1000`, or the first and last of several: `10..19`",
            Self::Registers => "a number of registers, 1 to 125",
            Self::Transaction => "`zero`, `swapped`, `ahead`, a rate such as `1/5`, or both: `zero:1/5`",
        }
    }

    pub(super) fn parse(self, text: &str) -> Option<QuirkValue> {
        match self {
            Self::Nothing => None,
            Self::Rate => text.parse().ok().filter(|_| !text.is_empty()).map(QuirkValue::Rate),
            Self::Byte => match text.strip_prefix("0x") {
                Some(hex) => u8::from_str_radix(hex, 16).ok(),
                None => text.parse().ok(),
            }
            .map(QuirkValue::Byte),
            Self::Count => text.parse().ok().map(QuirkValue::Count),
            Self::PerDay => text
                .parse()
                .ok()
                .filter(|times: &f64| times.is_finite() && *times >= 0.0)
                .map(QuirkValue::PerDay),
            Self::Time => time(text).map(QuirkValue::Time),
            Self::Times => {
                let (least, most) = text.split_once("..")?;
                let (least, most) = (time(least)?, time(most)?);
                (least <= most).then_some(QuirkValue::Times(least, most))
            }
            Self::Addresses => {
                let (first, last) = text.split_once("..").unwrap_or((text, text));
                let (first, last) = (address(first)?, address(last)?);
                (first <= last).then_some(QuirkValue::Addresses(first, last))
            }
            Self::Registers => {
                text.parse().ok().filter(|most| (1..=MAX_REGISTERS).contains(most)).map(QuirkValue::Registers)
            }
            Self::Transaction => transaction(text),
        }
    }
}

fn time(text: &str) -> Option<Duration> {
    text.parse::<Period>().ok().map(|period| period.0)
}

fn address(text: &str) -> Option<u16> {
    let text = text.trim();
    match text.strip_prefix("0x") {
        Some(hex) => u16::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// `KIND`, `RATE` or `KIND:RATE`.
fn transaction(text: &str) -> Option<QuirkValue> {
    let (kind, rate) = text.split_once(':').map_or((text, None), |(kind, rate)| (kind, Some(rate)));
    let other = match kind {
        "zero" => OtherTransaction::Zero,
        "swapped" => OtherTransaction::Swapped,
        "ahead" => OtherTransaction::Ahead,
        _ if rate.is_none() && !text.is_empty() => {
            return text.parse().ok().map(|rate| QuirkValue::Transaction(OtherTransaction::Far, rate));
        }
        _ => return None,
    };
    let rate = rate.map_or(Ok(Rate::Always), |rate| rate.parse()).ok()?;
    Some(QuirkValue::Transaction(other, rate))
}
