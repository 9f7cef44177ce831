//! The table of all quirks.

use std::time::Duration;

use super::value::{Argument, QuirkValue};
use crate::faults::{Clients, OtherTransaction};
use crate::options::Options;
use crate::rate::Rate;

/// One quirk.
#[derive(Debug)]
pub(super) struct QuirkEntry {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) takes: Argument,
    /// What it is without `=VALUE`.
    pub(super) default: QuirkValue,
    pub(super) apply: fn(&mut Options, QuirkValue),
}

macro_rules! row {
    ($name:literal, $takes:ident, $default:expr, $about:literal, $pattern:pat => $options:ident: $apply:expr) => {
        QuirkEntry {
            name: $name,
            about: $about,
            takes: Argument::$takes,
            default: $default,
            apply: |$options, value| {
                if let $pattern = value {
                    $apply;
                }
            },
        }
    };
    ($name:literal, $takes:ident, $default:expr, $about:literal, $pattern:pat => $($field:ident).+ = $value:expr) => {
        QuirkEntry {
            name: $name,
            about: $about,
            takes: Argument::$takes,
            default: $default,
            apply: |options, value| {
                if let $pattern = value {
                    options.$($field).+ = $value;
                }
            },
        }
    };
}

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const ALWAYS: QuirkValue = QuirkValue::Rate(Rate::Always);

