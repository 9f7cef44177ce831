//! Whole records: what a simulated device needs to fill one, and which unit holds in it.

use super::{Block, Field, Order, Raw, RawError, When, decode, encode};

/// Why values do not make a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordError {
    /// The field.
    pub field: String,
    /// Why; `None` if the block has no such field.
    pub cause: Option<RawError>,
}

impl std::fmt::Display for RecordError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.cause {
            Some(cause) => write!(f, "field `{}`: {cause}", self.field),
            None => write!(f, "no field `{}`", self.field),
        }
    }
}

impl std::error::Error for RecordError {}

/// The data of one answer of a register block: these raw values, every other byte zero.
///
/// # Errors
/// A name the block has not, or a value its field cannot hold.
pub fn encode_record(block: &Block, order: Order, values: &[(&str, Raw)]) -> Result<Vec<u8>, RecordError> {
    let mut data = vec![0; block.data_bytes()];
    for (name, value) in values {
        let error = |cause| RecordError { field: (*name).to_owned(), cause };
        let field = block.fields.get(name).ok_or_else(|| error(None))?.located(block);
        encode(&field, order, value, &mut data).map_err(|cause| error(Some(cause)))?;
    }
    Ok(data)
}

/// The unit of a field's raw number in this record: that of the first variant that holds, else the field's own.
pub fn unit_of<'a>(block: &Block, field: &'a Field, order: Order, data: &[u8]) -> Option<&'a str> {
    let holds = |when: &When| {
        block
            .fields
            .get(&when.field)
            .is_some_and(|asked| when.holds(decode(&asked.located(block), order, data).ok().as_ref()))
    };
    let variant = field.variants.iter().find(|variant| holds(&variant.when));
    variant.map(|variant| variant.unit.as_str()).or(field.unit.as_deref())
}

impl When {
    /// Whether the condition holds for this value of the field it names.
    pub fn holds(&self, value: Option<&Raw>) -> bool {
        let equals = |number: Option<&serde_json::Number>| match (value, number) {
            (_, None) => true,
            (Some(Raw::Unsigned(raw)), Some(number)) => number.as_u64() == Some(*raw),
            (Some(Raw::Signed(raw)), Some(number)) => number.as_i64() == Some(*raw),
            (Some(Raw::Bool(raw)), Some(number)) => number.as_u64() == Some(u64::from(*raw)),
            _ => false,
        };
        let begins = |prefix: Option<&str>| match (value, prefix) {
            (_, None) => true,
            (Some(Raw::Text(text)), Some(prefix)) => text.starts_with(prefix),
            _ => false,
        };
        begins(self.prefix.as_deref()) && equals(self.equals.as_ref())
    }
}
