//! Pure decisions: no I/O, no clock, no logging.

pub mod address;
pub mod alarm;
pub mod archive_name;
pub mod connections;
pub mod drill_errors;
pub mod drill_facts;
pub mod dump;
pub mod freshness;
pub mod health;
pub mod history;
pub mod inventory;
pub mod job_zone;
pub mod known_hosts;
pub mod listing;
pub mod loading;
pub mod origin;
pub mod other_pattern;
pub mod packed;
pub mod recovery;
pub mod redaction;
pub mod retention;
pub mod secret_parts;
pub mod spelling;
pub mod trust;
pub mod units;
pub mod upload_method;
