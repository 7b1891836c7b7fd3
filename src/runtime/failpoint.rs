//! Places at which a test can have the program panic. Only builds with debug assertions have them: a release holds
//! nothing of it, not even the variable's name.

/// Panics with the text that `SCRIPTING_SYSTEM_PANIC_AT` holds, where that begins with `name`: `packing: the text`.
#[cfg(debug_assertions)]
#[allow(clippy::panic, reason = "it is what this is for")]
pub(crate) fn failpoint(name: &str) {
    let wanted = std::env::var("SCRIPTING_SYSTEM_PANIC_AT").unwrap_or_default();
    if let Some(text) = wanted.strip_prefix(name).and_then(|rest| rest.strip_prefix(": ")) {
        panic!("{text}");
    }
}

/// Nothing, in a release.
#[cfg(not(debug_assertions))]
pub(crate) fn failpoint(_name: &str) {}
