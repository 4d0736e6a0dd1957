//! Errors that several rooms share: each small, with the numbers that say what was wrong.
//!
//! What belongs here: error types raised in more than one room. An error that one operation alone
//! can raise stands beside that operation.

use core::fmt;

/// A slab holds fewer values than an algorithm needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooSmall {
    /// Values that are needed.
    pub need: usize,
    /// Values that were there.
    pub have: usize,
}

impl fmt::Display for TooSmall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the slab holds {} values, {} are needed", self.have, self.need)
    }
}

impl core::error::Error for TooSmall {}

/// A slice whose length does not fit the shape that it is said to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShapeError {
    /// Which argument: "weights", "input", …
    pub what: &'static str,
    /// The length that the shape calls for.
    pub expected: usize,
    /// The length that was given.
    pub found: usize,
}

impl ShapeError {
    /// Checks one length.
    pub fn check(what: &'static str, expected: usize, found: usize) -> Result<(), Self> {
        if expected == found { Ok(()) } else { Err(Self { what, expected, found }) }
    }
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} holds {} values, its shape calls for {}",
            self.what, self.found, self.expected
        )
    }
}

impl core::error::Error for ShapeError {}
