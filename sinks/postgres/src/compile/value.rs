//! Values to compare with, as parameters.

use std::error::Error;

use bytes::BufMut as _;
use bytes::BytesMut;
use postgres_types::{IsNull, ToSql, Type, to_sql_checked};
use smiles_stage::Value;
use smiles_tables::ColumnType;

/// The value as the column's cells are compared; `None` if the two cannot be. `single`: they are of single precision,
/// where 230.1 is equal to what was stored of 230.1, as it is shown, and to no double.
pub(super) fn bound(column_type: ColumnType, single: bool, value: &Value) -> Option<Bound> {
    Some(match (column_type, value) {
        (ColumnType::Float64, Value::Int(value)) if single => (Box::new(*value as f32), Type::FLOAT4),
        (ColumnType::Float64, Value::Float(value)) if single => (Box::new(*value as f32), Type::FLOAT4),
        (ColumnType::Int64, Value::Int(value)) => (Box::new(*value), Type::INT8),
        (ColumnType::Float64, Value::Int(value)) => (Box::new(*value as f64), Type::FLOAT8),
        (ColumnType::Int64 | ColumnType::Float64, Value::Float(value)) => (Box::new(*value), Type::FLOAT8),
        (ColumnType::Bool, Value::Bool(value)) => (Box::new(*value), Type::BOOL),
        (ColumnType::Text | ColumnType::Json, Value::Text(value)) => (Box::new(text(value)), Type::TEXT),
        (ColumnType::Time, Value::Time(value)) => {
            (Box::new(Instant::of(value.as_microsecond())), Type::TIMESTAMPTZ)
        }
        _ => return None,
    })
}

/// No text of PostgreSQL has a zero character; one that begins with `\u{1}` is as far from every serial number.
fn text(value: &str) -> String {
    value.replace('\0', "\u{1}")
}

/// Microseconds since 2000; an instant before the first that PostgreSQL knows is before all others.
#[derive(Debug)]
struct Instant(i64);

impl Instant {
    fn of(micros: i64) -> Self {
        let since = micros.saturating_sub(946_684_800_000_000);
        Self(if since < -211_813_488_000_000_000 { i64::MIN } else { since })
    }
}

impl ToSql for Instant {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_i64(self.0);
        Ok(IsNull::No)
    }

    fn accepts(of: &Type) -> bool {
        *of == Type::TIMESTAMPTZ
    }

    to_sql_checked!();
}

/// A parameter and its type.
pub(crate) type Bound = (Box<dyn ToSql + Sync + Send>, Type);
