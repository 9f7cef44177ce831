//! Rows as JSON, CSV or an Arrow stream, piece by piece: what is encoded is handed on and forgotten.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, Field, Schema};
use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::declare::selection::Served;
use crate::text::json;
use crate::text::json::Cell;
use crate::text::problem::Failure;

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Format {
    /// An array of objects, or an object.
    Json,
    /// RFC 4180, with a head.
    Csv,
    /// Arrow's IPC stream. Codes stay numbers in it, with their words in the metadata of the column.
    Arrow,
}

impl Format {
    /// What a list of plain rows can be had as.
    pub(crate) const FLAT: &'static [Self] = &[Self::Json, Self::Csv, Self::Arrow];
    /// What anything else can be had as.
    pub(crate) const NESTED: &'static [Self] = &[Self::Json];

    /// Its media type.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv",
            Self::Arrow => "application/vnd.apache.arrow.stream",
        }
    }

    /// The header of an answer.
    pub(crate) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Arrow => "application/vnd.apache.arrow.stream",
        })
    }

    /// The one a client likes best. Whoever asks for something else altogether gets JSON, as ever.
    ///
    /// # Errors
    /// 406: it wants rows in a form that this resource does not have, and nothing else.
    pub(crate) fn wanted(headers: &HeaderMap, offered: &[Self]) -> Result<Self, Failure> {
        let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let mut best: Option<(f32, Self)> = None;
        let mut missed = None;
        for range in accepted.flat_map(|text| text.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
            let quality = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok()).unwrap_or(1.0);
            let format = match kind.as_str() {
                "*/*" | "application/*" => Some(Self::Json),
                "text/*" => Some(Self::Csv),
                kind => Self::FLAT.iter().copied().find(|format| format.media_type() == kind),
            };
            let Some(format) = format.filter(|_| quality > 0.0) else { continue };
            if !offered.contains(&format) {
                missed = Some(format);
            } else if best.is_none_or(|(known, _)| quality > known) {
                best = Some((quality, format));
            }
        }
        match (best, missed) {
            (Some((_, format)), _) => Ok(format),
            (None, None) => Ok(Self::Json),
            (None, Some(missed)) => {
                let names: Vec<&str> = offered.iter().map(|format| format.media_type()).collect();
                let (wanted, names) = (missed.media_type(), names.join(", "));
                let detail = format!("this resource is not served as {wanted}; it is as {names}");
                Err(Failure::new(StatusCode::NOT_ACCEPTABLE, detail))
            }
        }
    }
}

/// Writes batches of one schema, one after the other.
pub(crate) struct Encoder {
    served: Arc<[Served]>,
    state: State,
}

enum State {
    Json { first: bool },
    Csv,
    Arrow { schema: Arc<Schema>, places: Vec<usize>, writer: Box<StreamWriter<Vec<u8>>> },
}

impl Encoder {
    /// `columns`: the schema of the batches; `served`: which of them are shown, under which names.
    ///
    /// # Errors
    /// The schema cannot be written as Arrow.
    pub(crate) fn new(
        format: Format,
        columns: &[Field],
        served: &[Served],
    ) -> Result<(Self, Bytes), ArrowError> {
        let (state, head) = match format {
            Format::Json => (State::Json { first: true }, "[".to_owned()),
            Format::Csv => {
                let names: Vec<String> = served.iter().map(|served| quoted(&served.name)).collect();
                (State::Csv, names.join(",") + "\r\n")
            }
            Format::Arrow => {
                let named = |served: &Served| columns[served.column].clone().with_name(served.name.as_str());
                let schema = Arc::new(Schema::new(served.iter().map(named).collect::<Vec<_>>()));
                let writer = Box::new(StreamWriter::try_new(Vec::new(), &schema)?);
                let places = served.iter().map(|served| served.column).collect();
                (State::Arrow { schema, places, writer }, String::new())
            }
        };
        Ok((Self { served: served.into(), state }, Bytes::from(head)))
    }

