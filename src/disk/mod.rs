//! Files and folders on this machine.

pub mod atomic_file;
pub mod bounded_read;
pub mod identity;
pub mod job_id;
pub mod last_drill;
pub mod lock;
pub mod space;
pub mod spool;
pub mod state_folder;
pub mod trust;
