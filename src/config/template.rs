//! The configuration that `gen-config` writes: every key, with its default or an example.

/// A whole configuration file, to be edited. Its secrets are the files that it names.
pub const TEMPLATE: &str = include_str!("template.json");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_beside_the_readme_is_the_template() {
        assert_eq!(include_str!("../../config.example.json"), TEMPLATE);
    }
}
