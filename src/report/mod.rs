//! Exporters over run records.
