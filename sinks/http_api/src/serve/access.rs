//! Who may ask: a bearer token, by which name without one, and pages of other origins.

use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};

use crate::declare::config::access::Secret;
use crate::declare::frames::Frames;
use crate::declare::hosts::Hosts;
use crate::declare::origins::Origins;
use crate::observe::health::Audience;
use crate::text::problem::Failure;

/// What is open to everybody, who is told less without the token: what containers and balancers ask.
const OPEN: [&str; 2] = ["/health", "/ready"];

/// Who may ask.
#[derive(Clone, Debug, Default)]
pub(crate) struct Access {
    /// The token clients must send.
    pub token: Option<Secret>,
    /// Whose pages may read answers.
    pub origins: Origins,
    /// How the API may be called while it has no token.
    pub hosts: Hosts,
    /// Whose pages may frame the dashboard.
    pub frames: Frames,
}

impl Access {
    /// Lets a request through, or not, and says what it may be told.
    ///
    /// # Errors
    /// 401: it needs a token and has none, or another. 421: there is no token, and it calls the API by a name that may be
    /// anybody's.
    pub(crate) fn check(&self, uri: &Uri, is_page: bool, headers: &HeaderMap) -> Result<Audience, Failure> {
        let Some(Secret(token)) = &self.token else {
            let stranger = self.hosts.stranger(uri, headers);
            return stranger.map_or(Ok(Audience::Trusted), |name| Err(misdirected(&name)));
        };
        let open = is_page || OPEN.contains(&uri.path());
        let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let given = given.and_then(|text| {
            let (scheme, token) = text.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        match given {
            Some(given) if same(given.as_bytes(), token.as_bytes()) => Ok(Audience::Trusted),
            _ if open => Ok(Audience::Stranger),
            given => {
                let what =
                    if given.is_some() { "the token is not the right one" } else { "a token is needed" };
                let detail = format!("{what}: send `Authorization: Bearer TOKEN`");
                Err(Failure::new(StatusCode::UNAUTHORIZED, detail))
            }
        }
    }
}

fn misdirected(name: &str) -> Failure {
    let detail = format!(
        "this bridge has no token and is not called `{name}`: use its address, or add the name to `allow_hosts` of http_api \
         (API_HOSTS of the stock pipeline), or set a token"
    );
    Failure::new(StatusCode::MISDIRECTED_REQUEST, detail)
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
        let (trusted, stranger) = (Some(Audience::Trusted), Some(Audience::Stranger));
        let rows = [
            ("/health", false, "", stranger),
            ("/health", false, "Bearer s3cre", stranger),
            ("/health", false, "Bearer s3cret", trusted),
            ("/", true, "", stranger),
            ("/api/x", false, "", None),
            ("/api/x", false, "Bearer s3cret", trusted),
            ("/api/x", false, "bearer  s3cret ", trusted),
            ("/metrics", false, "Bearer s3cre", None),
            ("/api/x", false, "Basic s3cret", None),
        ];
        for (path, is_page, header, expected) in rows {
            let mut headers = HeaderMap::new();
            if !header.is_empty() {
                headers.insert(AUTHORIZATION, HeaderValue::from_static(header));
            }
            let uri = Uri::from_static(path);
            assert_eq!(access.check(&uri, is_page, &headers).ok(), expected, "{path} {header}");
        }
        assert!(!format!("{access:?}").contains("s3cret"));
    }
}
