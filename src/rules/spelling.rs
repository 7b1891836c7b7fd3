//! Suggests the known word most similar to a misspelt one.

/// The rest of a longer word is ignored.
const MAX_CHARACTERS: usize = 60;

/// The minimum similarity of two words if one starts with the other, such as `hostname` and `host`.
const PREFIX_SIMILARITY: f64 = 0.6;

/// `did you mean "…"?` with the most similar candidate; `None` if none is similar to `word`.
pub fn did_you_mean(word: &str, candidates: &[&str]) -> Option<String> {
    let word: String = word.chars().take(MAX_CHARACTERS).collect::<String>().to_lowercase();
    candidates
        .iter()
        .map(|candidate| (similarity(&word, &candidate.to_lowercase()), candidate))
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .filter(|(similarity, _)| *similarity > 0.5)
        .map(|(_, candidate)| format!("did you mean \"{candidate}\"?"))
}

/// From 0 to 1.
fn similarity(word: &str, candidate: &str) -> f64 {
    let by_letters = strsim::normalized_damerau_levenshtein(word, candidate);
    let is_prefix = word.len() > 2 && (word.starts_with(candidate) || candidate.starts_with(word));
    if is_prefix { by_letters.max(PREFIX_SIMILARITY) } else { by_letters }
}
