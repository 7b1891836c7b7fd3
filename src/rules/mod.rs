//! PURE: the decisions of a run. No I/O, no clock, no logging: values in, values out.

pub mod address;
pub mod alarm;
pub mod archive_name;
pub mod dump;
pub mod freshness;
pub mod health;
pub mod history;
pub mod inventory;
pub mod job_zone;
pub mod known_hosts;
pub mod loading;
pub mod naming;
pub mod origin;
pub mod other_pattern;
pub mod packed;
pub mod recovery;
pub mod redaction;
pub mod retention;
pub mod secret_parts;
pub mod spelling;
pub mod trust;
