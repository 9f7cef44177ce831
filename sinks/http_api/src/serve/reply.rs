//! Content as a response: validators, compression, and what a client may keep.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body as HttpBody;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::stream::{self, BoxStream, StreamExt};
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LINK, VARY,
};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::query::cache::CachedAnswer;
use crate::query::format::Format;

const GZIP: HeaderValue = HeaderValue::from_static("gzip");
const VARIES: HeaderValue = HeaderValue::from_static("accept, accept-encoding");
/// May be kept, and is asked for again each time: a 304 costs next to nothing.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

/// A whole answer, or that the client has it already.
pub(crate) fn whole(kept: &Arc<CachedAnswer>, headers: &HeaderMap) -> Response {
    let compressed = if takes_gzip(headers) { kept.compressed() } else { None };
    let tag = format!("\"{}{}\"", kept.tag, if compressed.is_some() { "-gz" } else { "" });
    let known = has(headers, &kept.tag);
    let body = match compressed {
        _ if known => Bytes::new(),
        Some(compressed) => compressed.clone(),
        None => kept.body.clone(),
    };
    let mut response = if known { StatusCode::NOT_MODIFIED.into_response() } else { body.into_response() };
    let out = response.headers_mut();
    if known {
        out.remove(CONTENT_TYPE);
    } else {
        out.insert(CONTENT_TYPE, kept.format.content_type());
        if compressed.is_some() {
            out.insert(CONTENT_ENCODING, GZIP);
        }
        insert(out, LINK, kept.link.as_deref());
    }
    insert(out, ETAG, Some(&tag));
    out.insert(CACHE_CONTROL, ASK_AGAIN);
    out.insert(VARY, VARIES);
    response
}

/// An answer that is sent as it comes.
pub(crate) fn flow(
    format: Format,
    link: Option<&str>,
    pieces: BoxStream<'static, io::Result<Bytes>>,
    headers: &HeaderMap,
    limit: Duration,
) -> Response {
    let gzip = takes_gzip(headers);
    let pieces = until(pieces, limit);
    let body = HttpBody::from_stream(if gzip { compressed(pieces) } else { pieces });
    let mut response = body.into_response();
    let out = response.headers_mut();
    out.insert(CONTENT_TYPE, format.content_type());
    if gzip {
        out.insert(CONTENT_ENCODING, GZIP);
    }
    insert(out, LINK, link);
    out.insert(CACHE_CONTROL, ASK_AGAIN);
    out.insert(VARY, VARIES);
    response
}

fn insert(headers: &mut HeaderMap, name: http::HeaderName, value: Option<&str>) {
    if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
        headers.insert(name, value);
    }
}

/// A client that takes for ever does not hold the store for ever.
fn until(
    pieces: BoxStream<'static, io::Result<Bytes>>,
    limit: Duration,
) -> BoxStream<'static, io::Result<Bytes>> {
    let deadline = tokio::time::Instant::now() + limit;
    let timed = stream::unfold(Some(pieces), move |pieces| async move {
        let mut pieces = pieces?;
        match tokio::time::timeout_at(deadline, pieces.next()).await {
            Ok(piece) => Some((piece?, Some(pieces))),
            Err(_) => Some((Err(io::Error::new(io::ErrorKind::TimedOut, "the answer took too long")), None)),
        }
    });
    timed.boxed()
}

/// The pieces with gzip, each as soon as it can be.
fn compressed(pieces: BoxStream<'static, io::Result<Bytes>>) -> BoxStream<'static, io::Result<Bytes>> {
    let state = Some((GzEncoder::new(Vec::new(), Compression::fast()), pieces));
    let packed = stream::unfold(state, |state| async {
        let (mut encoder, mut pieces) = state?;
        loop {
            match pieces.next().await {
                Some(Ok(piece)) => match encoder.write_all(&piece) {
                    Err(error) => return Some((Err(error), None)),
                    // The encoder holds back what may still get shorter.
                    Ok(()) if encoder.get_ref().is_empty() => {}
                    Ok(()) => {
                        let ready = Bytes::from(std::mem::take(encoder.get_mut()));
                        return Some((Ok(ready), Some((encoder, pieces))));
                    }
                },
                Some(Err(error)) => return Some((Err(error), None)),
                None => return Some((encoder.finish().map(Bytes::from), None)),
            }
        }
    });
    packed.boxed()
}

/// Whether the client takes gzip.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|text| text.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let quality = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok()).unwrap_or(1.0);
        (name.eq_ignore_ascii_case("gzip") || name == "*") && quality > 0.0
    })
}

/// Whether the client says that it has the body of this tag, in either coding.
fn has(headers: &HeaderMap, tag: &str) -> bool {
    let named = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    named.flat_map(|text| text.split(',')).map(str::trim).any(|text| {
        let text = text.strip_prefix("W/").unwrap_or(text);
        let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
        text == "*" || text.strip_suffix("-gz").unwrap_or(text) == tag
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: http::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn gzip_is_for_those_who_take_it() {
        let rows = [
            ("gzip", true),
            ("deflate, GZIP;q=0.5", true),
            ("*", true),
            ("gzip;q=0", false),
            ("identity", false),
            ("", false),
        ];
        for (accepted, expected) in rows {
            assert_eq!(takes_gzip(&with(ACCEPT_ENCODING, accepted)), expected, "{accepted}");
        }
    }

    #[test]
    fn a_tag_is_known_in_either_coding() {
        let rows = [
            ("\"ab\"", true),
            ("W/\"ab\"", true),
            ("\"xx\", \"ab-gz\"", true),
            ("*", true),
            ("\"abc\"", false),
            ("", false),
        ];
        for (named, expected) in rows {
            assert_eq!(has(&with(IF_NONE_MATCH, named), "ab"), expected, "{named}");
        }
    }
}
