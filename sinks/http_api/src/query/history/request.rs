//! What a request asks of a history: span, interval, size of a page, place.

use arrow_schema::Field;
use jiff::Timestamp;
use smiles_stage::Value;

use crate::declare::params::{Values, value};

use crate::query::cursor;
use crate::text::problem::Failure;
use crate::text::zone::Interval;

/// What a client asks of a history.
pub(crate) struct HistoryRequest {
    /// At most so many rows.
    pub limit: usize,
    /// From when on.
    pub start: Option<Timestamp>,
    /// Until before when.
    pub end: Option<Timestamp>,
    /// Newest first.
    pub descending: bool,
    /// Where to go on.
    pub cursor: Option<Vec<Value>>,
    /// Spans in place of rows.
    pub interval: Option<Interval>,
}

impl HistoryRequest {
    /// Reads the parameters of `parameters`.
    ///
    /// # Errors
    /// 400: they contradict each other, or the cursor is none.
    pub(crate) fn read(values: &Values, by: &[&Field]) -> Result<Self, Failure> {
        let text = |name: &str| match value(values, name) {
            Some(Value::Text(text)) => Some(text.as_str()),
            _ => None,
        };
        let time = |name: &str| match value(values, name) {
            Some(Value::Time(time)) => Some(*time),
            _ => None,
        };
        let limit = match value(values, "limit") {
            Some(Value::Int(rows)) => usize::try_from(*rows).unwrap_or(1),
            _ => 1,
        };
        let (start, end) = (time("start"), time("end"));
        if let (Some(start), Some(end)) = (start, end)
            && start > end
        {
            let detail = format!("parameter `start` is `{start}`, which is after `end` `{end}`");
            return Err(Failure::bad_request(detail)
                .with("parameter", "start")
                .with("value", start.to_string()));
        }
        let interval = text("interval").and_then(Interval::parse);
        // Spans go on from an instant, rows from a place in their order.
        let by = if interval.is_some() { by.get(..1).unwrap_or(by) } else { by };
        let cursor = text("cursor").map(|text| {
            let fits = |place: &Vec<Value>| {
                let mut pairs = place.iter().zip(by);
                place.len() == by.len() && pairs.all(|(value, field)| cursor::fits(value, field.data_type()))
            };
            cursor::read(text).filter(fits).ok_or_else(|| {
                let detail =
                    "parameter `cursor` is not one that this resource handed out for these parameters";
                Failure::bad_request(detail).with("parameter", "cursor")
            })
        });
        let descending = text("order") != Some("asc");
        Ok(Self { limit, start, end, descending, cursor: cursor.transpose()?, interval })
    }
}

impl HistoryRequest {
    /// Without what was dated by a clock that ran ahead (`bound` is behind all that can be true), or that nobody had set:
    /// newest first it would lead for ever, and spans of such days are none. Who names a time gets what is there.
    pub(crate) fn plausible(mut self, bound: Option<Timestamp>) -> Self {
        let named = |bound: &Timestamp| self.start.is_some_and(|start| start >= *bound);
        self.end = self.end.or(bound.filter(|bound| !named(bound)));
        if self.interval.is_some() && self.start.is_none() {
            let first = Timestamp::from_second(NEVER_SET).ok();
            self.start = first.filter(|first| self.end.is_none_or(|end| end > *first));
        }
        self
    }
}

/// Nobody's clock was right before (2000-01-02): what is earlier was dated by one that had never been set.
const NEVER_SET: i64 = 946_771_200;

/// The `Link` header for the page that begins behind this place.
pub(crate) fn link(path: &str, query: Option<&str>, place: &[Value]) -> String {
    let kept = query.unwrap_or_default().split('&').filter(|pair| {
        let name = pair.split('=').next().unwrap_or_default();
        !pair.is_empty() && name != "cursor"
    });
    let cursor = format!("cursor={}", cursor::write(place));
    let pairs: Vec<&str> = kept.chain(std::iter::once(cursor.as_str())).collect();
    format!("<{path}?{}>; rel=\"next\"", pairs.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn what_a_wrong_clock_dated_is_shown_only_to_who_names_the_time() {
        const NOW: i64 = 1_800_000_000;
        const AHEAD: i64 = NOW + 86_400 * 365;
        // What was asked (start, end, in spans), and what is looked at.
        let rows = [
            ((None, None, false), (None, Some(NOW))),
            ((None, None, true), (Some(NEVER_SET), Some(NOW))),
            ((Some(NOW - 60), None, false), (Some(NOW - 60), Some(NOW))),
            ((Some(NOW - 60), Some(AHEAD), true), (Some(NOW - 60), Some(AHEAD))),
            ((Some(AHEAD), None, false), (Some(AHEAD), None)),
            ((Some(0), None, true), (Some(0), Some(NOW))),
            ((None, Some(60), true), (None, Some(60))),
        ];
        for ((start, end, spans), expected) in rows {
            let interval = spans.then(|| Interval::parse("1d").unwrap());
            let (start, end) = (start.map(second), end.map(second));
            let asked = HistoryRequest { limit: 1, start, end, descending: true, cursor: None, interval };
            let asked = asked.plausible(Some(second(NOW)));
            let looked = (asked.start.map(Timestamp::as_second), asked.end.map(Timestamp::as_second));
            assert_eq!(looked, expected);
        }
    }

    #[test]
    fn a_link_keeps_everything_but_the_place() {
        let place = [Value::Time(Timestamp::from_microsecond(7).unwrap()), Value::Int(3)];
        let rows = [
            (None, "</h?cursor=t7.i3>; rel=\"next\""),
            (Some("limit=2&cursor=t9.i1&order=asc"), "</h?limit=2&order=asc&cursor=t7.i3>; rel=\"next\""),
        ];
        for (query, expected) in rows {
            assert_eq!(link("/h", query, &place), expected);
        }
    }
}
