//! The embedded store: tables in a SQLite file, exactly once.
