//! The wall clock as a parameter, because only `main` reads the real one.

use std::sync::Arc;

use chrono::{DateTime, FixedOffset};

/// Returns the time in the job's zone.
pub type Clock = Arc<dyn Fn() -> DateTime<FixedOffset> + Send + Sync>;
