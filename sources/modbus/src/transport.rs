//! The adapter below tokio-modbus: passes requests through and gives back only complete, valid answers to them.
//!
//! Frames for another transaction or unit are never the answer: they are dropped and remembered, so that the timeout
//! that follows can say what came instead.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::device::block::Tolerance;
use crate::frame_repair::{Expected, Frame, FrameError, HEADER, frame_length, framed, repair, take_frame};

/// Bytes of a read request: header, function, address, count.
const REQUEST: usize = HEADER + 5;

/// What came instead of an answer, shared with whoever waits for one.
#[derive(Clone, Debug, Default)]
pub(crate) struct UnexpectedAnswer(Arc<Mutex<Option<String>>>);

impl UnexpectedAnswer {
    /// What came since the last request, if it was not the answer.
    pub(crate) fn get(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, unexpected: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = unexpected;
    }
}

/// A byte stream to a device whose answers are repaired.
#[derive(Debug)]
pub(crate) struct RepairingStream<T> {
    inner: T,
    tolerate: Arc<[Tolerance]>,
    unexpected: UnexpectedAnswer,
    /// Bytes of the request going out.
    sent: Vec<u8>,
    expected: Option<Expected>,
    /// Bytes received that are no whole frame yet.
    received: Vec<u8>,
    /// Repaired bytes not yet taken.
    ready: Vec<u8>,
    /// Whether the device was told that nothing more will be asked.
    ended: bool,
}

impl<T> RepairingStream<T> {
    pub(crate) fn new(inner: T, tolerate: Arc<[Tolerance]>) -> Self {
        Self {
            inner,
            tolerate,
            unexpected: UnexpectedAnswer::default(),
            sent: Vec::new(),
            expected: None,
            received: Vec::new(),
            ready: Vec::new(),
            ended: false,
        }
    }

    pub(crate) fn unexpected(&self) -> UnexpectedAnswer {
        self.unexpected.clone()
    }

    /// Notes what goes out, so that the answer can be told from others.
    fn note_sent(&mut self, bytes: &[u8]) {
        self.sent.extend_from_slice(bytes);
        while let Some(request) = self.sent.get(..REQUEST) {
            self.expected = expected(request);
            self.unexpected.set(None);
            self.sent.drain(..REQUEST);
        }
    }

    /// Turns received bytes into a repaired answer; false if more must be received first.
    fn process_received(&mut self) -> Result<bool, FrameError> {
        while let Some(frame) = take_frame(&mut self.received)? {
            let expected = self
                .expected
                .filter(|expected| (expected.transaction, expected.unit) == (frame.transaction, frame.unit));
            let Some(expected) = expected else {
                self.unexpected.set(Some(foreign(&frame, self.expected)));
                continue;
            };
            let pdu = repair(&frame.pdu, expected, &self.tolerate)?;
            self.expected = None;
            self.ready = framed(&Frame { pdu, ..frame });
            return Ok(true);
        }
        if let (held @ 1.., Ok(Some(whole))) = (self.received.len(), frame_length(&self.received)) {
            self.unexpected.set(Some(format!("the answer stopped after {held} of {whole} bytes")));
        }
        Ok(false)
    }

    /// The device has nothing more to say.
    fn closed(&self) -> FrameError {
        match frame_length(&self.received) {
            Ok(Some(whole)) => FrameError::Cut { held: self.received.len(), whole },
            _ if self.received.is_empty() => FrameError::Closed,
            _ => FrameError::Cut { held: self.received.len(), whole: HEADER },
        }
    }
}

/// The parts of a request that its answer must agree with.
fn expected(request: &[u8]) -> Option<Expected> {
    let [t1, t2, _, _, _, _, unit, function, _, _, c1, c2] = *<&[u8; REQUEST]>::try_from(request).ok()?;
    let count = usize::from(u16::from_be_bytes([c1, c2]));
    let data_bytes = if function <= 2 { count.div_ceil(8) } else { count * 2 };
    Some(Expected { transaction: u16::from_be_bytes([t1, t2]), unit, function, data_bytes })
}

