//! Work on two threads, where that is worth it.

/// Runs both closures: on two threads if `parallel`, and otherwise one after the other.
pub(crate) fn join_if(parallel: bool, left: impl FnOnce() + Send, right: impl FnOnce() + Send) {
    if parallel {
        rayon::join(left, right);
    } else {
        left();
        right();
    }
}
