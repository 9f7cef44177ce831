//! A line in use: its connection, when it was last used, and whose late answers may still come.

use std::collections::BTreeMap;
use std::time::Duration;

use smiles_stage::option::Period;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::line::error::{RequestError, io_message};
use crate::line::link::{Link, UnitOptions};
use crate::line::port::Port;
use crate::line::settings::Terms;
use crate::plan::ReadRequest;

/// The respite before a refused reconnect is tried again, in pauses between questions: a box with one place for a client
/// needs a moment to see that the last one has left.
const RECONNECT_RESPITE: u32 = 20;

/// A line in use. While a question is under way it holds no connection: a future that is dropped in between drops the
/// connection too.
#[derive(Default)]
pub(crate) struct LineState {
    link: Option<Link>,
    /// When something was last sent, received or waited for in vain.
    last: Option<Instant>,
    /// Until when a late answer of a unit may come.
    doubts: BTreeMap<u8, Instant>,
    /// The last connect that failed.
    refused: Option<(Instant, RequestError)>,
    /// A refused reconnect was tried again in vain: until the device is heard it is not tried twice in a poll.
    in_vain: bool,
    /// Answers that were damaged on the way, not yet counted.
    damaged: u64,
}

/// What became of a question.
pub(crate) enum Asking {
    Answered(Result<Vec<u8>, RequestError>),
    /// Silence, on a connection that nobody had used since an earlier pass: it may have been forgotten.
    SilentSinceIdle(RequestError),
}

impl LineState {
    /// The failure of a connect that others made while one waited: there is no need to fail once more.
    pub(crate) fn refused_since(&self, since: Instant) -> Option<RequestError> {
        self.refused.as_ref().filter(|(at, _)| *at > since).map(|(_, error)| error.clone())
    }

    /// How many answers were damaged on the way since this was last asked.
    pub(crate) fn take_damaged(&mut self) -> u64 {
        std::mem::take(&mut self.damaged)
    }

    /// Takes late answers that have come; when to look again, if one may still come.
    pub(crate) async fn drained(&mut self, unit: &UnitOptions) -> Option<Instant> {
        if self.doubts.is_empty() {
            return None;
        }
        if let Some(mut link) = self.link.take()
            && link.read_late().await
        {
            self.settle(&mut link);
            self.link = Some(link);
        }
        let now = Instant::now();
        self.doubts.retain(|_, until| *until > now);
        let awaited = |(other, until): (&u8, &Instant)| {
            (unit.takes_strangers() || *other == unit.unit).then_some(*until)
        };
        let until = self.doubts.iter().filter_map(awaited).max();
        if until.is_none()
            && let Some(link) = &mut self.link
        {
            link.forget_unanswered(unit.unit);
        }
        until
    }

    /// Units whose late answers have all come are not waited for.
    fn settle(&mut self, link: &mut Link) {
        for unit in link.take_settled() {
            self.doubts.remove(&unit);
        }
    }

    /// Asks once, and once more where the connection was found dead: the device cannot have heard the question. Others on
    /// the line do not come between, who would leave the next dead connection to a device that hangs up after each answer.
    pub(crate) async fn ask(&mut self, terms: Terms<'_>, unit: &UnitOptions, request: ReadRequest) -> Asking {
        let (mut stale, mut sent_away) = (false, false);
        loop {
            let mut link = match self.usable(unit).await {
                Some(link) => link,
                None => match self.connect(terms, unit.timeout).await {
                    Ok(link) => link,
                    Err(error) => return Asking::Answered(Err(error)),
                },
            };
            self.pace(terms).await;
            let idle = std::mem::take(&mut link.idle);
            let used = idle || link.heard;
            self.last = Some(Instant::now());
            let result = link.ask(unit, request).await;
            self.last = Some(Instant::now());
            self.settle(&mut link);
            self.damaged += std::mem::take(&mut link.crc_faults);
            match &result {
                Ok(_) | Err(RequestError::Exception(_)) => {
                    self.in_vain = false;
                    self.link = Some(link);
                }
                Err(error @ RequestError::Timeout { .. }) => {
                    self.doubts.insert(unit.unit, Instant::now() + unit.timeout);
                    if idle {
                        self.hang_up(link).await;
                        return Asking::SilentSinceIdle(error.clone());
                    }
                    self.link = Some(link);
                }
                Err(error) => {
                    self.hang_up(link).await;
                    if error.is_dead_connection() && terms.ever_heard {
                        let again = if used { &mut stale } else { &mut sent_away };
                        let again = !std::mem::replace(again, true);
                        self.in_vain |= !used && !again;
                        if again && (used || !self.in_vain) {
                            if !used {
                                // Let in and sent away: as good as refused.
                                sleep(terms.settings.respite(RECONNECT_RESPITE)).await;
                            }
                            continue;
                        }
                    }
                }
            }
            return Asking::Answered(result);
        }
    }

    /// The connection, unless it is doubtful: after a silence only another unit is asked on it, and only once, and only
    /// if it was ever good for an answer.
    async fn usable(&mut self, unit: &UnitOptions) -> Option<Link> {
        let link = self.link.take()?;
        let good = match link.silence {
            None => true,
            Some((silent, times)) => link.heard && silent != unit.unit && times == 1,
        };
        if good {
            return Some(link);
        }
        self.hang_up(link).await;
        None
    }

    async fn hang_up(&mut self, link: Link) {
        link.close().await;
        self.last = Some(Instant::now());
    }

    /// Waits until the device may be asked again.
    async fn pace(&self, terms: Terms<'_>) {
        if let Some(until) = self.last.map(|last| last + terms.pause())
            // A timer that has run out already still costs a millisecond.
            && until > Instant::now()
        {
            sleep_until(until).await;
        }
    }

    async fn connect(&mut self, terms: Terms<'_>, limit: Duration) -> Result<Link, RequestError> {
        self.pace(terms).await;
        let mut port = open(terms, limit).await;
        if matches!(port, Err(RequestError::Connect(_))) && terms.ever_heard && !self.in_vain {
            sleep(terms.settings.respite(RECONNECT_RESPITE)).await;
            port = open(terms, limit).await;
            self.in_vain = port.is_err();
        }
        match port {
            Ok(port) => {
                self.refused = None;
                let delay = terms.settings.connect_delay;
                if !delay.is_zero() {
                    sleep(delay).await;
                }
                Ok(Link::new(port))
            }
            Err(error) => {
                self.last = Some(Instant::now());
                self.refused = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// Nobody asks for a while.
    pub(crate) async fn rest(&mut self, keep: bool) {
        match &mut self.link {
            Some(link) if keep => link.idle = true,
            _ => {
                if let Some(link) = self.link.take() {
                    link.close().await;
                }
            }
        }
    }
}

async fn open(terms: Terms<'_>, limit: Duration) -> Result<Port, RequestError> {
    let opened = timeout(limit, Port::open(terms.address)).await;
    let opened = opened.map_err(|_| RequestError::ConnectTimeout(Period(limit)))?;
    opened.map_err(|error| RequestError::Connect(io_message(&error)))
}
