//! JSON documents on standard output, and their schemas.

use std::io::{self, Write as _};

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;

use crate::commands::foreground::CommandError;
use crate::exit_code::ExitCode;

/// `document`, indented, with a final newline.
pub(super) fn text(document: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string_pretty(document).map(|json| json + "\n")
}

/// The JSON Schema (draft 2020-12) of `Document`, as [`text`].
pub(super) fn schema<Document: JsonSchema>() -> serde_json::Result<String> {
    // For serialization: every field is required, even if it is null.
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    text(&generator.into_root_schema_for::<Document>())
}

pub(super) fn print_document(document: &impl Serialize) -> io::Result<()> {
    print(&text(document)?)
}

pub(super) fn print_schema<Document: JsonSchema>() -> Result<ExitCode, CommandError> {
    let printed = schema::<Document>().map_err(io::Error::from).and_then(|schema| print(&schema));
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
