//! What a source counts: questions by what became of them, and frames that were damaged on the way.

use smiles_stage::OpenContext;
use smiles_stage::prometheus::{Error, IntCounter, IntCounterVec, Opts};

use crate::line::error::RequestError;
use crate::meters::register;

/// What became of a question.
const HEARD: &str = "heard";
const REFUSED: &str = "refused";
const SILENCE: &str = "silence";

/// The series of one source; none where nobody looks at them.
#[derive(Clone, Default)]
pub(crate) struct LineMeters(Option<Series>);

#[derive(Clone)]
struct Series {
    heard: IntCounter,
    refused: IntCounter,
    silence: IntCounter,
    damaged: IntCounter,
}

impl LineMeters {
    /// Registers the series. A source that is opened again begins at zero again; without its series it still does its
    /// work.
    pub(crate) fn register(context: &OpenContext) -> Self {
        Self(Self::series(context).ok())
    }

    fn series(context: &OpenContext) -> Result<Series, Error> {
        let options = |name: &str, help: &str| {
            Opts::new(name, help)
                .const_label("pipeline", context.pipeline.as_str())
                .const_label("source", context.stage.as_str())
        };
        let help = "Questions to a Modbus device: heard, refused (an exception), or silence.";
        let requests = IntCounterVec::new(options("smiles_modbus_requests_total", help), &["outcome"])?;
        let help = "Frames of a Modbus device on a serial line that were damaged on the way.";
        let damaged = IntCounter::with_opts(options("smiles_modbus_crc_errors_total", help))?;
        let outcome = |outcome| requests.with_label_values(&[outcome]);
        let series = Series {
            heard: outcome(HEARD),
            refused: outcome(REFUSED),
            silence: outcome(SILENCE),
            damaged: damaged.clone(),
        };
        register(&context.meters, requests)?;
        register(&context.meters, damaged)?;
        Ok(series)
    }

    pub(super) fn answered(&self, answer: &Result<Vec<u8>, RequestError>) {
        let Some(series) = &self.0 else { return };
        match answer {
            Ok(_) => series.heard.inc(),
            Err(RequestError::Exception(_)) => series.refused.inc(),
            Err(error) if error.is_connect() => {}
            Err(_) => series.silence.inc(),
        }
    }

    pub(super) fn damaged(&self, frames: u64) {
        if let Some(series) = &self.0 {
            series.damaged.inc_by(frames);
        }
    }
}
