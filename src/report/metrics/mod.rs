//! The Prometheus textfile.

pub mod text;
pub mod textfile;
