//! The same operations give the same history, to the last completion.

use proptest::prelude::*;

use crate::interleavings::{Op, Run, ops};
use crate::intervals;

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

    #[test]
    fn so_do_those_on_isochronous_endpoints(ops in intervals::ops()) {
        let history = || {
            let mut run = intervals::Run::new();
            for op in &ops {
                run.apply(op);
            }
            run.log
        };
        prop_assert_eq!(history(), history());
    }
}
