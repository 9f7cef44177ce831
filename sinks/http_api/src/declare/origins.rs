//! Pages of which other origins may ask.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue};

use crate::declare::listed::listed;

/// Origins of pages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Origins {
    /// None but our own.
    #[default]
    Own,
    /// Any.
    Any,
    /// These.
    These(Vec<String>),
}

impl Origins {
    /// Reads `*` or a list with commas.
    ///
    /// # Errors
    /// The text that is no origin.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let origins = listed(text);
        if origins.contains(&"*") {
            return Ok(Self::Any);
        }
        let is_origin = |origin: &str| {
            let host = origin.split_once("://");
            host.is_some_and(|(scheme, host)| {
                ["http", "https"].contains(&scheme) && !host.is_empty() && !host.contains(['/', '*', '@'])
            })
        };
        if let Some(bad) = origins.iter().find(|origin| !is_origin(origin)) {
            return Err((*bad).to_owned());
        }
        let origins: Vec<String> = origins.into_iter().map(str::to_owned).collect();
        Ok(if origins.is_empty() { Self::Own } else { Self::These(origins) })
    }

    fn allow(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        match self {
            Self::Own => None,
            Self::Any => Some(HeaderValue::from_static("*")),
            Self::These(known) => {
                known.iter().any(|it| it.as_bytes() == origin.as_bytes()).then(|| origin.clone())
            }
        }
    }

    /// Tells a browser whether the page may read the answer.
    pub(crate) fn mark(&self, request: Option<&HeaderValue>, preflight: bool, answer: &mut HeaderMap) {
        if *self == Self::Own {
            return;
        }
        answer.append(VARY, HeaderValue::from_static("origin"));
        let Some(allowed) = request.and_then(|origin| self.allow(origin)) else { return };
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        if preflight {
            let methods = HeaderValue::from_static("GET, HEAD, OPTIONS");
            let headers = HeaderValue::from_static("authorization, if-none-match, last-event-id");
            answer.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
            answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, headers);
            answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        } else {
            let headers = HeaderValue::from_static("etag, link, retry-after");
            answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, headers);
        }
    }
}

/// The origin of the page that asks.
pub(crate) fn origin(headers: &HeaderMap) -> Option<HeaderValue> {
    headers.get(ORIGIN).cloned()
}