pub(super) static ROWS: &[QuirkEntry] = &[
    row!("wrong_byte_count", Byte, QuirkValue::Byte(0xFF), "the byte count of every answer is VALUE",
        QuirkValue::Byte(byte) => faults.wrong_byte_count = Some(byte)),
    row!("surplus_data", Nothing, QuirkValue::None, "the answer behind the end of the list has twice the data",
        QuirkValue::None => faults.surplus_data = true),
    row!("no_data", Nothing, QuirkValue::None, "answers about the list have no data: nothing is mapped yet",
        QuirkValue::None => faults.no_data = true),
    row!("delay", Time, QuirkValue::Time(MILLISECOND.saturating_mul(150)), "waits before each answer",
        QuirkValue::Time(time) => faults.delay = time),
    row!("late", Times, QuirkValue::Times(MILLISECOND.saturating_mul(1900), MILLISECOND.saturating_mul(2500)),
        "waits a random time from the first to the second before each answer",
        QuirkValue::Times(least, most) => faults.late = Some((least, most))),
    row!("next_id", Nothing, QuirkValue::None,
        "an answer still owed when its unit is asked again goes out as the answer to the newer question (with `late`, `delay`)",
        QuirkValue::None => faults.next_id = true),
    row!("drops_when_busy", Nothing, QuirkValue::None,
        "drops what is asked while another request waits for its answer, on whatever connection (with `late`, `delay`)",
        QuirkValue::None => faults.drops_when_busy = true),
    row!("silent", Rate, ALWAYS, "does not answer", QuirkValue::Rate(rate) => faults.silent = rate),
    row!("exception", Rate, ALWAYS, "answers with an exception", QuirkValue::Rate(rate) => faults.exception = rate),
    row!("exception_code", Byte, QuirkValue::Byte(4), "the code of such an exception",
        QuirkValue::Byte(byte) => faults.exception_code = byte),
    row!("busy", Rate, ALWAYS, "answers with exception 6 (busy), and the same question asked again with data",
        QuirkValue::Rate(rate) => faults.busy = rate),
    row!("acknowledge", Rate, ALWAYS, "answers with exception 5 (acknowledge)",
        QuirkValue::Rate(rate) => faults.acknowledge = rate),
    row!("gateway_path", Rate, ALWAYS, "answers with exception 10 (gateway path unavailable)",
        QuirkValue::Rate(rate) => faults.gateway_path = rate),
    row!("gateway_target", Rate, ALWAYS, "answers with exception 11 (gateway target failed to respond)",
        QuirkValue::Rate(rate) => faults.gateway_target = rate),
    row!("gateway", Nothing, QuirkValue::None,
        "answers for units that are not there with exception 11, and not with silence",
        QuirkValue::None => faults.gateway = true),
    row!("missing", Addresses, QuirkValue::Needed,
        "who asks for a register or coil at these addresses gets exception 2; may be repeated",
        QuirkValue::Addresses(first, last) => options: options.faults.missing.push((first, last))),
    row!("max_registers", Registers, QuirkValue::Registers(32), "who asks for more than VALUE registers at once gets exception 3",
        QuirkValue::Registers(most) => faults.max_registers = Some(most)),
    row!("garbage", Rate, ALWAYS, "answers with noise", QuirkValue::Rate(rate) => faults.garbage = rate),
    row!("truncate", Rate, ALWAYS, "sends half of the answer and hangs up",
        QuirkValue::Rate(rate) => faults.truncate = rate),
    row!("short", Rate, ALWAYS, "sends a sound answer with half of the data",
        QuirkValue::Rate(rate) => faults.short = rate),
    row!("wrong_unit", Rate, ALWAYS, "answers for another unit", QuirkValue::Rate(rate) => faults.wrong_unit = rate),
    row!("wrong_transaction", Transaction, QuirkValue::Transaction(OtherTransaction::Far, Rate::Always),
    "answers for another transaction: 0, that of swapped bytes, the one ahead, or (a rate alone) one far ahead",
    QuirkValue::Transaction(other, rate) => options: {
        options.faults.wrong_transaction = rate;
        options.faults.other_transaction = other;
    }),
    row!("dribble", Time, QuirkValue::Time(MILLISECOND), "sends byte by byte, VALUE apart",
        QuirkValue::Time(time) => faults.dribble = Some(time)),
    row!("refuse", Count, QuirkValue::Count(0), "after VALUE requests closes every connection at once",
        QuirkValue::Count(count) => faults.refuse_after = Some(count)),
    row!("refuse_connect", Rate, QuirkValue::Rate(Rate::Every(2)), "closes a connection as soon as it is made",
        QuirkValue::Rate(rate) => faults.refuse_connect = rate),
    row!("slow_start", Time, QuirkValue::Time(SECOND), "ignores what comes within VALUE of connecting",
        QuirkValue::Time(time) => faults.slow_start = time),
    row!("impatient", Time, QuirkValue::Time(SECOND), "hangs up if nothing is asked within VALUE of connecting",
        QuirkValue::Time(time) => faults.impatient = Some(time)),
    row!("one_client", Nothing, QuirkValue::None, "takes one client at a time and closes the connections of others",
        QuirkValue::None => faults.clients = Clients::One),
    row!("queue_clients", Nothing, QuirkValue::None, "answers one client at a time; others connect and wait until it leaves",
        QuirkValue::None => faults.clients = Clients::Queue),
    row!("closes_after_answer", Nothing, QuirkValue::None, "hangs up after each answer",
        QuirkValue::None => faults.closes_after_answer = true),
    row!("closes_idle", Time, QuirkValue::Time(SECOND.saturating_mul(30)), "hangs up on a connection that was idle for VALUE",
        QuirkValue::Time(time) => faults.closes_idle = Some(time)),
    row!("silent_idle", Time, QuirkValue::Time(SECOND.saturating_mul(30)),
        "answers no more on a connection that was idle for VALUE",
        QuirkValue::Time(time) => faults.silent_idle = Some(time)),
    row!("echo", Nothing, QuirkValue::None, "repeats each request before its answer, as a half-duplex adapter does (RTU only)",
        QuirkValue::None => faults.echo = true),
    row!("bad_crc", Rate, ALWAYS, "answers with a wrong checksum (RTU only)",
        QuirkValue::Rate(rate) => faults.bad_crc = rate),
    row!("glitch", Rate, QuirkValue::Rate(Rate::Chance(0.05)), "a unit reads all zero for one pass",
        QuirkValue::Rate(rate) => rates.glitch = share(rate)),
    row!("spike", Rate, QuirkValue::Rate(Rate::Chance(0.01)), "a unit reads far too much energy for one pass",
        QuirkValue::Rate(rate) => rates.spike = share(rate)),
    row!("today_zero", Rate, QuirkValue::Rate(Rate::Chance(0.01)), "a unit reads 0 for the energy of today for one pass",
        QuirkValue::Rate(rate) => rates.today_zero = share(rate)),
    row!("uploads", Time, QuirkValue::Time(MILLISECOND.saturating_mul(900_000)),
        "for a minute after every multiple of VALUE half of the units read all zero",
        QuirkValue::Time(time) => rates.upload_period_s = u32::try_from(time.as_secs()).unwrap_or(u32::MAX)),
    row!("restarts", PerDay, QuirkValue::PerDay(1.0), "units restart by day, VALUE times a day",
        QuirkValue::PerDay(times) => rates.restarts_per_day = times),
    row!("link_losses", PerDay, QuirkValue::PerDay(1.0), "units are out of reach for a while, VALUE times a day",
        QuirkValue::PerDay(times) => rates.link_losses_per_day = times),
];

/// The share of passes a rate stands for.
fn share(rate: Rate) -> f64 {
    match rate {
        Rate::Never => 0.0,
        Rate::Always => 1.0,
        Rate::Every(n) => 1.0 / n as f64,
        Rate::Chance(share) => share,
    }
}
