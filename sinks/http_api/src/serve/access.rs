//! Who may ask: a bearer token, and pages of other origins.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, AUTHORIZATION, ORIGIN, VARY, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::declare::config::access::Secret;
use crate::text::problem::Failure;

/// What is open to everybody: what containers and balancers ask, and pages without any data.
const OPEN: [&str; 2] = ["/health", "/ready"];

/// Who may ask.
#[derive(Clone, Debug, Default)]
pub(crate) struct Access {
    /// The token clients must send.
    pub token: Option<Secret>,
    /// Whose pages may read answers.
    pub origins: Origins,
}

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
        let origins: Vec<String> =
            text.split([',', ' ']).map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned).collect();
        if origins.iter().any(|origin| origin == "*") {
            return Ok(Self::Any);
        }
        let is_origin = |origin: &str| {
            let host = origin.split_once("://");
            host.is_some_and(|(scheme, host)| {
                ["http", "https"].contains(&scheme) && !host.is_empty() && !host.contains(['/', '*', '@'])
            })
        };
        if let Some(bad) = origins.iter().find(|origin| !is_origin(origin)) {
            return Err(bad.clone());
        }
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

impl Access {
    /// Lets a request through, or not.
    ///
    /// # Errors
    /// 401: it needs a token and has none, or another.
    pub(crate) fn check(&self, path: &str, is_page: bool, headers: &HeaderMap) -> Result<(), Failure> {
        let Some(Secret(token)) = &self.token else { return Ok(()) };
        if is_page || OPEN.contains(&path) {
            return Ok(());
        }
        let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let given = given.and_then(|text| {
            let (scheme, token) = text.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        match given {
            Some(given) if same(given.as_bytes(), token.as_bytes()) => Ok(()),
            given => {
                let what =
                    if given.is_some() { "the token is not the right one" } else { "a token is needed" };
                let detail = format!("{what}: send `Authorization: Bearer TOKEN`");
                Err(Failure::new(StatusCode::UNAUTHORIZED, detail))
            }
        }
    }
}

/// What a 401 asks for.
pub(crate) fn challenge(answer: &mut HeaderMap) {
    answer.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
}

/// Compares in a time that tells nothing but the length.
fn same(one: &[u8], two: &[u8]) -> bool {
    one.len() == two.len() && one.iter().zip(two).fold(0, |differs, (one, two)| differs | (one ^ two)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_a_list_or_all() {
        let these = Origins::These(vec!["https://a.example".into(), "http://b:8123".into()]);
        let rows = [
            ("", Ok(Origins::Own)),
            ("*", Ok(Origins::Any)),
            ("https://a.example, http://b:8123", Ok(these)),
            ("a.example", Err("a.example".to_owned())),
            ("https://a/", Err("https://a/".to_owned())),
            ("ftp://a", Err("ftp://a".to_owned())),
        ];
        for (text, expected) in rows {
            assert_eq!(Origins::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn a_token_is_asked_for_everywhere_but_where_nothing_is_told() {
        let access = Access { token: Some(Secret("s3cret".into())), ..Access::default() };
        let rows = [
            ("/health", false, "", true),
            ("/", true, "", true),
            ("/api/x", false, "", false),
            ("/api/x", false, "Bearer s3cret", true),
            ("/api/x", false, "bearer  s3cret ", true),
            ("/metrics", false, "Bearer s3cre", false),
            ("/api/x", false, "Basic s3cret", false),
        ];
        for (path, is_page, header, expected) in rows {
            let mut headers = HeaderMap::new();
            if !header.is_empty() {
                headers.insert(AUTHORIZATION, HeaderValue::from_static(header));
            }
            assert_eq!(access.check(path, is_page, &headers).is_ok(), expected, "{path} {header}");
        }
        assert!(!format!("{access:?}").contains("s3cret"));
    }
}
