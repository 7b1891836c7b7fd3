//! HTTPS for the source and the reports.

pub(crate) mod agent;
pub(crate) mod pem;
pub(crate) mod retry_after;
