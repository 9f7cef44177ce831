//! One open connection: a question goes out, and what comes back is the answer, a late one, or a stranger.

use std::time::Duration;

use smiles_stage::option::Period;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

use crate::device::block::Tolerance;
use crate::line::error::{RequestError, io_message};
use crate::line::port::Port;
use crate::plan::ReadRequest;
use crate::wire::answer::{Answer, FrameError, answer};
use crate::wire::{Asked, Frame, mbap, question};

/// How long a device may take to close its end; it has nothing to say any more.
const DISCONNECT_TIMEOUT: Duration = Duration::from_millis(250);

/// Who is asked, and how it may answer.
#[derive(Clone, Debug)]
pub(crate) struct UnitOptions {
    pub(crate) unit: u8,
    pub(crate) timeout: Duration,
    pub(crate) tolerate: Vec<Tolerance>,
}

impl UnitOptions {
    pub(crate) fn tolerates(&self, tolerance: Tolerance) -> bool {
        self.tolerate.contains(&tolerance)
    }

    /// Whether answers are taken that do not say whose they are.
    pub(crate) fn takes_strangers(&self) -> bool {
        self.tolerates(Tolerance::WrongTransaction) || self.tolerates(Tolerance::WrongUnit)
    }
}

/// A question that was given up; its answer may still come.
#[derive(Clone, Copy, Debug)]
struct Unanswered {
    asked: Asked,
    at: Instant,
}

/// An open connection.
pub(crate) struct Link {
    port: Port,
    received: Vec<u8>,
    /// The next transaction; each connection counts from 0.
    transaction: u16,
    unanswered: Vec<Unanswered>,
    /// Units of which a late answer has come and no other is awaited.
    settled: Vec<u8>,
    /// Whether anything ever answered on it.
    pub(crate) heard: bool,
    /// The unit that was last silent, and how many questions in a row were not answered.
    pub(crate) silence: Option<(u8, u32)>,
    /// Kept from an earlier pass: the device may have closed it since.
    pub(crate) idle: bool,
}

impl Link {
    pub(crate) fn new(port: Port) -> Self {
        Self {
            port,
            received: Vec::new(),
            transaction: 0,
            unanswered: Vec::new(),
            settled: Vec::new(),
            heard: false,
            silence: None,
            idle: false,
        }
    }

    /// Asks once.
    pub(crate) async fn ask(
        &mut self,
        unit: &UnitOptions,
        request: ReadRequest,
    ) -> Result<Vec<u8>, RequestError> {
        let asked = Asked::new(self.transaction, unit.unit, request);
        self.transaction = self.transaction.wrapping_add(1);
        let began = Instant::now();
        let mut unexpected = None;
        let answered = timeout_at(began + unit.timeout, self.exchange(asked, unit, request, &mut unexpected));
        let result = match answered.await {
            Ok(result) => result,
            Err(_) => {
                self.unanswered.push(Unanswered { asked, at: began });
                let unexpected = unexpected.or_else(|| self.stopped_early());
                Err(RequestError::Timeout { after: Period(unit.timeout), unexpected })
            }
        };
        match &result {
            Ok(_) | Err(RequestError::Exception(_)) => {
                self.heard = true;
                self.silence = None;
            }
            Err(_) => {
                let before = self.silence.map_or(0, |(_, times)| times);
                self.silence = Some((unit.unit, before + 1));
            }
        }
        result
    }

    async fn exchange(
        &mut self,
        asked: Asked,
        unit: &UnitOptions,
        request: ReadRequest,
        unexpected: &mut Option<String>,
    ) -> Result<Vec<u8>, RequestError> {
        let frame = self.port.framing().framed(asked, &question(request));
        tracing::debug!(sent = %Hex(&frame), "modbus frame");
        self.port.write_all(&frame).await.map_err(|error| RequestError::Lost(io_message(&error)))?;
        loop {
            while let Some(frame) = self.take_frame(asked)? {
                if let Some(answer) = self.judge(&frame, asked, unit, unexpected) {
                    return match answer.map_err(RequestError::Frame)? {
                        Answer::Data(data) => Ok(data),
                        Answer::Exception(code) => Err(RequestError::Exception(code)),
                    };
                }
            }
            self.receive().await?;
        }
    }

    fn take_frame(&mut self, asked: Asked) -> Result<Option<Frame>, RequestError> {
        let frame = self.port.framing().take_frame(&mut self.received, asked).map_err(RequestError::Frame)?;
        Ok(frame)
    }

    /// Waits for more bytes.
    async fn receive(&mut self) -> Result<(), RequestError> {
        let before = self.received.len();
        match self.port.read_buf(&mut self.received).await {
            Ok(0) => Err(RequestError::Frame(self.closed())),
            Ok(_) => {
                tracing::debug!(received = %Hex(self.received.get(before..).unwrap_or_default()), "modbus frame");
                Ok(())
            }
            Err(error) => Err(RequestError::Lost(io_message(&error))),
        }
    }

