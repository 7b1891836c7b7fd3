//! Places where a test can make the program panic. Only builds with debug assertions have them: a release build does not even
//! contain the variable's name.

/// Panics if `SCRIPTING_SYSTEM_PANIC_AT` is `name`, a colon and a text, such as `packing: the text`, with that text.
#[cfg(debug_assertions)]
#[allow(clippy::panic, reason = "this is its purpose")]
pub(crate) fn failpoint(name: &str) {
    let wanted = std::env::var("SCRIPTING_SYSTEM_PANIC_AT").unwrap_or_default();
    if let Some(text) = wanted.strip_prefix(name).and_then(|rest| rest.strip_prefix(": ")) {
        panic!("{text}");
    }
}

#[cfg(not(debug_assertions))]
pub(crate) fn failpoint(_name: &str) {}
