//! A pipeline file, from YAML text to a typed declaration, every complaint with its place.
