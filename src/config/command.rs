//! Commands of secrets and hooks: a program with its arguments, which runs without a shell.

use std::fs;
use std::path::PathBuf;

use rustix::fs::{Access, access};
use serde_json::{Value as Json, json};

use super::context::{Context, unreadable};
use super::json::Value;
use super::mistakes::{Refusal, printable_path, quote, refuse};
use super::paths::file_pattern;
use crate::disk::bounded_read::ReadError;
use crate::rules::redaction::shell_word;
use crate::rules::trust::Contents;

const FIX: &str = r#"write ["/path/of/program", "argument"]"#;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// An existing, trusted, executable file.
    pub program: PathBuf,
    pub arguments: Vec<String>,
}

pub(super) fn schema() -> Json {
    let argument = json!({"type": "string", "pattern": r"^[^\u0000]*$"});
    let program = json!({"type": "string", "pattern": file_pattern().replacen('^', "^(?=.*/)", 1)});
    json!({"type": "array", "minItems": 1, "prefixItems": [program], "items": argument})
}

/// Checks the program, and runs nothing. No message repeats an argument.
pub(super) fn read(value: &Value, context: Context<'_>) -> Result<CommandLine, Refusal> {
    let Value::List(entries) = value else {
        return refuse(format!("must be a list, found {}", value.type_name()), FIX);
    };
    let texts: Option<Vec<&str>> = entries.iter().map(Value::text).collect();
    match texts.as_deref() {
        None => refuse("must be a list of strings", FIX),
        Some([]) => refuse("is empty", FIX),
        Some(texts) if texts.iter().any(|text| text.contains('\0')) => refuse("contains a NUL character", FIX),
        Some([program, arguments @ ..]) => Ok(CommandLine {
            program: executable(program, context)?,
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
        }),
    }
}

fn executable(text: &str, context: Context<'_>) -> Result<PathBuf, Refusal> {
    if !text.contains('/') {
        let fix = "write its absolute path, or ./ before the name of a program in the configuration's folder";
        return refuse(format!("{} is a name without a path, and PATH is not searched", quote(text)), fix);
    }
    let path = context.path(text)?;
    let checked = match fs::metadata(&path) {
        Err(error) => Err(unreadable(&ReadError::Io(error))),
        Ok(metadata) if !metadata.is_file() => Err(unreadable(&ReadError::NotAFile)),
        Ok(_) if access(&path, Access::EXEC_OK).is_err() => {
            refuse("is not executable", format!("chmod +x {}", shell_word(&path.to_string_lossy())))
        }
        Ok(_) => Ok(()),
    };
    checked.map_err(|refusal| refusal.about(printable_path(&path)))?;
    let problems = context.trust.find_problems(&path, Contents::Settings);
    if !context.is_lenient && !problems.is_empty() {
        let (problems, fixes): (Vec<String>, Vec<String>) =
            problems.into_iter().map(|problem| (problem.problem, problem.fix)).unzip();
        return refuse(format!("is not run: {}", problems.join("; ")), fixes.join("; "));
    }
    context.trust.check(&path, Contents::Settings);
    Ok(path)
}
