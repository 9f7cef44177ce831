//! What there is to ask for: the index and the OpenAPI document.

pub(crate) mod index;
pub(crate) mod openapi;
