//! Whom to ask first while a device hardly answers.
//!
//! A device that answers well is asked in the order of its file. One that gives an answer in ten would, asked in turn, be
//! heard whole only after three times the questions that are needed, since who was heard already is asked again. So who
//! was not heard for the longest time comes first, unless it has been silent for longer than chance explains: that one
//! is missing, and comes last. Every third pass goes in turn, so that nobody is forgotten.

/// The weight of one question in the share of answers.
const WEIGHT: f64 = 1.0 / 32.0;
/// A device below this share hardly answers.
const HARDLY: f64 = 0.5;
/// Where the share begins: a few silences are no habit yet.
const BEGIN: f64 = 0.75;
/// So unlikely a silence is no chance any more.
const UNLIKELY: f64 = 0.01;
/// Every so many passes all are asked in turn.
const IN_TURN: u32 = 3;
/// Every so many passes what may wait has waited long enough.
const WAITED: u32 = 16;

/// What is remembered of one that is asked again and again: a block, or a record of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct History {
    /// The pass in which it was last heard; 0: never.
    heard: u32,
    /// Silences since.
    silences: u32,
}

/// How well a device answers, over its last questions.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Patience {
    share: f64,
    pass: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self { share: BEGIN, pass: 0 }
    }
}

impl Patience {
    pub(crate) fn begin_pass(&mut self) {
        self.pass = self.pass.saturating_add(1);
    }

    /// Whether the device hardly answers.
    pub(crate) fn hardly(&self) -> bool {
        self.share < HARDLY
    }

    /// Whether this pass asks first who was not heard for the longest time.
    pub(crate) fn picks(&self) -> bool {
        self.hardly() && !self.pass.is_multiple_of(IN_TURN)
    }

    /// Whether what may wait behind the readings (read once, or optional) comes in its own place all the same.
    pub(crate) fn waits_end(&self) -> bool {
        self.pass.is_multiple_of(WAITED)
    }

    pub(crate) fn heard(&mut self, history: &mut History) {
        self.share += (1.0 - self.share) * WEIGHT;
        *history = History { heard: self.pass, silences: 0 };
    }

    pub(crate) fn silent(&mut self, history: &mut History) {
        // Who is missing says nothing of how the others answer.
        if !self.is_missing(*history) {
            self.share -= self.share * WEIGHT;
        }
        history.silences = history.silences.saturating_add(1);
    }

    /// Who comes first is least.
    pub(crate) fn rank(&self, history: History) -> (bool, u32, u32) {
        let missing = self.is_missing(history);
        (missing, if missing { 0 } else { history.heard }, history.silences)
    }

    fn is_missing(&self, history: History) -> bool {
        let limit = UNLIKELY.ln() / (1.0 - self.share.clamp(0.03, 0.98)).ln();
        f64::from(history.silences) >= limit.max(3.0)
    }
}
