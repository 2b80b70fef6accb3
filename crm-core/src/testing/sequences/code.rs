//! A sequence as the code of a test.

use super::Step;
use std::fmt::Write;

/// The test that does these steps. `harness()` is what the suite's test module has under this name.
pub(super) fn test(steps: &[Step]) -> String {
    let mut code = String::from(
        "#[test]\nfn the_storage_and_the_model_agree() {\n    \
         use crm_core::testing::sequences::*;\n    replay(harness(), &[\n",
    );
    for step in steps {
        writeln!(code, "        {},", expression(step)).unwrap();
    }
    code.push_str("    ]);\n}\n");
    code
}

/// A step as an expression. Its `Debug` form is one but for the vectors, and no text that leads are
/// made of has a bracket in it.
fn expression(step: &Step) -> String {
    format!("{step:?}").replace('[', "vec![")
}
