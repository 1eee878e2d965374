//! Which paths a route takes, and what it makes of them.

mod examples;
mod expression;
mod path_match;
mod rewrite;
mod samples;

pub use self::examples::examples;
pub use self::expression::Expression;
pub use self::path_match::{PathMatch, Pattern};
pub use self::rewrite::Rewrite;
pub use self::samples::{
    gated_by, may_begin, odd_spellings, plain_path, samples, samples_filled, spellings,
};

/// Whether something is so of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Yes,
    No,
    /// The files do not say.
    Maybe,
}

impl From<bool> for Answer {
    fn from(is_so: bool) -> Self {
        if is_so { Self::Yes } else { Self::No }
    }
}
