//! Uploads and downloads over several connections.

pub(super) mod fetch;
pub(super) mod lanes;
pub(super) mod rate_limit;
pub(super) mod read_back;
pub(super) mod reading;
pub(super) mod reorder_buffer;
pub(super) mod schedule;
pub(super) mod upload;
pub(super) mod window;
pub(super) mod work_queue;
pub(super) mod writing;
