//! Where blocks come from.

use super::{BlockInput, Selection};

/// A place that holds blocks, each with its pre-state: files, an archive, a node.
pub trait BlockSource {
    /// What is wrong with the source, or with a block in it.
    type Error: std::error::Error + Send + Sync + 'static;

    /// How many blocks are selected.
    fn count(&self, selection: &Selection) -> Result<usize, Self::Error>;

    /// Reads the selected blocks one after the other and calls `visit` with the name of each and
    /// the block, or what is wrong with it: the next one may still be good. Returns how many.
    fn visit<E: From<Self::Error>>(
        &self,
        selection: &Selection,
        visit: impl FnMut(&str, Result<BlockInput, Self::Error>) -> Result<(), E>,
    ) -> Result<usize, E>;
}
