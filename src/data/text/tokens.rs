//! Cutting texts into words.

/// Words of at least `shortest` characters: maximal runs of letters, digits and `_`, in lower case.
///
/// Letters and digits are Unicode's, as for Python's `\w`; lower case is taken before cutting, as
/// scikit-learn's vectorisers do, so "I AM" gives "am" for `shortest` 2.
pub fn tokens(text: &str, shortest: usize) -> impl Iterator<Item = String> {
    let lower = text.to_lowercase();
    let words: Vec<String> = lower
        .split(|character: char| !(character.is_alphanumeric() || character == '_'))
        .filter(|word| !word.is_empty() && word.chars().count() >= shortest)
        .map(str::to_string)
        .collect();
    words.into_iter()
}

#[cfg(test)]
mod tests {
    use super::tokens;

    #[test]
    fn words_are_runs_of_word_characters_in_lower_case() {
        let cut = |text, shortest| tokens(text, shortest).collect::<Vec<_>>();
        assert_eq!(cut("I am a GAY man!", 2), ["am", "gay", "man"]);
        assert_eq!(cut("I am a GAY man!", 1), ["i", "am", "a", "gay", "man"]);
        assert_eq!(cut("don't x_1 23,é-Éa", 2), ["don", "x_1", "23", "éa"]);
        assert!(cut(" ,.!", 1).is_empty() && cut("", 1).is_empty());
    }
}
