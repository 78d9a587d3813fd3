//! A variable for each step of an episode.

use arrayvec::ArrayVec;
use autograd::Var;

/// The most glimpses in an episode.
pub const MAX_GLIMPSES: usize = 64;

/// One variable for each step, in the order of the steps; there is room for one more, since l₀ may be chosen too. It lives on the
/// stack, so an episode allocates nothing.
pub type Steps<'t, R> = ArrayVec<Var<'t, R>, { MAX_GLIMPSES + 1 }>;