fn foreign(frame: &Frame, expected: Option<Expected>) -> String {
    match expected {
        Some(expected) if expected.unit != frame.unit => {
            format!("it answered for unit {} where {} was asked", frame.unit, expected.unit)
        }
        Some(expected) => {
            format!("it answered transaction {} where {} was asked", frame.transaction, expected.transaction)
        }
        None => "it sent data without a request".to_owned(),
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for RepairingStream<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let invalid = |broken: FrameError| Err(io::Error::new(io::ErrorKind::InvalidData, broken));
        while this.ready.is_empty() {
            match this.process_received() {
                Err(broken) => return Poll::Ready(invalid(broken)),
                Ok(true) => break,
                Ok(false) => {}
            }
            let mut space = [0; 512];
            let mut chunk = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut this.inner).poll_read(cx, &mut chunk))?;
            if chunk.filled().is_empty() {
                return Poll::Ready(invalid(this.closed()));
            }
            this.received.extend_from_slice(chunk.filled());
        }
        let taken = this.ready.len().min(out.remaining());
        for byte in this.ready.drain(..taken) {
            out.put_slice(&[byte]);
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for RepairingStream<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.inner).poll_write(cx, bytes))?;
        this.note_sent(bytes.get(..written).unwrap_or(bytes));
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    /// Says goodbye and waits for the device to do the same: only then may another connection be opened.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.ended {
            ready!(Pin::new(&mut this.inner).poll_shutdown(cx))?;
            this.ended = true;
        }
        loop {
            let mut space = [0; 512];
            let mut chunk = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut this.inner).poll_read(cx, &mut chunk))?;
            if chunk.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio_modbus::Slave;
    use tokio_modbus::client::{Reader, tcp::attach_slave};

    use super::*;

    /// Answers each request with the registers 1, 2, 3, ... behind frames for others, with a wrong count and surplus.
    async fn serve(mut device: DuplexStream, strangers: Vec<(u16, u8)>, count: u8, surplus: Vec<u8>) {
        let mut request = [0; REQUEST];
        while device.read_exact(&mut request).await.is_ok() {
            let expected = expected(&request).unwrap();
            for (transaction, unit) in &strangers {
                let frame = Frame { transaction: *transaction, unit: *unit, pdu: vec![3, 2, 9, 9] };
                if (frame.transaction, frame.unit) != (expected.transaction, expected.unit) {
                    device.write_all(&framed(&frame)).await.unwrap();
                }
            }
            let words = (1..=u16::try_from(expected.data_bytes / 2).unwrap()).flat_map(u16::to_be_bytes);
            let pdu = [3, count].into_iter().chain(words).chain(surplus.clone()).collect();
            let frame = Frame { transaction: expected.transaction, unit: expected.unit, pdu };
            device.write_all(&framed(&frame)).await.unwrap();
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn an_answer_arrives_whole_however_it_is_cut(
            pipe in 1_usize..40, words in 1_u16..60, count: u8,
            strangers in prop::collection::vec((0_u16..4, 0_u8..3), 0..4),
            surplus in prop::collection::vec(any::<u8>(), 0..80),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async move {
                let (near, far) = duplex(pipe);
                let device = tokio::spawn(serve(far, strangers, count, surplus));
                let tolerate: Arc<[Tolerance]> = [Tolerance::WrongByteCount, Tolerance::SurplusData].into();
                let mut client = attach_slave(RepairingStream::new(near, tolerate), Slave(1));
                for _ in 0..3 {
                    let answer = client.read_holding_registers(0, words).await.unwrap().unwrap();
                    assert_eq!(answer, (1..=words).collect::<Vec<u16>>());
                }
                drop(client);
                device.await.unwrap();
            });
        }
    }
}
