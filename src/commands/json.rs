//! JSON documents on standard output, and their schemas.

use std::io::{self, Write as _};

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;

use crate::commands::foreground::CommandError;
use crate::exit_code::ExitCode;

/// Prints `document` indented, with a final newline.
pub(super) fn print_document(document: &impl Serialize) -> io::Result<()> {
    print(&(serde_json::to_string_pretty(document)? + "\n"))
}

/// Prints the JSON Schema (draft 2020-12) of `Document`.
pub(super) fn print_schema<Document: JsonSchema>() -> Result<ExitCode, CommandError> {
    // For serialization: every field is required, even if it is null.
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let printed = print_document(&generator.into_root_schema_for::<Document>());
    printed.map(|()| ExitCode::Success).map_err(|error| CommandError::Failed(error.to_string()))
}

pub(super) fn print(text: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        // The reader, such as `head`, has closed the pipe.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(io::Error::new(error.kind(), format!("writing to standard output: {error}"))),
        Ok(()) => Ok(()),
    }
}
