//! Answers kept until something they were made of changes: bounded in number and bytes, oldest out first.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::query::format::Format;

/// Bytes of all answers kept.
const BYTES_MAX: usize = 4 << 20;
/// A larger answer is not worth the place.
const ANSWER_MAX: usize = 1 << 20;
/// Answers kept.
const ANSWERS_MAX: usize = 256;
/// Shorter bodies do not get shorter.
const COMPRESSED_MIN: usize = 1024;

/// What an answer was made of; another stamp, another answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AnswerVersion {
    /// Of memory; 0 for an answer that is of the store alone.
    pub memory: u64,
    /// Of the store.
    pub store: u64,
    /// The day, in microseconds of its first instant.
    pub day: i64,
}

/// A whole answer, ready to be sent any number of times.
#[derive(Debug)]
pub(crate) struct CachedAnswer {
    /// How it is written.
    pub format: Format,
    /// The body.
    pub body: Bytes,
    /// The `Link` header.
    pub link: Option<String>,
    /// Names the body and no other, without quotes.
    pub tag: String,
    compressed: OnceLock<Option<Bytes>>,
}

impl CachedAnswer {
    pub(crate) fn new(format: Format, body: Bytes, link: Option<String>) -> Self {
        let tag = tag(&body);
        Self { format, body, link, tag, compressed: OnceLock::new() }
    }

    /// The body with gzip; `None`: it would not get shorter.
    pub(crate) fn compressed(&self) -> Option<&Bytes> {
        self.compressed.get_or_init(|| compress(&self.body).filter(|it| it.len() < self.body.len())).as_ref()
    }
}

fn compress(body: &[u8]) -> Option<Bytes> {
    if body.len() < COMPRESSED_MIN {
        return None;
    }
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

/// 128 bits of the body, twice hashed: for telling answers of one resource apart, not against forgery.
fn tag(body: &[u8]) -> String {
    let hash = |salt: u64| {
        let mut hasher = DefaultHasher::new();
        salt.hash(&mut hasher);
        body.hash(&mut hasher);
        hasher.finish()
    };
    format!("{:016x}{:016x}", hash(1), hash(2))
}

/// Answers by request.
#[derive(Debug, Default)]
pub(crate) struct Cache(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    answers: HashMap<(Format, String), (AnswerVersion, Arc<CachedAnswer>)>,
    /// In the order they came.
    order: VecDeque<(Format, String)>,
    bytes: usize,
}

impl Cache {
    /// The answer to this request, if nothing has changed since.
    pub(crate) fn find(
        &self,
        format: Format,
        target: &str,
        stamp: impl Fn(&AnswerVersion) -> bool,
    ) -> Option<Arc<CachedAnswer>> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Looked up by a borrowed pair, a map would want a type of its own; requests are short.
        let (made_of, kept) = state.answers.get(&(format, target.to_owned()))?;
        stamp(made_of).then(|| Arc::clone(kept))
    }

    /// Keeps an answer, in place of an older one.
    pub(crate) fn keep(&self, target: &str, stamp: AnswerVersion, kept: &Arc<CachedAnswer>) {
        if kept.body.len() > ANSWER_MAX {
            return;
        }
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (kept.format, target.to_owned());
        state.bytes += weight(target, kept);
        match state.answers.insert(key.clone(), (stamp, Arc::clone(kept))) {
            Some((_, old)) => state.bytes -= weight(target, &old),
            None => state.order.push_back(key),
        }
        while state.bytes > BYTES_MAX || state.order.len() > ANSWERS_MAX {
            let Some(oldest) = state.order.pop_front() else { break };
            if let Some((_, old)) = state.answers.remove(&oldest) {
                state.bytes -= weight(&oldest.1, &old);
            }
        }
    }
}

/// The bytes an answer may come to hold: its compressed copy, made when the first client wants one, is shorter than
/// the body. The request stands there twice.
fn weight(target: &str, kept: &CachedAnswer) -> usize {
    let body = kept.body.len();
    let compressed = if body < COMPRESSED_MIN { 0 } else { body };
    body + compressed + 2 * target.len() + kept.link.as_ref().map_or(0, String::len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(body: &str) -> Arc<CachedAnswer> {
        Arc::new(CachedAnswer::new(Format::Json, Bytes::from(body.to_owned()), None))
    }

    #[test]
    fn an_answer_is_found_until_its_stamp_is_another() {
        let (cache, stamp) = (Cache::default(), AnswerVersion { memory: 1, store: 2, day: 3 });
        cache.keep("/a", stamp, &kept("one"));
        let find = |wanted: AnswerVersion| {
            cache.find(Format::Json, "/a", |it| *it == wanted).map(|it| it.body.clone())
        };
        assert_eq!(find(stamp), Some(Bytes::from_static(b"one")));
        assert_eq!(find(AnswerVersion { store: 3, ..stamp }), None);
        cache.keep("/a", AnswerVersion { store: 3, ..stamp }, &kept("two"));
        assert_eq!(find(stamp), None);
        assert!(cache.find(Format::Csv, "/a", |_| true).is_none());
    }

    #[test]
    fn the_oldest_go_first_and_the_largest_never_stay() {
        let cache = Cache::default();
        let large = "x".repeat(ANSWER_MAX);
        for place in 0..10 {
            cache.keep(&format!("/{place}"), AnswerVersion::default(), &kept(&large));
        }
        let there = |target: &str| cache.find(Format::Json, target, |_| true).is_some();
        assert!(!there("/0") && there("/9"));
        assert!(!there("/7"), "with their compressed copies two of them fill the place");
        assert!(cache.0.lock().unwrap().bytes <= BYTES_MAX);
        cache.keep("/larger", AnswerVersion::default(), &kept(&format!("{large}x")));
        assert!(!there("/larger"));
        for place in 0..1000 {
            cache.keep(&format!("/small/{place}"), AnswerVersion::default(), &kept("x"));
        }
        assert!(cache.0.lock().unwrap().order.len() <= ANSWERS_MAX);
    }

    #[test]
    fn an_answer_in_place_of_a_smaller_one_takes_the_place_of_others() {
        let (cache, large) = (Cache::default(), "x".repeat(ANSWER_MAX / 2));
        for place in 0..ANSWERS_MAX {
            cache.keep(&format!("/{place}"), AnswerVersion::default(), &kept("x"));
        }
        for place in 0..ANSWERS_MAX {
            cache.keep(&format!("/{place}"), AnswerVersion::default(), &kept(&large));
            let state = cache.0.lock().unwrap();
            let held = |(key, (_, kept)): (&(Format, String), &(AnswerVersion, Arc<CachedAnswer>))| {
                weight(&key.1, kept)
            };
            assert_eq!(state.bytes, state.answers.iter().map(held).sum::<usize>());
            assert!(state.bytes <= BYTES_MAX, "{} bytes after {place}", state.bytes);
            assert_eq!(state.order.len(), state.answers.len());
        }
    }

    #[test]
    fn tags_name_the_body() {
        assert_eq!(kept("a").tag, kept("a").tag);
        assert_ne!(kept("a").tag, kept("b").tag);
        assert!(kept("a").compressed().is_none(), "too short to be worth it");
        let long = kept(&"abc".repeat(1000));
        assert!(long.compressed().is_some_and(|it| it.len() < 100));
    }
}
