//! Embedded servers on loopback: HTTPS, SFTP, SMTP, a Mattermost webhook and a monitor.
//!
//! Each is made by a builder. It listens on 127.0.0.1, by default on a port that the system chooses, works in background
//! threads, records what it receives, and stops when dropped.

/// Methods of a builder: each does what its body says and returns the builder.
macro_rules! setters {
    ($this:ident; $($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*) { $($body:tt)* })*) => {$(
        $(#[$doc])*
        pub fn $name(mut $this $(, $argument: $type)*) -> Self {
            $($body)*
            $this
        }
    )*};
}

pub mod certificates;
pub mod faults;
pub mod https;
pub mod https_answers;
pub mod listener;
pub mod pings;
pub mod proxy;
pub mod sftp;
pub mod sftp_faults;
pub mod sftp_files;
pub mod sftp_watch;
pub mod smtp;
pub mod smtp_line;
pub mod ssh_keys;
pub mod times;
pub mod webhook;
pub mod zips;

pub use certificates::{Authority, Identity};
pub use https::HttpsServer;
pub use pings::PingServer;
pub use proxy::Proxy;
pub use sftp::SftpServer;
pub use smtp::SmtpServer;
pub use ssh_keys::SshKey;
pub use webhook::WebhookServer;
pub use zips::{Entry, Method, Zip};
