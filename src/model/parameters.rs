//! A network's parameters, owned for the time of an edit or only read.

use core::ops::Deref;

/// Parameters of a network whose layer is edited: lent for good, or only to be read, from flash memory say.
///
/// Only what changes the network itself needs them writable: a rescale, and edits of several layers.
#[derive(Debug)]
pub enum Parameters<'a> {
    /// May be written.
    Own(&'a mut [f32]),
    /// May be read.
    Shared(&'a [f32]),
}

impl Parameters<'_> {
    /// The values, where they may be written.
    pub fn writable(&mut self) -> Option<&mut [f32]> {
        match self {
            Self::Own(values) => Some(values),
            Self::Shared(_) => None,
        }
    }
}

impl Deref for Parameters<'_> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match self {
            Self::Own(values) => values,
            Self::Shared(values) => values,
        }
    }
}

impl<'a> From<&'a mut [f32]> for Parameters<'a> {
    fn from(values: &'a mut [f32]) -> Self {
        Self::Own(values)
    }
}

impl<'a> From<&'a [f32]> for Parameters<'a> {
    fn from(values: &'a [f32]) -> Self {
        Self::Shared(values)
    }
}

impl<'a, const N: usize> From<&'a mut [f32; N]> for Parameters<'a> {
    fn from(values: &'a mut [f32; N]) -> Self {
        Self::Own(values)
    }
}

impl<'a, const N: usize> From<&'a [f32; N]> for Parameters<'a> {
    fn from(values: &'a [f32; N]) -> Self {
        Self::Shared(values)
    }
}

#[cfg(feature = "alloc")]
impl<'a> From<&'a mut alloc::vec::Vec<f32>> for Parameters<'a> {
    fn from(values: &'a mut alloc::vec::Vec<f32>) -> Self {
        Self::Own(values)
    }
}

#[cfg(feature = "alloc")]
impl<'a> From<&'a alloc::vec::Vec<f32>> for Parameters<'a> {
    fn from(values: &'a alloc::vec::Vec<f32>) -> Self {
        Self::Shared(values)
    }
}
