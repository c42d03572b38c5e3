//! Isochronous transfers, on a `dummy_hcd` that has them: `cargo xtask vm --isochronous --icount`.

mod cards;
mod packets;

use crate::runner::Test;

pub(crate) fn tests() -> Vec<Test> {
    [cards::tests(), packets::tests()].concat()
}
