//! One client of a served device, over whatever carries bytes.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::faults::{Clients, Faults};
use crate::framing::{Frame, Framing};
use crate::lock::locked;
use crate::shared::{Owed, SharedState};
use crate::wire::Reply;

/// One client; counted as open until dropped.
pub(crate) struct Connection<S> {
    stream: S,
    framing: Framing,
    inside: Arc<SharedState>,
    buffer: Vec<u8>,
    /// When it was made.
    since: Duration,
    /// When it was last used.
    active: Duration,
    /// Something was asked.
    asked: bool,
    /// It was idle too long: nothing is answered any more.
    muted: bool,
    /// The client has gone.
    left: bool,
}

/// What ends waiting.
enum Came {
    Frame(Frame),
    Time,
    End,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(crate) fn new(stream: S, framing: Framing, inside: Arc<SharedState>) -> Self {
        locked(&inside.log).connected();
        let since = inside.clock.monotonic();
        Self {
            stream,
            framing,
            inside,
            buffer: Vec::new(),
            since,
            active: since,
            asked: false,
            muted: false,
            left: false,
        }
    }

    /// Talks until one of both hangs up; whether it was the device.
    pub(crate) async fn run(mut self) -> bool {
        // The client hangs up, is cut off, or is no Modbus client: all the same to a device.
        self.talk().await.is_ok() && !self.left
    }

    async fn talk(&mut self) -> io::Result<()> {
        let inside = Arc::clone(&self.inside);
        let queues = self.faults(|faults| faults.clients == Clients::Queue);
        let _turn = if queues { inside.turn.acquire().await.ok() } else { None };
        loop {
            let patience = self.patience();
            let Came::Frame(frame) = self.wait(patience).await? else { return Ok(()) };
            if !self.serve(frame).await? {
                return Ok(());
            }
        }
    }

    /// Answers a question, and those that are heard meanwhile; whether the connection goes on.
    async fn serve(&mut self, frame: Frame) -> io::Result<bool> {
        let mut waiting = VecDeque::from([self.ask(frame)]);
        while let Some(owed) = waiting.front() {
            if owed.listens() {
                match self.wait(Some(owed.due)).await? {
                    Came::Frame(frame) => {
                        waiting.push_back(self.ask(frame));
                        waiting.retain(Owed::waits);
                        continue;
                    }
                    Came::Time => {}
                    Came::End => return Ok(false),
                }
            } else {
                self.sleep_until(owed.due).await;
            }
            let due = waiting.pop_front();
            if let Some(owed) = due
                && !self.send(owed).await?
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn ask(&mut self, frame: Frame) -> Owed {
        let now = self.inside.clock.monotonic();
        let (slow, idle) = self.faults(|faults| (faults.slow_start, faults.silent_idle));
        self.muted |= idle.is_some_and(|idle| now >= self.active + idle);
        (self.asked, self.active) = (true, now);
        self.inside.asked(frame, self.muted || now < self.since + slow)
    }

    /// Until when it waits for a request.
    fn patience(&self) -> Option<Duration> {
        let (idle, impatient) = self.faults(|faults| (faults.closes_idle, faults.impatient));
        let unasked = impatient.filter(|_| !self.asked).map(|time| self.since + time);
        idle.map(|time| self.active + time).into_iter().chain(unasked).min()
    }

    /// Waits for a request until this time. What is there already comes before the time is looked at.
    async fn wait(&mut self, until: Option<Duration>) -> io::Result<Came> {
        loop {
            let taken = self.framing.take(&mut self.buffer).map_err(|_| io::Error::other("not Modbus"))?;
            if let Some(frame) = taken {
                return Ok(Came::Frame(frame));
            }
            let clock = Arc::clone(&self.inside.clock);
            let end = async {
                match until {
                    Some(until) => clock.sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                read = self.stream.read_buf(&mut self.buffer) => if read? == 0 {
                    self.left = true;
                    return Ok(Came::End);
                },
                () = end => return Ok(Came::Time),
            }
        }
    }

    /// Whether the connection goes on. The books are closed before the last byte is sent: who has it may ask again.
    async fn send(&mut self, owed: Owed) -> io::Result<bool> {
        let closes = owed.faults().closes_after_answer;
        let (mut bytes, goes_on) = match owed.reply(self.framing) {
            Reply::Nothing => return Ok(true),
            Reply::HangUp => return Ok(false),
            Reply::Bytes(bytes) => (bytes, !closes),
            Reply::BytesThenHangUp(bytes) => (bytes, false),
        };
        if let Some(pause) = owed.faults().dribble {
            let last = bytes.split_off(bytes.len().saturating_sub(1));
            for byte in bytes {
                self.stream.write_all(&[byte]).await?;
                self.sleep_until(self.inside.clock.monotonic() + pause).await;
            }
            bytes = last;
        }
        drop(owed);
        self.active = self.inside.clock.monotonic();
        self.stream.write_all(&bytes).await?;
        Ok(goes_on)
    }

    async fn sleep_until(&self, due: Duration) {
        let clock = &self.inside.clock;
        if due > clock.monotonic() {
            clock.sleep_until(due).await;
        }
    }
}

impl<S> Connection<S> {
    fn faults<T>(&self, of: impl FnOnce(&Faults) -> T) -> T {
        of(&locked(&self.inside.faults))
    }
}

impl<S> Drop for Connection<S> {
    fn drop(&mut self) {
        locked(&self.inside.log).disconnected();
    }
}
