//! Places where a test can make the program panic, only in builds with debug assertions.

/// Panics with the text `TEXT` if `SCRIPTING_SYSTEM_PANIC_AT` is `NAME: TEXT` and `NAME` is `name`.
#[cfg(debug_assertions)]
#[allow(clippy::panic, reason = "this is its purpose")]
pub(crate) fn failpoint(name: &str) {
    let setting = std::env::var("SCRIPTING_SYSTEM_PANIC_AT").unwrap_or_default();
    if let Some(text) = setting.strip_prefix(name).and_then(|rest| rest.strip_prefix(": ")) {
        panic!("{text}");
    }
}

#[cfg(not(debug_assertions))]
pub(crate) fn failpoint(_name: &str) {}
