//! The record of a run.

pub mod journal;
pub mod run_record;
pub mod task;
