//! Mechanisms that are independent of the job.

pub mod allocator;
pub mod child;
pub mod clock;
pub mod error_chain;
pub mod failpoint;
pub mod interrupt;
pub mod progress;
pub mod retry;
pub mod supervisor;
pub mod worker;
