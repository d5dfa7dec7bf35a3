//! The tables of the lake as they are declared, and what a row's value is before Python asks for it.

use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};

use crate::columns::Columns;

/// Types of columns that the leaf fills; the others are Python's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Type {
    Text,
    Int,
    Double,
    Bool,
    Map,
    Other,
}

impl Type {
    fn named(name: &str) -> Type {
        match name {
            "string" => Type::Text,
            "int64" | "timestamp" => Type::Int,
            "double" => Type::Double,
            "bool" => Type::Bool,
            "map<string,string>" => Type::Map,
            _ => Type::Other,
        }
    }
}

/// One table. A column's number is its place in the schema.
pub struct Table {
    pub names: Vec<Py<PyString>>,
    pub types: Vec<Type>,
    by_name: Py<PyDict>,
    pub time: Option<u16>,
    pub custom: Option<u16>,
}

impl Table {
    fn new(py: Python<'_>, columns: &[(Py<PyString>, String)]) -> PyResult<Self> {
        let by_name = PyDict::new(py);
        let mut table =
            Table { names: vec![], types: vec![], by_name: by_name.clone().unbind(), time: None, custom: None };
        for (name, kind) in columns {
            let number = u16::try_from(table.names.len())?;
            by_name.set_item(name, number)?;
            table.names.push(name.clone_ref(py));
            table.types.push(Type::named(kind));
        }
        table.time = table.number(name(py, "time").as_any());
        table.custom = table.number(name(py, "custom").as_any());
        Ok(table)
    }

    /// The number of a column; None for a name that the table does not declare.
    pub fn number(&self, name: &Bound<'_, PyAny>) -> Option<u16> {
        self.by_name.bind(name.py()).get_item(name).ok()??.extract().ok()
    }
}

fn name<'py>(py: Python<'py>, text: &str) -> Bound<'py, PyString> {
    PyString::new(py, text)
}

/// A column's name and declared type.
type Column = (Py<PyString>, String);

/// All tables, by name: what rows and columns are made by.
#[pyclass(frozen, module = "replaylake_native")]
pub struct Tables {
    pub by_name: Vec<(String, Arc<Table>)>,
}

#[pymethods]
impl Tables {
    /// `tables`: name, and columns with their declared types in the order of the schema.
    #[new]
    fn new(py: Python<'_>, tables: Vec<(String, Vec<Column>)>) -> PyResult<Self> {
        let mut by_name = vec![];
        for (table, columns) in tables {
            by_name.push((table, Arc::new(Table::new(py, &columns)?)));
        }
        Ok(Tables { by_name })
    }

    /// For rows of a table; None for one with a column that only Python can fill.
    fn columns(&self, table: &str) -> PyResult<Option<Columns>> {
        Ok(Columns::of(self.table(table)?))
    }

    /// Of each of these names the value that stands last in the rows, which are ours or dictionaries; `only`: a name and
    /// the value under it that rows must have to count, None where they have none.
    #[pyo3(signature = (rows, names, only = None))]
    fn last_values<'py>(
        &self,
        rows: &Bound<'py, PyList>,
        names: Vec<Bound<'py, PyString>>,
        only: Option<(Bound<'py, PyString>, Bound<'py, PyAny>)>,
    ) -> PyResult<Bound<'py, PyDict>> {
        crate::last::last_values(rows, names, only)
    }
}

impl Tables {
    pub fn table(&self, name: &str) -> PyResult<Arc<Table>> {
        let found = self.by_name.iter().find(|(known, _)| known == name);
        found.map(|(_, table)| table.clone()).ok_or_else(|| PyValueError::new_err(format!("no table {name:?}")))
    }
}
