//! Options: JSON in, typed out, described by JSON Schema.

use std::any::TypeId;
use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use smiles_plugin_abi::SmilesStr;

use crate::Error;

/// The schema of the options of `T`, once per stage: the host may keep the text.
pub(crate) fn schema<T: 'static, O: JsonSchema>() -> SmilesStr {
    static TEXTS: OnceLock<Mutex<HashMap<TypeId, &'static str>>> = OnceLock::new();
    let texts = TEXTS.get_or_init(Mutex::default);
    let mut texts = texts.lock().unwrap_or_else(PoisonError::into_inner);
    let text = texts.entry(TypeId::of::<T>()).or_insert_with(|| {
        let text = schemars::schema_for!(O).to_value().to_string();
        Box::leak(text.into_boxed_str())
    });
    SmilesStr::of(text)
}

/// # Safety
/// `text` is valid during the call.
pub(crate) unsafe fn read<O: DeserializeOwned>(text: SmilesStr) -> Result<O, Error> {
    // SAFETY: the caller's promise.
    let bytes = unsafe { text.bytes() };
    let value: serde_json::Value = serde_json::from_slice(bytes)
        .map_err(|error| Error::halt(format!("the options are not JSON: {error}")))?;
    if !value.is_object() {
        return Err(Error::halt("the options are no map"));
    }
    serde_json::from_value(value).map_err(|error| Error::halt(format!("the options do not fit: {error}")))
}
