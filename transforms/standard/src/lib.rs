//! The built-in transforms, one file per verb.
