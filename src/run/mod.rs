//! Running editors on targets: jobs, seeds, threads, and the records that reports are made of.
//!
//! What belongs here: what happens between the command line and an editor. What does not: how an
//! editor works (`editor`), how a record is shown (`report`).

pub mod record;
