//! The wall clock, as something that is passed in: only `main` reads the real one.

use std::sync::Arc;

use chrono::{DateTime, FixedOffset};

/// Tells the time in the job's zone.
pub type Clock = Arc<dyn Fn() -> DateTime<FixedOffset> + Send + Sync>;
