//! How columns of a pipeline become rows of tables: shared by every store.
