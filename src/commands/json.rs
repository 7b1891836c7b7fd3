//! JSON documents on standard output, and their schemas.

use std::io::{self, Write as _};

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;

use crate::cli;
use crate::commands::foreground::{self, CommandError};
use crate::commands::invocation::Invocation;
use crate::commands::jobs::{select, work_through};
use crate::config::JobFile;
use crate::exit_code::ExitCode;
use crate::report::document::text;

/// One document for a configuration file; for a folder, a list with an entry for each selected job, in the order of their names.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
enum Output<Document> {
    File(Document),
    Folder(Vec<Entry<Document>>),
}

/// A job of a folder.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
enum Entry<Document> {
    Done(Document),
    Failed(Failure),
}

/// A job without a document, because the command failed for it.
#[derive(Debug, Serialize, JsonSchema)]
struct Failure {
    /// The job's name.
    job: String,
    /// Its configuration file.
    file: String,
    /// The exit code of the command for this job.
    exit_code: u8,
    /// Why it failed, as human-readable lines; the wording may change.
    errors: Vec<String>,
}

/// Prints the document that `work` returns for the configuration, or a list of those of a folder, and returns the worst exit
/// code. Nothing is printed for a file for which `work` failed.
pub(super) fn print_documents<Document: Serialize>(
    arguments: &cli::Jobs,
    invocation: &Invocation<'_>,
    mut work: impl FnMut(&JobFile) -> Result<(ExitCode, Document), CommandError>,
) -> ExitCode {
    let selected = match select(arguments, invocation) {
        Ok(selected) => selected,
        Err(error) => return error.report(),
    };
    let mut entries = Vec::new();
    let code = work_through(&selected, false, |job| match work(job) {
        Ok((code, document)) => {
            entries.push(Entry::Done(document));
            Ok(code)
        }
        Err(error) => {
            let (job, file) = (job.name.clone(), job.file.display().to_string());
            entries.push(Entry::Failed(Failure { job, file, exit_code: error.code() as u8, errors: error.lines() }));
            Err(error)
        }
    });
    let output = match entries.pop() {
        Some(Entry::Done(document)) if !selected.is_folder => Output::File(document),
        Some(Entry::Failed(_)) if !selected.is_folder => return code,
        last => Output::Folder(entries.into_iter().chain(last).collect()),
    };
    foreground::conclude(print(&text(&output)).map(|()| code))
}

/// The JSON Schema (draft 2020-12) of `Document`.
pub(super) fn schema<Document: JsonSchema>(title: &str) -> String {
    // For serialization: every field is required, even if it is null.
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<Document>();
    schema.insert("title".to_owned(), title.into());
    text(&schema)
}

pub(super) fn print_schema<Document: JsonSchema>(title: &str) -> Result<ExitCode, CommandError> {
    print(&schema::<Output<Document>>(title)).map(|()| ExitCode::Success)
}

pub(super) fn print(text: &str) -> Result<(), CommandError> {
    let mut output = io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        // The reader, such as `head`, has closed the pipe.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(CommandError::Failed(format!("writing to standard output: {error}"))),
        Ok(()) => Ok(()),
    }
}
