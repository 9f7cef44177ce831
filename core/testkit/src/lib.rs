//! Conformance batteries, fault sinks and a manual clock for the tests of the other crates.
