//! Texts: words and bags of them, comments with groups, and where they come from.
//!
//! What belongs here: reading comments from files, making the built-in ones, cutting texts into words,
//! counting them. What does not: the network that takes the counts (`model`), what a group's figures
//! are (`metric`).

mod bag;
mod comments;
mod fill;
mod generate;
mod jigsaw;
mod rows;
mod slots;
mod templates;
mod terms;
mod tokens;
mod vocabulary;
mod weighting;
mod words;

#[cfg(test)]
mod generate_tests;
#[cfg(test)]
mod tests;

pub use bag::BagSet;
pub use comments::Comments;
pub use generate::{
    BUILTIN_SIZES, builtin_comments, builtin_identity_words, builtin_unbiased_train,
};
pub use jigsaw::{load_comments, load_identity_templates, load_jigsaw, read_comments};
pub use templates::{
    IDENTITY_REWARD_SIZES, IDENTITY_TEST_SIZES, identity_reward_templates, identity_terms,
    identity_test_templates,
};
pub use terms::group_terms;
pub use tokens::tokens;
pub use vocabulary::{DuplicateWord, Vocabulary};
pub use weighting::{Weighting, bag};
