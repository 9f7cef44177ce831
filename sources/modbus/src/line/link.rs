//! One open connection: a question goes out, and what comes back is the answer, a late one, or a stranger.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use smiles_stage::option::Period;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

use crate::device::block::Tolerance;
use crate::line::error::{RequestError, io_message};
use crate::line::port::{Framing, Port};
use crate::plan::ReadRequest;
use crate::wire::answer::{Answer, FrameError, answer};
use crate::wire::rtu::Awaited;
use crate::wire::{Asked, Frame, mbap, question, rtu};

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
    /// The last question as it was sent.
    sent: Vec<u8>,
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
    /// Answers that were damaged on the way.
    pub(crate) crc_faults: u64,
}

impl Link {
    pub(crate) fn new(port: Port) -> Self {
        Self {
            port,
            received: Vec::new(),
            sent: Vec::new(),
            transaction: 0,
            unanswered: Vec::new(),
            settled: Vec::new(),
            heard: false,
            silence: None,
            idle: false,
            crc_faults: 0,
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
        // What has come already answers no question that is asked now, whatever it says.
        if !self.read_late().await {
            return Err(RequestError::Lost("it ended before anything was asked".to_owned()));
        }
        if self.port.framing() == Framing::Rtu {
            self.received.clear();
        }
        let began = Instant::now();
        let mut unexpected = None;
        let answered = timeout_at(began + unit.timeout, self.exchange(asked, unit, request, &mut unexpected));
        let result = match answered.await {
            Ok(result) => result,
            Err(_) => {
                self.unanswered.push(Unanswered { asked, at: began });
                let unexpected = self.stopped_early(asked).or(unexpected);
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
        self.sent = self.port.framing().framed(asked, &question(request));
        tracing::debug!(sent = %Hex(&self.sent), "modbus frame");
        self.port.write_all(&self.sent).await.map_err(|error| RequestError::Lost(io_message(&error)))?;
        loop {
            while let Some(frame) = self.take_frame(asked, unit.tolerates(Tolerance::WrongByteCount))? {
                if let Some(answer) = self.judge(frame, asked, unit, unexpected) {
                    return match answer.map_err(RequestError::Frame)? {
                        Answer::Data(data) => Ok(data),
                        Answer::Exception(code) => Err(RequestError::Exception(code)),
                    };
                }
            }
            if self.receive().await? == 0 {
                return Err(RequestError::Frame(self.closed(asked)));
            }
        }
    }

    fn take_frame(&mut self, asked: Asked, any_count: bool) -> Result<Option<Frame>, RequestError> {
        let awaited = Awaited { asked, question: &self.sent, any_count };
        self.port.framing().take_frame(&mut self.received, awaited).map_err(RequestError::Frame)
    }

    /// Waits for more bytes; how many came. None: the connection was closed.
    async fn receive(&mut self) -> Result<usize, RequestError> {
        let before = self.received.len();
        match self.port.read_buf(&mut self.received).await {
            Ok(count) => {
                tracing::debug!(received = %Hex(self.received.get(before..).unwrap_or_default()), "modbus frame");
                Ok(count)
            }
            Err(error) => Err(RequestError::Lost(io_message(&error))),
        }
    }

    /// The answer to `asked`, if this frame is one.
    fn judge(
        &mut self,
        frame: Frame,
        asked: Asked,
        unit: &UnitOptions,
        unexpected: &mut Option<String>,
    ) -> Option<Result<Answer, FrameError>> {
        let own_transaction = frame.transaction.is_none_or(|transaction| transaction == asked.transaction);
        if own_transaction && frame.unit == asked.unit {
            return Some(answer(frame.pdu, asked, &unit.tolerate));
        }
        if self.is_late(&frame, false) {
            return None;
        }
        let taken = (own_transaction || unit.tolerates(Tolerance::WrongTransaction))
            && (frame.unit == asked.unit || unit.tolerates(Tolerance::WrongUnit));
        let stranger = stranger(&frame, asked);
        if taken
            && let Ok(answer) = answer(frame.pdu, asked, &unit.tolerate)
            && answer != Answer::Data(Vec::new())
        {
            return Some(Ok(answer));
        }
        *unexpected = Some(stranger);
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
            if !self.drop_frames() {
                return false;
            }
            match self.receive_now().await {
                None => return true,
                Some(Err(_) | Ok(0)) => return false,
                Some(Ok(_)) => {}
            }
        }
    }

    /// Whole frames that came while nothing was asked are late answers, or nobody's. False: they are no frames.
    fn drop_frames(&mut self) -> bool {
        let nobody = Asked { transaction: 0, unit: 0, function: 0, data_bytes: 0 };
        while !self.received.is_empty() {
            let asked = self.unanswered.first().map_or(nobody, |it| it.asked);
            match self.take_frame(asked, true) {
                Ok(Some(frame)) => _ = self.is_late(&frame, true),
                Ok(None) => break,
                Err(_) => return false,
            }
        }
        true
    }

    /// Bytes that are there; `None`: there are none yet.
    async fn receive_now(&mut self) -> Option<Result<usize, RequestError>> {
        poll_fn(|cx| {
            let receiving = pin!(self.receive());
            Poll::Ready(match receiving.poll(cx) {
                Poll::Ready(received) => Some(received),
                Poll::Pending => None,
            })
        })
        .await
    }

    /// What was given up is not waited for any longer.
    pub(crate) fn forget_unanswered(&mut self, unit: u8) {
        self.unanswered.retain(|it| it.asked.unit != unit);
    }

    /// The device has nothing more to say.
    fn closed(&mut self, asked: Asked) -> FrameError {
        let held = self.received.len();
        if held == 0 {
            return FrameError::Closed;
        }
        if self.port.framing() == Framing::Rtu {
            return self.remains(asked).unwrap_or(FrameError::Cut { held, whole: rtu::whole(asked) });
        }
        match mbap::frame_length(&self.received) {
            Ok(Some(whole)) => FrameError::Cut { held, whole },
            _ => FrameError::Cut { held, whole: mbap::HEADER },
        }
    }

    fn stopped_early(&mut self, asked: Asked) -> Option<String> {
        let held = self.received.len();
        let whole = match self.port.framing() {
            _ if held == 0 => return None,
            Framing::Rtu => match self.remains(asked) {
                Some(error) => return Some(error.to_string()),
                None => Some(rtu::whole(asked)),
            },
            Framing::Mbap => mbap::frame_length(&self.received).ok().flatten(),
        };
        whole.map(|whole| format!("the answer stopped after {held} of {whole} bytes"))
    }

    /// What is to be said of RTU bytes that came and are no answer.
    fn remains(&mut self, asked: Asked) -> Option<FrameError> {
        let error = rtu::remains(&self.received, asked);
        self.crc_faults += u64::from(error == Some(FrameError::Damaged));
        error
    }

    /// Says goodbye and waits for the device to do the same: only then may another connection be opened.
    pub(crate) async fn close(mut self) {
        if !self.port.says_goodbye() {
            return;
        }
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
