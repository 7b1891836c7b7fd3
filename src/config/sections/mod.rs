//! The sections of a configuration. A key is defined once, where its section is read: name, values, default and meaning.

pub(super) mod archive;
pub(super) mod drill;
pub(super) mod hooks;
pub(super) mod log;
pub(super) mod report;
pub(super) mod retention;
pub(super) mod run;
pub(super) mod sftp;
pub(super) mod source;
