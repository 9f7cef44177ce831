//! What a device can get wrong on the wire, as plain data.

use std::time::Duration;

use crate::rate::Rate;

/// Faults of a device. The default has none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    /// The byte count of every data answer is this, whatever the data.
    pub wrong_byte_count: Option<u8>,
    /// The answer behind the end of the list carries twice the data asked for.
    pub surplus_data: bool,
    /// Answers about the list carry no data: nothing is mapped yet.
    pub no_data: bool,
    /// Waits this long before each answer.
    pub delay: Duration,
    /// Does not answer.
    pub silent: Rate,
    /// Answers with an exception.
    pub exception: Rate,
    /// The code of such an exception; 0 stands for 4, "device failure".
    pub exception_code: u8,
    /// Answers with noise instead of a frame.
    pub garbage: Rate,
    /// Sends half of the answer and hangs up.
    pub truncate: Rate,
    /// Sends a well-formed answer with half of the data.
    pub short: Rate,
    /// Answers for another unit.
    pub wrong_unit: Rate,
    /// Answers for another transaction.
    pub wrong_transaction: Rate,
    /// Which other transaction.
    pub other_transaction: OtherTransaction,
    /// Answers a question with exception 6, "busy", and the same question asked again with data.
    pub busy: Rate,
    /// Answers with exception 5, "acknowledge".
    pub acknowledge: Rate,
    /// Answers with exception 10, "gateway path unavailable".
    pub gateway_path: Rate,
    /// Answers with exception 11, "gateway target failed to respond".
    pub gateway_target: Rate,
    /// A gateway: requests for units that are not there get exception 11, and no silence.
    pub gateway: bool,
    /// First and last of addresses that do not exist: who asks for one gets exception 2.
    pub missing: Vec<(u16, u16)>,
    /// Who asks for more registers at once gets exception 3.
    pub max_registers: Option<u16>,
    /// Sends byte by byte with this pause in between.
    pub dribble: Option<Duration>,
    /// Once it has taken this many requests, closes every connection at once.
    pub refuse_after: Option<u64>,
    /// Closes a connection as soon as it is made.
    pub refuse_connect: Rate,
    /// Ignores what comes within this time of connecting.
    pub slow_start: Duration,
    /// Hangs up if nothing is asked within this time of connecting.
    pub impatient: Option<Duration>,
    /// How many clients it takes.
    pub clients: Clients,
    /// Drops a request that comes, on whatever connection, while another waits for its answer.
    pub drops_when_busy: bool,
    /// Hangs up after each answer.
    pub closes_after_answer: bool,
    /// Hangs up on a connection that was idle this long.
    pub closes_idle: Option<Duration>,
    /// Answers no more on a connection that was idle this long.
    pub silent_idle: Option<Duration>,
    /// Waits a random time from the first to the second before each answer, beside `delay`.
    pub late: Option<(Duration, Duration)>,
    /// An answer that is still owed when its unit is asked again, on whatever connection, goes out as the answer to
    /// the newer question, which gets no other.
    pub next_id: bool,
    /// Repeats each request before its answer, as a half-duplex adapter does (RTU only).
    pub echo: bool,
    /// Answers with a wrong checksum (RTU only).
    pub bad_crc: Rate,
}

/// How many clients a device takes at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clients {
    /// Many.
    #[default]
    Many,
    /// One; the connections of others are closed at once.
    One,
    /// One; others are connected and wait until it leaves.
    Queue,
}

/// The transaction of an answer that is for another than it was asked under.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OtherTransaction {
    /// 4096 ahead.
    #[default]
    Far,
    /// 0.
    Zero,
    /// Its two bytes swapped.
    Swapped,
    /// One ahead.
    Ahead,
}

impl OtherTransaction {
    pub(crate) fn instead_of(self, transaction: u16) -> u16 {
        match self {
            Self::Far => transaction.wrapping_add(0x1000),
            Self::Zero => 0,
            Self::Swapped => transaction.swap_bytes(),
            Self::Ahead => transaction.wrapping_add(1),
        }
    }
}
