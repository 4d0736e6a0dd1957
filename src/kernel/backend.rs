//! Which instruction sets there are, and which of them this processor can run.

#[cfg(target_arch = "x86_64")]
use super::x86;

/// An instruction set that kernels exist for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Plain Rust, the fused multiply-add in software.
    Portable,
    /// Arm Cortex-M with a single-precision floating-point unit (M4F, M7, M33).
    Thumb,
    /// aarch64 with NEON.
    Neon,
    /// x86-64 with AVX2 and FMA.
    Avx2,
    /// x86-64 with AVX-512F.
    Avx512,
}

impl Backend {
    /// Every backend, the slowest first.
    pub const ALL: [Self; 5] = [Self::Portable, Self::Thumb, Self::Neon, Self::Avx2, Self::Avx512];

    /// The name that options and reports use: `portable`, `thumb`, `neon`, `avx2`, `avx512`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Thumb => "thumb",
            Self::Neon => "neon",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    /// The backend of this [`name`](Self::name).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|backend| backend.name() == name)
    }

    /// True when this processor and its operating system can run it.
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            Self::Thumb => cfg!(all(
                target_arch = "arm",
                target_os = "none",
                target_abi = "eabihf",
                not(target_has_atomic = "64")
            )),
            Self::Neon => cfg!(all(target_arch = "aarch64", target_feature = "neon")),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => x86::has_avx2(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => x86::has_avx512(),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512 => false,
        }
    }
}

/// A backend that this processor can run. All kernels are methods of it.
///
/// Having one is the proof that the instructions are there: [`new`](Self::new) asks the processor
/// once, calls only branch on the backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel {
    backend: Backend,
}

impl Kernel {
    /// The fastest backend that this processor can run.
    pub fn auto() -> Self {
        Backend::ALL.into_iter().rev().find_map(Self::new).unwrap_or(Self::portable())
    }

    /// The backend that every processor can run.
    pub const fn portable() -> Self {
        Self { backend: Backend::Portable }
    }

    /// `backend`, if this processor can run it.
    pub fn new(backend: Backend) -> Option<Self> {
        backend.is_available().then_some(Self { backend })
    }

    /// Which backend this is.
    #[inline]
    pub const fn backend(self) -> Backend {
        // Known when it is compiled, so that the other's code takes no flash. The bits are the same.
        #[cfg(all(
            feature = "one-backend",
            target_arch = "arm",
            target_os = "none",
            target_abi = "eabihf",
            not(target_has_atomic = "64")
        ))]
        return Backend::Thumb;
        #[cfg(not(all(
            feature = "one-backend",
            target_arch = "arm",
            target_os = "none",
            target_abi = "eabihf",
            not(target_has_atomic = "64")
        )))]
        self.backend
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_backends() {
        for backend in Backend::ALL {
            assert_eq!(Backend::from_name(backend.name()), Some(backend));
        }
        assert_eq!(Backend::from_name("auto"), None);
    }

    #[test]
    fn auto_takes_the_fastest_that_is_available() {
        let fastest = Backend::ALL.into_iter().rfind(|backend| backend.is_available());
        assert_eq!(Some(Kernel::auto().backend()), fastest);
    }
}
