//! HTTPS, for the source and the reports.

pub mod agent;
