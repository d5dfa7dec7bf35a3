//! The last values that rows have: `operators/rows/last_values.py`.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};

use crate::row::Row;
use crate::tables::Table;

/// Names with their numbers in each table that was met.
struct Wanted<'py> {
    names: Vec<Bound<'py, PyString>>,
    numbers: Vec<(Arc<Table>, Vec<Option<u16>>)>,
}

impl Wanted<'_> {
    fn numbers(&mut self, table: &Arc<Table>) -> &[Option<u16>] {
        let found = self.numbers.iter().position(|(known, _)| Arc::ptr_eq(known, table)).unwrap_or_else(|| {
            let numbers = self.names.iter().map(|name| table.number(name)).collect();
            self.numbers.push((table.clone(), numbers));
            self.numbers.len() - 1
        });
        self.numbers.get(found).map_or(&[], |(_, numbers)| numbers)
    }
}

pub fn last_values<'py>(
    rows: &Bound<'py, PyList>,
    names: Vec<Bound<'py, PyString>>,
    only: Option<(Bound<'py, PyString>, Bound<'py, PyAny>)>,
) -> PyResult<Bound<'py, PyDict>> {
    let found = PyDict::new(rows.py());
    let mut missing: Vec<usize> = (0..names.len()).collect();
    let mut wanted = Wanted { names, numbers: vec![] };
    for at in (0..rows.len()).rev() {
        if missing.is_empty() {
            break;
        }
        let row = rows.get_item(at)?;
        let mut kept = Vec::with_capacity(missing.len());
        if let Ok(row) = row.cast_exact::<Row>() {
            let row = row.try_borrow()?;
            if !counts(only.as_ref(), |name| row.find(name))? {
                continue;
            }
            let table = row.table.clone();
            for place in missing {
                let number = wanted.numbers(&table).get(place).copied().flatten();
                let is_there = number.is_none_or(|number| row.has(number));
                match wanted.names.get(place).filter(|_| is_there) {
                    Some(name) => match row.find(name)? {
                        Some(value) => found.set_item(name, value)?,
                        None => kept.push(place),
                    },
                    None => kept.push(place),
                }
            }
        } else {
            let row = row.cast::<PyDict>()?;
            if !counts(only.as_ref(), |name| row.get_item(name))? {
                continue;
            }
            for place in missing {
                match wanted.names.get(place).map(|name| row.get_item(name)).transpose()?.flatten() {
                    Some(value) => found.set_item(wanted.names.get(place), value)?,
                    None => kept.push(place),
                }
            }
        }
        missing = kept;
    }
    Ok(found)
}

fn counts<'py>(
    only: Option<&(Bound<'py, PyString>, Bound<'py, PyAny>)>,
    find: impl FnOnce(&Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>>,
) -> PyResult<bool> {
    let Some((name, wanted)) = only else { return Ok(true) };
    match find(name)? {
        Some(value) => value.eq(wanted),
        None => Ok(wanted.is_none()),
    }
}
