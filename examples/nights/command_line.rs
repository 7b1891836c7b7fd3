//! What the two commands take from their command line, and where they find the program.

use std::path::PathBuf;
use std::process::exit;
use std::str::FromStr;

/// The shipped binary.
const PROGRAM: &str = "scripting-system";

/// Where the program lies, and a folder `name` for what a command makes: both in cargo's target folder, in which this
/// example lies as `<target>/<profile>/examples/<example>`.
pub fn places(name: &str) -> (PathBuf, PathBuf) {
    let own = std::env::current_exe().unwrap_or_else(|error| fail(&format!("Cannot tell where I lie: {error}")));
    let (Some(profile), Some(target)) = (own.ancestors().nth(2), own.ancestors().nth(3)) else {
        fail("This must be run from cargo's target folder.");
    };
    let program = profile.join(PROGRAM);
    if !program.exists() {
        fail(&format!("The program is not where it should be: {}. The script builds it first.", program.display()));
    }
    (program, target.join(name))
}

/// The values of the options `names`, each a number, where the command line gives them.
pub fn numbers<T: FromStr, const N: usize>(names: [&str; N]) -> [Option<T>; N] {
    let mut values = [const { None }; N];
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let Some(index) = names.iter().position(|name| *name == argument) else {
            fail(&format!("unknown argument: {argument}"));
        };
        match arguments.next().and_then(|value| value.parse().ok()) {
            Some(value) => values[index] = Some(value),
            None => fail(&format!("{argument} needs a number")),
        }
    }
    values
}

/// Ends with 2, the code of a wrong command line.
pub fn fail(text: &str) -> ! {
    eprintln!("{text}");
    exit(2)
}
