//! REST resources declared in YAML, health, metrics and the dashboard.
