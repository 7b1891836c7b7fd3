//! What the tests of scripting-system share: embedded servers, a private OpenSSH, an installation to run the program on,
//! and a model of many runs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed set-up ends the test")]
#![allow(clippy::new_without_default, reason = "`new` starts servers")]
#![allow(missing_docs, reason = "only tests use it")]

mod built;
pub mod night;
pub mod nights;
pub mod servers;
pub mod small_disk;
pub mod sshd;

pub use built::{program, target_folder};
pub use night::{Night, Outcome, wait_until};
pub use small_disk::SmallDisk;
pub use sshd::Sshd;