    /// The text or bytes of these rows.
    ///
    /// # Errors
    /// They are of another schema than was said.
    pub(crate) fn rows(&mut self, rows: &RecordBatch) -> Result<Bytes, ArrowError> {
        let mut out = String::new();
        match &mut self.state {
            State::Json { first } => {
                for row in 0..rows.num_rows() {
                    out.push_str(if std::mem::take(first) { "{" } else { ",{" });
                    write_members(&mut out, &self.served, Some((rows, row)));
                    out.push('}');
                }
            }
            State::Csv => {
                for row in 0..rows.num_rows() {
                    write_record(&mut out, &self.served, rows, row);
                }
            }
            State::Arrow { schema, places, writer } => {
                let rows = rows.project(places)?;
                let rows = RecordBatch::try_new(Arc::clone(schema), rows.columns().to_vec())?;
                writer.write(&rows)?;
                return Ok(Bytes::from(std::mem::take(writer.get_mut())));
            }
        }
        Ok(Bytes::from(out))
    }

    /// What comes last.
    ///
    /// # Errors
    /// Of the Arrow writer; none for what was written to memory.
    pub(crate) fn end(&mut self) -> Result<Bytes, ArrowError> {
        Ok(match &mut self.state {
            State::Json { .. } => Bytes::from_static(b"]"),
            State::Csv => Bytes::new(),
            State::Arrow { writer, .. } => {
                writer.finish()?;
                Bytes::from(std::mem::take(writer.get_mut()))
            }
        })
    }
}

/// Appends the members of a row; nulls where there is none.
pub(crate) fn write_members(out: &mut String, served: &[Served], found: Option<(&RecordBatch, usize)>) {
    for column in served {
        if !out.ends_with('{') {
            out.push(',');
        }
        out.push_str(&column.key);
        let cell = found.map_or(Cell::Null, |(rows, row)| json::cell(rows.column(column.column), row));
        match column.word(&cell) {
            Some(word) => json::write_text(out, &word),
            None => json::write_cell(out, &cell, column.json),
        }
    }
}

fn write_record(out: &mut String, served: &[Served], rows: &RecordBatch, row: usize) {
    for (place, column) in served.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        let cell = json::cell(rows.column(column.column), row);
        if let Some(word) = column.word(&cell) {
            out.push_str(&quoted(&word));
            continue;
        }
        match cell {
            Cell::Null => {}
            cell @ Cell::Text(_) if column.json => {
                let mut document = String::new();
                json::write_cell(&mut document, &cell, true);
                out.push_str(&quoted(&document));
            }
            Cell::Text(text) => out.push_str(&quoted(text)),
            Cell::Time(time) => out.push_str(&json::instant(time)),
            cell => json::write_cell(out, &cell, false),
        }
    }
    out.push_str("\r\n");
}

/// A field of CSV. An empty text is quoted, which tells it from null.
fn quoted(text: &str) -> String {
    let plain = !text.is_empty() && !text.contains([',', '"', '\r', '\n']);
    if plain { text.to_owned() } else { format!("\"{}\"", text.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(accept: &str, offered: &[Format]) -> Result<Format, String> {
        let mut headers = HeaderMap::new();
        if !accept.is_empty() {
            headers.insert(ACCEPT, HeaderValue::from_str(accept).unwrap());
        }
        Format::wanted(&headers, offered).map_err(|failure| failure.detail().to_owned())
    }

    #[test]
    fn the_client_chooses_among_what_is_offered() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        let rows = [
            ("", Format::Json),
            ("*/*", Format::Json),
            (browser, Format::Json),
            ("text/csv", Format::Csv),
            ("TEXT/CSV; charset=utf-8", Format::Csv),
            ("application/json;q=0.5, text/csv;q=0.9", Format::Csv),
            ("text/csv;q=0, application/json", Format::Json),
            ("application/vnd.apache.arrow.stream, */*;q=0.1", Format::Arrow),
            ("application/xml", Format::Json),
        ];
        for (accept, expected) in rows {
            assert_eq!(wanted(accept, Format::FLAT), Ok(expected), "{accept}");
        }
        assert_eq!(wanted("text/csv, application/json;q=0.1", Format::NESTED), Ok(Format::Json));
        let refused = "this resource is not served as text/csv; it is as application/json";
        assert_eq!(wanted("text/csv", Format::NESTED), Err(refused.to_owned()));
    }

    #[test]
    fn fields_of_csv_are_quoted_where_they_must_be() {
        let rows = [
            ("a b", "a b"),
            ("", "\"\""),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("a\nb", "\"a\nb\""),
        ];
        for (text, expected) in rows {
            assert_eq!(quoted(text), expected);
        }
    }
}
