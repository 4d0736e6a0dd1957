//! Comments of CSV files: Jigsaw's two formats, and the template sentences that go with them.

use super::comments::Comments;
use super::rows::{MAX_BYTES, Rows, Watched};
use super::terms::{GROUPS, Mentions, TEMPLATE_TERMS};
use crate::data::error::{DataError, Problem};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// From this on a comment counts as toxic, and as one that names a group: of the annotators, half.
const HALF: f64 = 0.5;

/// Loads comments of Jigsaw's competitions on Kaggle, plain or gzipped. Columns are found by name, in any
/// order, others are ignored:
///
/// - unintended bias (2019): `comment_text`, `target` and identities, of which the nine with enough
///   comments in that competition are read (`male`, `female`, `homosexual_gay_or_lesbian`, `christian`,
///   `jewish`, `muslim`, `black`, `white`, `psychiatric_or_mental_illness`), those that are there. They
///   are shares of annotators, .5 and more is toxic, or names the group. An empty identity is one that
///   nobody annotated: it is marked in [`Comments::missing`], never taken as 0;
/// - toxic comments (2018): `comment_text` and `toxic`, 0 or 1. A comment names one of the same nine
///   groups when one of the group's terms ("gay", "lesbian", …) stands in it as a word.
///
/// Rows without a text or a label are left out, groups without a comment as well: `skipped` counts them.
/// `progress` gets the bytes of the file that were read, and all of them.
///
/// # Errors
/// [`DataError`]: no such file, no rows, none of the columns above, a quote that is never closed, a row of
/// another number of fields than the header, a number that is none or beyond 0 to 1, a text that is not
/// UTF-8, comments of one class, a damaged gzip stream, more than 4 GiB of text.
pub fn load_jigsaw(path: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<Comments, DataError> {
    load(path, progress, &[Format::UnintendedBias, Format::Toxic])
}

/// Loads the template sentences of "unintended-ml-bias-analysis": columns `Text`, `Label` (`BAD` or
/// `NOT_BAD`) and, if it is there, `Template`, which becomes the kind; plain or gzipped. Every identity term
/// that occurs is a group of its own.
///
/// # Errors
/// As for [`load_jigsaw`].
pub fn load_identity_templates(path: &Path) -> Result<Comments, DataError> {
    load(path, &mut |_, _| (), &[Format::Templates])
}

/// Loads comments of whichever format the header shows: those of [`load_jigsaw`] and of
/// [`load_identity_templates`].
///
/// # Errors
/// As for [`load_jigsaw`].
pub fn load_comments(
    path: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Comments, DataError> {
    load(path, progress, &Format::ALL)
}

/// Reads what [`load_comments`] loads from any source. `name` stands in errors, and names the set.
///
/// # Errors
/// As for [`load_jigsaw`].
pub fn read_comments(name: &str, source: impl Read) -> Result<Comments, DataError> {
    read(name, Watched::new(source, 0, &mut |_, _| ()), MAX_BYTES, &Format::ALL)
}

fn load(
    path: &Path,
    progress: &mut dyn FnMut(u64, u64),
    formats: &[Format],
) -> Result<Comments, DataError> {
    let place = path.display().to_string();
    let failed = |error: io::Error| {
        let problem = match error.kind() {
            io::ErrorKind::NotFound => Problem::Missing,
            _ => Problem::Read { offset: 0, reason: error.to_string() },
        };
        DataError::new(&place, problem)
    };
    let file = File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    let mut comments = read(&place, Watched::new(file, size, progress), MAX_BYTES, formats)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let stem = name.strip_suffix(".gz").unwrap_or(&name);
    comments.name = stem.strip_suffix(".csv").unwrap_or(stem).to_string();
    Ok(comments)
}

/// Reads comments in the first of the formats that the header fits. `limit` is the most bytes of text.
pub(super) fn read<R: Read>(
    name: &str,
    source: Watched<'_, R>,
    limit: u64,
    formats: &[Format],
) -> Result<Comments, DataError> {
    let rows = Rows::open(name, source, limit)?;
    for format in formats {
        if let Some(columns) = format.find(&rows)? {
            return columns.read(name, rows);
        }
    }
    let expected = formats.iter().map(|format| format.needs()).collect::<Vec<_>>().join(" or ");
    let found = rows.header().join(", ");
    Err(rows.error(Problem::NoColumns { expected, found }))
}

/// The formats that are known.
#[derive(Clone, Copy)]
pub(super) enum Format {
    UnintendedBias,
    Toxic,
    Templates,
}

impl Format {
    pub(super) const ALL: [Self; 3] = [Self::UnintendedBias, Self::Toxic, Self::Templates];

    /// The columns that it needs.
    fn needs(self) -> &'static str {
        match self {
            Self::UnintendedBias => {
                "comment_text, target and identities such as female (unintended bias)"
            }
            Self::Toxic => "comment_text, toxic (toxic comments 2018)",
            Self::Templates => "Text, Label (identity templates)",
        }
    }

    /// Its columns, where the header has them.
    fn find<R: Read>(self, rows: &Rows<'_, R>) -> Result<Option<Columns>, DataError> {
        let [text, label] = match self {
            Self::UnintendedBias => ["comment_text", "target"],
            Self::Toxic => ["comment_text", "toxic"],
            Self::Templates => ["Text", "Label"],
        };
        let (Some(text), Some(label)) = (rows.column(text)?, rows.column(label)?) else {
            return Ok(None);
        };
        let kind = rows.column("Template")?.filter(|_| matches!(self, Self::Templates));
        let (names, groups) = match self {
            Self::UnintendedBias => {
                let (mut names, mut columns) = (Vec::new(), Vec::new());
                for (name, _) in GROUPS {
                    if let Some(column) = rows.column(name)? {
                        names.push(name);
                        columns.push(column);
                    }
                }
                (names, Groups::Columns(columns))
            }
            Self::Toxic => (
                GROUPS.iter().map(|(name, _)| *name).collect(),
                Groups::Mentions(Mentions::of_groups()),
            ),
            Self::Templates => {
                (TEMPLATE_TERMS.to_vec(), Groups::Mentions(Mentions::of_templates()))
            }
        };
        Ok((!names.is_empty()).then_some(Columns {
            format: self,
            text,
            label,
            kind,
            names,
            groups,
        }))
    }
}

/// How a row tells its groups.
enum Groups {
    /// A column for each.
    Columns(Vec<usize>),
    /// By terms.
    Mentions(Mentions),
}

/// Where in a row everything stands.
struct Columns {
    format: Format,
    text: usize,
    label: usize,
    kind: Option<usize>,
    names: Vec<&'static str>,
    groups: Groups,
}

impl Columns {
    fn read<R: Read>(
        self,
        name: &str,
        mut rows: Rows<'_, Watched<'_, R>>,
    ) -> Result<Comments, DataError> {
        let groups = self.names.iter().map(ToString::to_string).collect();
        let mut comments = Comments { name: name.to_string(), groups, ..Comments::default() };
        let (mut without_text, mut without_label) = (0, 0);
        while rows.next()? {
            let text = rows.field(self.text)?;
            let label = self.label(&rows)?;
            let (members, missing) = self.groups(&rows, text)?;
            match label {
                _ if text.trim().is_empty() => without_text += 1,
                None => without_label += 1,
                Some(label) => {
                    let kind = self.kind(&rows, &mut comments.kind_names)?;
                    comments.texts.push(text.to_string());
                    comments.labels.push(label.into());
                    comments.members.push(members);
                    comments.missing.push(missing);
                    comments.kinds.push(kind);
                }
            }
        }
        if comments.is_empty() {
            return Err(rows.error(Problem::Empty));
        }
        let toxic = comments.labels.first() == Some(&1);
        if comments.labels.iter().all(|&label| (label == 1) == toxic) {
            return Err(rows.error(Problem::OneClass { comments: comments.len(), toxic }));
        }
        for (column, count) in [(self.text, without_text), (self.label, without_label)] {
            let column = rows.header().get(column).map_or("", String::as_str);
            if count > 0 {
                comments.skipped.push(format!("{count} row(s) without {column}"));
            }
        }
        comments.digest = rows.into_file().digest();
        Ok(named_only(comments))
    }

    /// Whether the row's comment is toxic; none where nothing says so.
    fn label<R: Read>(&self, rows: &Rows<'_, R>) -> Result<Option<bool>, DataError> {
        match self.format {
            Format::UnintendedBias => Ok(rows.share(self.label)?.map(|share| share >= HALF)),
            Format::Toxic => match rows.share(self.label) {
                Ok(None) => Ok(None),
                Ok(Some(flag)) if flag == 0.0 || flag == 1.0 => Ok(Some(flag == 1.0)),
                _ => Err(rows.unexpected(self.label, "0 or 1")),
            },
            Format::Templates => match rows.field(self.label)?.trim() {
                "" => Ok(None),
                "BAD" => Ok(Some(true)),
                "NOT_BAD" => Ok(Some(false)),
                _ => Err(rows.unexpected(self.label, "BAD or NOT_BAD")),
            },
        }
    }

    /// Groups that the row's comment names, and groups of which nobody said so.
    fn groups<R: Read>(&self, rows: &Rows<'_, R>, text: &str) -> Result<(u64, u64), DataError> {
        let columns = match &self.groups {
            Groups::Mentions(mentions) => return Ok((mentions.find(text), 0)),
            Groups::Columns(columns) => columns,
        };
        let (mut members, mut missing) = (0, 0);
        for (group, &column) in columns.iter().enumerate() {
            match rows.share(column)? {
                Some(share) => members |= u64::from(share >= HALF) << group,
                None => missing |= 1 << group,
            }
        }
        Ok((members, missing))
    }

    /// The row's kind, an index into `names`.
    fn kind<R: Read>(&self, rows: &Rows<'_, R>, names: &mut Vec<String>) -> Result<u8, DataError> {
        let own = match self.kind {
            Some(column) => rows.field(column)?.trim(),
            None => "comment",
        };
        let index = names.iter().position(|name| name == own).unwrap_or_else(|| {
            names.push(own.to_string());
            names.len() - 1
        });
        let column = self.kind.unwrap_or_default();
        u8::try_from(index).map_err(|_| rows.unexpected(column, "one of at most 256 templates"))
    }
}

/// Leaves out groups that no comment names.
fn named_only(mut comments: Comments) -> Comments {
    let named = comments.members.iter().fold(0, |all, word| all | word);
    let is_named = |bit: &usize| named >> *bit & 1 == 1;
    let (kept, left): (Vec<usize>, Vec<usize>) = (0..comments.groups.len()).partition(is_named);
    for name in left.iter().filter_map(|&bit| comments.groups.get(bit)) {
        comments.skipped.push(format!("group {name}: no comment names it"));
    }
    comments.pick_groups(&kept);
    comments
}
