//! Texts: words and bags of them, comments with groups, and where they come from.
//!
//! What belongs here: reading comments from files, making the built-in ones, cutting texts into words,
//! counting them. What does not: the network that takes the counts (`model`), what a group's figures
//! are (`metric`).

mod bag;
mod comments;
mod jigsaw;
mod rows;
mod terms;
mod tokens;
mod vocabulary;
mod weighting;

#[cfg(test)]
mod tests;

pub use bag::BagSet;
pub use comments::Comments;
pub use jigsaw::{load_comments, load_identity_templates, load_jigsaw, read_comments};
pub use tokens::tokens;
pub use vocabulary::{DuplicateWord, Vocabulary};
pub use weighting::{Weighting, bag};
