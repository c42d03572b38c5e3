//! The same operations give the same history, to the last completion.

use proptest::prelude::*;

use crate::interleavings::{Op, Run, ops};

fn history(ops: &[Op]) -> String {
    let mut run = Run::new();
    for op in ops {
        run.apply(op);
    }
    run.finish();
    run.log
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn the_same_operations_give_the_same_history(ops in ops()) {
        prop_assert_eq!(history(&ops), history(&ops));
    }
}
