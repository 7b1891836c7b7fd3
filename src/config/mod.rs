//! The configuration: a JSON file that is validated once, into a [`Config`].
//!
//! Each key is defined once, in [`sections`]. Reading it yields the value or a mistake; the schema, the template and the
//! reference page ([`documents`]) are generated from the same definition.

mod command;
mod context;
mod documents;
mod effective;
mod environment;
mod extends;
mod file;
mod folder;
mod headers;
mod json;
mod kind;
mod load;
mod mistakes;
mod paths;
mod read_back;
mod secret;
mod section;
mod sections;
mod validated;
mod values;
mod zone;

pub use command::CommandLine;
pub use documents::{json_schema, template};
pub use effective::{EffectiveKey, effective};
pub use environment::Environment;
pub use folder::{JobFile, is_folder, jobs};
pub use load::{
    load, load_reports, load_to_drill, load_to_prune, load_to_read_back, log_file_of_broken, runs_programs,
};
pub use mistakes::{LoadError, Mistake};
pub use read_back::ReadBack;
pub use sections::archive::{Archive, Compression};
pub use sections::drill::Drill;
pub use sections::hooks::{Hook, Hooks};
pub use sections::log::{Log, LogFormat, LogLevel, LogTarget};
pub use sections::report::{Email, MailSecurity, MailServer, Mattermost, Metrics, Monitor, SendOn};
pub use sections::run::Run;
pub use sections::sftp::{HostKeyPolicy, SYSTEM_KNOWN_HOSTS, Sftp};
pub use sections::source::{ClientIdentity, Credentials, Source};
pub use validated::{Config, Reports, SCHEMA_FILE};
