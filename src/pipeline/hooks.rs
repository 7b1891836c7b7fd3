//! The tasks Before hook and After hook: programs of the operator.

use crate::config::Hook;
use crate::pipeline::job::{Job, Stop};
use crate::record::journal::Journal;
use crate::record::task::Task;
use crate::rules::redaction::shown;
use crate::runtime::child::{self, Kept, Program};

impl Job {
    pub(super) fn run_before_hook(&self) -> Result<(), Stop> {
        let Some(hook) = self.config.hooks.before.as_ref().filter(|_| !self.dry_run) else { return Ok(()) };
        let task = self.journal.begin(Task::BeforeHook);
        match run(hook, Vec::new(), || self.interrupt.check().is_err()) {
            Ok(text) => {
                task.done(&text);
                Ok(())
            }
            Err(error) => Err(self.fail_with_text(task, &error)),
        }
    }
}

/// Runs the after hook with the run's JSON record `document`. It is ended when `is_over`.
pub fn run_after_hook(hook: &Hook, journal: &Journal, document: String, is_over: impl Fn() -> bool) {
    let task = journal.begin(Task::AfterHook);
    match run(hook, document.into_bytes(), is_over) {
        Ok(text) => task.done(&text),
        Err(error) => task.warned(&error),
    }
}

fn run(hook: &Hook, input: Vec<u8>, is_over: impl Fn() -> bool) -> Result<String, String> {
    let program = Program {
        path: &hook.command.program,
        arguments: hook.command.arguments.iter().map(String::as_str).collect(),
        variables: &hook.environment,
        input,
        kept: Kept::Both,
        limit: hook.limit,
        ends_group: true,
    };
    let name = shown(&hook.command.program);
    let outcome = child::run(program, &is_over).map_err(|error| format!("{name} cannot be started: {error}"))?;
    let output = match String::from_utf8_lossy(&outcome.output).trim() {
        "" => String::new(),
        output => format!(": {output}"),
    };
    match outcome.status {
        Some(status) if status.success() => Ok(format!("{name} succeeded{output}")),
        Some(status) => Err(format!("{name} failed ({status}){output}")),
        None if is_over() => Err(format!("{name} was ended, because the run ends{output}")),
        None => Err(format!("{name} was ended after {} s{output}", hook.limit.as_secs())),
    }
}
