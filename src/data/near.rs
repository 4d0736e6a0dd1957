//! Names that a mistyped one may stand for.

/// The names that are near to `name`, nearest first: at most four.
pub(crate) fn nearest<'n>(name: &str, names: impl IntoIterator<Item = &'n str>) -> Vec<&'n str> {
    let length = name.chars().count();
    let mut ranked: Vec<(usize, &str)> = names
        .into_iter()
        .take(4096)
        // Of names this long nobody mistypes all; and the distance takes a product of lengths.
        .filter(|other| other.chars().count().max(length) <= 256)
        .map(|other| (edit_distance(other, name), other))
        .collect();
    ranked.sort();
    let limit = (length / 2).max(3);
    ranked.into_iter().filter(|(far, _)| *far <= limit).take(4).map(|(_, name)| name).collect()
}

/// Levenshtein's distance.
pub(crate) fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}
