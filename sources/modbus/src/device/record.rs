//! Whole records: what a simulated device needs to fill one, and which unit holds in it.

use serde_json::Number;

use crate::device::block::Block;
use crate::device::field::Field;
use crate::device::order::Order;
use crate::device::raw::{Raw, RawError, decode, encode};
use crate::device::variant::When;
use crate::device::written::Sentinel;

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
        let field = block.located(block.fields.get(name).ok_or_else(|| error(None))?);
        encode(&field, order, value, &mut data).map_err(|cause| error(Some(cause)))?;
    }
    Ok(data)
}

/// The unit of a field's raw number in this record: that of the first variant that holds, else the field's own.
pub fn unit_of<'a>(block: &Block, field: &'a Field, order: Order, data: &[u8]) -> Option<&'a str> {
    let holds = |when: &When| {
        block.fields.get(&when.field).is_some_and(|asked| when.holds(&block.located(asked), order, data))
    };
    let variant = field.variants.iter().find(|variant| holds(&variant.when));
    variant.map(|variant| variant.unit.as_str()).or(field.unit.as_deref())
}

impl When {
    /// Whether the condition holds for the field it names, in these data.
    pub fn holds(&self, asked: &Field, order: Order, data: &[u8]) -> bool {
        let Ok(raw) = decode(asked, order, data) else { return false };
        let begins = |prefix: &str| matches!(&raw, Raw::Text(text) if text.starts_with(prefix));
        let equals = |number: &Number| Sentinel::Number(number.clone()).is(asked, order, data, &raw);
        self.prefix.as_deref().is_none_or(begins) && self.equals.as_ref().is_none_or(equals)
    }
}