    /// The answer to `asked`, if this frame is one.
    fn judge(
        &mut self,
        frame: &Frame,
        asked: Asked,
        unit: &UnitOptions,
        unexpected: &mut Option<String>,
    ) -> Option<Result<Answer, FrameError>> {
        let own_transaction = frame.transaction.is_none_or(|transaction| transaction == asked.transaction);
        if own_transaction && frame.unit == asked.unit {
            return Some(answer(&frame.pdu, asked, &unit.tolerate));
        }
        if self.is_late(frame, false) {
            return None;
        }
        let taken = (own_transaction || unit.tolerates(Tolerance::WrongTransaction))
            && (frame.unit == asked.unit || unit.tolerates(Tolerance::WrongUnit));
        if taken
            && let Ok(answer) = answer(&frame.pdu, asked, &unit.tolerate)
            && answer != Answer::Data(Vec::new())
        {
            return Some(Ok(answer));
        }
        *unexpected = Some(stranger(frame, asked));
        None
    }

    /// Whether a frame answers a question that was given up; that one is settled then. While nothing is asked any frame
    /// of the unit does (`quiet`), whatever transaction it names.
    fn is_late(&mut self, frame: &Frame, quiet: bool) -> bool {
        let matches = |it: &Unanswered| {
            let own = frame.transaction.is_none_or(|number| number == it.asked.transaction);
            frame.unit == it.asked.unit && (quiet || own)
        };
        let Some(place) = self.unanswered.iter().position(matches) else { return false };
        let late = self.unanswered.swap_remove(place);
        if !self.unanswered.iter().any(|it| it.asked.unit == late.asked.unit) {
            self.settled.push(late.asked.unit);
        }
        self.heard = true;
        self.silence = None;
        let after = Period(late.at.elapsed());
        tracing::debug!(unit = frame.unit, %after, "an answer came too late");
        true
    }

    /// Units that are not waited for any longer, since their late answers have come.
    pub(crate) fn take_settled(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.settled)
    }

    /// Takes what has come meanwhile, without waiting. False: the connection is gone.
    pub(crate) async fn read_late(&mut self) -> bool {
        loop {
            match timeout(Duration::ZERO, self.receive()).await {
                Err(_) => return true,
                Ok(Err(_)) => return false,
                Ok(Ok(())) => {}
            }
            let Some(asked) = self.unanswered.first().map(|it| it.asked) else {
                self.received.clear();
                continue;
            };
            loop {
                match self.take_frame(asked) {
                    Ok(Some(frame)) => _ = self.is_late(&frame, true),
                    Ok(None) => break,
                    Err(_) => return false,
                }
            }
        }
    }

    /// What was given up is not waited for any longer.
    pub(crate) fn forget_unanswered(&mut self, unit: u8) {
        self.unanswered.retain(|it| it.asked.unit != unit);
    }

    /// The device has nothing more to say.
    fn closed(&self) -> FrameError {
        match mbap::frame_length(&self.received) {
            _ if self.received.is_empty() => FrameError::Closed,
            Ok(Some(whole)) => FrameError::Cut { held: self.received.len(), whole },
            _ => FrameError::Cut { held: self.received.len(), whole: mbap::HEADER },
        }
    }

    fn stopped_early(&self) -> Option<String> {
        match mbap::frame_length(&self.received) {
            Ok(Some(whole)) if !self.received.is_empty() => {
                Some(format!("the answer stopped after {} of {whole} bytes", self.received.len()))
            }
            _ => None,
        }
    }

    /// Says goodbye and waits for the device to do the same: only then may another connection be opened.
    pub(crate) async fn close(mut self) {
        let goodbye = async {
            self.port.shutdown().await?;
            let mut rest = Vec::new();
            while self.port.read_buf(&mut rest).await? > 0 {
                rest.clear();
            }
            std::io::Result::Ok(())
        };
        _ = timeout(DISCONNECT_TIMEOUT, goodbye).await;
    }
}

fn stranger(frame: &Frame, asked: Asked) -> String {
    match frame.transaction {
        _ if frame.unit != asked.unit => format!(
            "it answered for unit {} where {} was asked; `tolerate: [wrong_unit]` would take it",
            frame.unit, asked.unit
        ),
        Some(transaction) => format!(
            "it answered transaction {transaction} where {} was asked; `tolerate: [wrong_transaction]` would take it",
            asked.transaction
        ),
        None => "it sent data without a question".to_owned(),
    }
}

/// Bytes as hexadecimal digits, made only where a log shows them.
struct Hex<'a>(&'a [u8]);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
