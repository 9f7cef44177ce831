//! Pages that may show the dashboard in a frame, and what else a page of ours may do.

use http::HeaderValue;

use crate::declare::listed::listed;

/// What a page may load: itself.
const LOADS: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                     base-uri 'none'; form-action 'none'";
/// In case of doubt.
const STRICT: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// Whose pages may frame ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Frames {
    /// Nobody said: everybody's while no token is asked for, since a page that only shows has nothing to be clicked on or
    /// typed into; with a token, our own alone, or a stranger's page could have it typed into a frame of ours.
    #[default]
    Unsaid,
    /// The sources of `frame-ancestors`.
    Sources(String),
}

impl Frames {
    /// Reads a list with commas: `self`, `none`, `*` or origins.
    ///
    /// # Errors
    /// The text that is none of these.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let words = listed(text);
        let mut sources = Vec::new();
        for word in &words {
            match word.trim_matches('\'') {
                "self" => sources.push("'self'"),
                "none" if words.len() == 1 => sources.push("'none'"),
                "*" => sources.push("*"),
                _ if is_origin(word) => sources.push(word),
                _ => return Err((*word).to_owned()),
            }
        }
        Ok(if sources.is_empty() { Self::Unsaid } else { Self::Sources(sources.join(" ")) })
    }

    /// The `Content-Security-Policy` of a page.
    pub(crate) fn policy(&self, guarded: bool) -> HeaderValue {
        let sources = match self {
            Self::Sources(sources) => sources,
            Self::Unsaid if guarded => "'self'",
            Self::Unsaid => return HeaderValue::from_static(LOADS),
        };
        HeaderValue::from_str(&format!("{LOADS}; frame-ancestors {sources}")).unwrap_or(STRICT)
    }
}

/// `https://home.example:8123`, also with `*.` before the name or `*` as the port. Anything that could end the directive
/// and begin another one is none.
fn is_origin(text: &str) -> bool {
    let Some(host) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else {
        return false;
    };
    let (host, port) = host.split_once(':').unwrap_or((host, "*"));
    let host = host.strip_prefix("*.").unwrap_or(host);
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !host.is_empty() && host.bytes().all(is_letter) && (port == "*" || port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_a_list_of_origins_and_nothing_else() {
        let sources = |text: &str| Ok(Frames::Sources(text.to_owned()));
        let rows = [
            ("", Ok(Frames::Unsaid)),
            ("self", sources("'self'")),
            ("'self', http://homeassistant.local:8123", sources("'self' http://homeassistant.local:8123")),
            ("https://*.example.org https://a:*", sources("https://*.example.org https://a:*")),
            ("'none'", sources("'none'")),
            ("*", sources("*")),
        ];
        for (text, expected) in rows {
            assert_eq!(Frames::parse(text), expected, "{text}");
        }
        let bad = [
            "self;script-src",
            "http://a;script-src",
            "http://a/path",
            "a.example",
            "http://",
            "http://a:x",
            "ftp://a",
            "http://[::1]:8123",
            "http://\u{e4}",
        ];
        for text in bad {
            assert_eq!(Frames::parse(text), Err(text.to_owned()));
        }
        assert_eq!(Frames::parse("none, self"), Err("none".to_owned()));
    }

    #[test]
    fn a_token_is_typed_into_no_frame_of_a_stranger() {
        let ends = |frames: &Frames, guarded: bool| {
            let policy = frames.policy(guarded);
            policy.to_str().unwrap().split_once("; frame-ancestors ").map(|(_, end)| end.to_owned())
        };
        assert_eq!(ends(&Frames::Unsaid, false), None);
        assert_eq!(ends(&Frames::Unsaid, true).as_deref(), Some("'self'"));
        let said = Frames::parse("http://ha:8123").unwrap();
        for guarded in [false, true] {
            assert_eq!(ends(&said, guarded).as_deref(), Some("http://ha:8123"));
        }
    }
}
