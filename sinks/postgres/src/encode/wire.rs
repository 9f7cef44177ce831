//! What a table's column is in PostgreSQL, as far as it decides the bytes of a cell.

use postgres_types::Type;
use smiles_tables::ColumnType;

/// The binary form of a column's cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    Numeric,
    /// Text, and what is sent as text: enums, `varchar`, `xml`.
    Text,
    Json,
    /// JSON behind a version byte.
    Jsonb,
    /// Microseconds since 2000, UTC.
    Timestamptz,
    /// The same, as what a clock in UTC shows.
    Timestamp,
}

impl Wire {
    /// How cells of a mapping's type are sent to a column of this type; `None` if the two do not fit.
    ///
    /// `textual`: the type is none of PostgreSQL's own, and its binary form is its text (enums).
    pub(crate) fn of(column_type: ColumnType, column: &Type, textual: bool) -> Option<Self> {
        let number = match *column {
            Type::INT2 => Some(Self::Int2),
            Type::INT4 => Some(Self::Int4),
            Type::INT8 => Some(Self::Int8),
            Type::FLOAT4 => Some(Self::Float4),
            Type::FLOAT8 => Some(Self::Float8),
            Type::NUMERIC => Some(Self::Numeric),
            _ => None,
        };
        let is_text = textual || matches!(*column, Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME);
        match column_type {
            ColumnType::Int64 => number,
            ColumnType::Float64 => {
                number.filter(|it| matches!(it, Self::Float4 | Self::Float8 | Self::Numeric))
            }
            ColumnType::Bool => (*column == Type::BOOL).then_some(Self::Bool),
            ColumnType::Time => match *column {
                Type::TIMESTAMPTZ => Some(Self::Timestamptz),
                Type::TIMESTAMP => Some(Self::Timestamp),
                _ => None,
            },
            ColumnType::Json if *column == Type::JSONB => Some(Self::Jsonb),
            ColumnType::Json if *column == Type::JSON => Some(Self::Json),
            ColumnType::Json | ColumnType::Text => is_text.then_some(Self::Text),
        }
    }

    /// The type of an array of these, for a parameter; enums are cast by the statement.
    pub(crate) fn array(self) -> Type {
        match self {
            Self::Bool => Type::BOOL_ARRAY,
            Self::Int2 => Type::INT2_ARRAY,
            Self::Int4 => Type::INT4_ARRAY,
            Self::Int8 => Type::INT8_ARRAY,
            Self::Float4 => Type::FLOAT4_ARRAY,
            Self::Float8 => Type::FLOAT8_ARRAY,
            Self::Numeric => Type::NUMERIC_ARRAY,
            Self::Text => Type::TEXT_ARRAY,
            Self::Json => Type::JSON_ARRAY,
            Self::Jsonb => Type::JSONB_ARRAY,
            Self::Timestamptz => Type::TIMESTAMPTZ_ARRAY,
            Self::Timestamp => Type::TIMESTAMP_ARRAY,
        }
    }

    /// One of these.
    pub(crate) fn element(self) -> Type {
        match self {
            Self::Bool => Type::BOOL,
            Self::Int2 => Type::INT2,
            Self::Int4 => Type::INT4,
            Self::Int8 => Type::INT8,
            Self::Float4 => Type::FLOAT4,
            Self::Float8 => Type::FLOAT8,
            Self::Numeric => Type::NUMERIC,
            Self::Text => Type::TEXT,
            Self::Json => Type::JSON,
            Self::Jsonb => Type::JSONB,
            Self::Timestamptz => Type::TIMESTAMPTZ,
            Self::Timestamp => Type::TIMESTAMP,
        }
    }
}
