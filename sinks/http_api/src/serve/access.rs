//! Who may ask: a bearer token, and pages of other origins.

use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::declare::config::access::Secret;
use crate::declare::origins::Origins;
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
