//! The hot path of RUM lines, two steps of replay's and two of the intake's. Python decides everything; what is here does
//! the usual case of it in one step, and says None for anything else. docs/decisions/0020-compiled-leaf.md

mod columns;
mod guance;
mod item;
mod last;
mod names;
mod numbers;
mod pages;
mod protocol;
mod requests;
mod row;
mod scan;
mod tables;
mod windows;

use pyo3::prelude::*;

#[pymodule]
fn replaylake_native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<tables::Tables>()?;
    module.add_class::<row::Row>()?;
    module.add_class::<columns::Columns>()?;
    module.add_class::<guance::GuanceLines>()?;
    module.add_function(wrap_pyfunction!(windows::plain_window, module)?)?;
    module.add_function(wrap_pyfunction!(pages::is_utf8, module)?)?;
    module.add_function(wrap_pyfunction!(pages::link_styles, module)?)?;
    module.add_function(wrap_pyfunction!(requests::only_session, module)?)?;
    module.add_function(wrap_pyfunction!(requests::form_fields, module)?)
}
