//! A line's row: what the body says, read once and kept as places in it, until somebody asks for a value.
//!
//! To Python it is a mapping like the dictionary that it stands for, in the same order.

use std::sync::Arc;

use pyo3::exceptions::{PyKeyError, PyUnicodeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyIterator, PyList, PyString, PyTuple};
use pyo3::IntoPyObjectExt;

use crate::scan::Span;
use crate::tables::Table;

/// A value of a column, of its type. Two words, as `Scanned`.
#[repr(u64)]
pub enum Value {
    Text(Span), // of the body
    Made(Span), // of `Row::made`
    Int(i64),
    Float(f64),
    Bool(bool),
    Custom,            // what `Row::custom` holds
    Object(Py<PyAny>), // set by Python
}

pub struct Cell {
    pub column: u16,
    pub value: Value,
}

const ABSENT: u8 = u8::MAX;
pub const CELLS_MAX: usize = ABSENT as usize - 1;

/// `places`: of each column the number of its cell. A cell that no place names was taken out.
#[pyclass(mapping, module = "replaylake_native")]
pub struct Row {
    pub table: Arc<Table>,
    pub body: Py<PyBytes>,
    pub made: Vec<u8>,              // texts that do not stand in the body as they are
    pub custom: Vec<(Span, Value)>, // name in the body, text
    pub cells: Vec<Cell>,
    places: Box<[u8]>,
    other: Option<Py<PyDict>>, // what no column takes; never from a line
}

impl Row {
    pub fn new(table: Arc<Table>, body: Py<PyBytes>, capacity: usize) -> Self {
        let places = vec![ABSENT; table.names.len()].into_boxed_slice();
        let cells = Vec::with_capacity(capacity);
        Row { table, body, made: vec![], custom: vec![], cells, places, other: None }
    }

    /// Adds a value; None if the column has one already, or there are too many.
    pub fn add(&mut self, column: u16, value: Value) -> Option<()> {
        let place = self.places.get_mut(column as usize).filter(|place| **place == ABSENT)?;
        if self.cells.len() >= CELLS_MAX {
            return None;
        }
        *place = self.cells.len() as u8;
        self.cells.push(Cell { column, value });
        Some(())
    }

    fn cell(&self, column: u16) -> Option<&Cell> {
        let place = *self.places.get(column as usize)?;
        self.cells.get(place as usize)
    }

    /// The cells that count, in order.
    pub fn filled(&self) -> impl Iterator<Item = &Cell> {
        let counts = |(number, cell): &(usize, &Cell)| self.places.get(cell.column as usize) == Some(&(*number as u8));
        self.cells.iter().enumerate().filter(counts).map(|(_, cell)| cell)
    }

    pub fn is_all_declared(&self) -> bool {
        self.other.is_none()
    }

    pub fn text<'a>(&'a self, py: Python<'a>, value: &Value) -> Option<&'a [u8]> {
        match value {
            Value::Text(span) => Some(span.of(self.body.as_bytes(py))),
            Value::Made(span) => Some(span.of(&self.made)),
            _ => None,
        }
    }

    /// Names and texts of what no column takes.
    pub fn custom<'a>(&'a self, py: Python<'a>) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let body = self.body.as_bytes(py);
        self.custom.iter().map(move |(name, value)| (name.of(body), self.text(py, value).unwrap_or_default()))
    }

    fn object<'py>(&self, py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
        if let Some(text) = self.text(py, value) {
            return Ok(PyString::new(py, utf8(text)?).into_any());
        }
        match value {
            Value::Int(number) => number.into_bound_py_any(py),
            Value::Float(number) => number.into_bound_py_any(py),
            Value::Bool(is_so) => is_so.into_bound_py_any(py),
            Value::Object(object) => Ok(object.bind(py).clone()),
            _ => {
                let custom = PyDict::new(py);
                for (name, value) in self.custom(py) {
                    custom.set_item(utf8(name)?, utf8(value)?)?;
                }
                Ok(custom.into_any())
            }
        }
    }

    pub fn has(&self, column: u16) -> bool {
        self.cell(column).is_some()
    }

    pub fn find<'py>(&self, name: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self.table.number(name) {
            Some(column) => self.cell(column).map(|cell| self.object(name.py(), &cell.value)).transpose(),
            None => self.other.as_ref().map_or(Ok(None), |other| other.bind(name.py()).get_item(name)),
        }
    }

    fn set(&mut self, name: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = name.py();
        let Some(column) = self.table.number(name) else {
            return self.other.get_or_insert_with(|| PyDict::new(py).unbind()).bind(py).set_item(name, value);
        };
        let place = self.places.get(column as usize).copied().unwrap_or(ABSENT);
        let value = Value::Object(value.clone().unbind());
        if let Some(cell) = self.cells.get_mut(place as usize) {
            cell.value = value;
        } else {
            if self.cells.len() >= CELLS_MAX {
                self.forget_removed();
            }
            self.add(column, value).ok_or_else(|| PyKeyError::new_err("too many columns in a row"))?;
        }
        Ok(())
    }

    fn forget_removed(&mut self) {
        let places = &mut self.places;
        let mut number = 0..;
        let mut kept = 0u8;
        self.cells.retain(|cell| {
            let is_kept = places.get(cell.column as usize).copied().map(usize::from) == number.next();
            if let Some(place) = places.get_mut(cell.column as usize).filter(|_| is_kept) {
                *place = kept;
                kept += 1;
            }
            is_kept
        });
    }

    fn remove(&mut self, name: &Bound<'_, PyAny>) -> PyResult<()> {
        if let Some(column) = self.table.number(name) {
            if let Some(place) = self.places.get_mut(column as usize) {
                *place = ABSENT;
            }
        } else if let Some(other) = &self.other {
            other.bind(name.py()).del_item(name)?;
        }
        Ok(())
    }

    pub fn as_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let row = PyDict::new(py);
        for cell in self.filled() {
            if let Some(name) = self.table.names.get(cell.column as usize) {
                row.set_item(name, self.object(py, &cell.value)?)?;
            }
        }
        if let Some(other) = &self.other {
            row.update(other.bind(py).as_mapping())?;
        }
        Ok(row)
    }

    fn take_all(&mut self, values: &Bound<'_, PyAny>) -> PyResult<()> {
        if let Ok(values) = values.cast::<PyDict>() {
            for (name, value) in values.iter() {
                self.set(&name, &value)?;
            }
            return Ok(());
        }
        let row = PyDict::new(values.py());
        row.update(values.cast()?)?;
        self.take_all(row.as_any())
    }
}

fn utf8(text: &[u8]) -> PyResult<&str> {
    std::str::from_utf8(text).map_err(|_| PyUnicodeError::new_err("a text that is not UTF-8"))
}

#[pymethods]
impl Row {
    fn __len__(&self) -> usize {
        self.filled().count()
    }

    fn __contains__(&self, name: &Bound<'_, PyAny>) -> PyResult<bool> {
        Ok(match self.table.number(name) {
            Some(column) => self.cell(column).is_some(),
            None => self.find(name)?.is_some(),
        })
    }

    fn __getitem__<'py>(&self, name: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.find(name)?.ok_or_else(|| PyKeyError::new_err(name.clone().unbind()))
    }

    fn __setitem__(&mut self, name: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.set(name, value)
    }

    fn __delitem__(&mut self, name: &Bound<'_, PyAny>) -> PyResult<()> {
        self.__getitem__(name)?;
        self.remove(name)
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        self.keys(py)?.try_iter()
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> PyResult<bool> {
        let own = self.as_dict(other.py())?;
        match other.cast::<Row>() {
            Ok(row) => own.eq(row.try_borrow()?.as_dict(other.py())?),
            Err(_) => own.eq(other),
        }
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(self.as_dict(py)?.repr()?.to_string())
    }

    fn __or__<'py>(&self, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
        let row = self.as_dict(other.py())?;
        row.update(other.cast()?)?;
        Ok(row)
    }

    fn __ror__<'py>(&self, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
        let row = other.cast::<PyDict>()?.copy()?;
        row.update(self.as_dict(other.py())?.as_mapping())?;
        Ok(row)
    }

    fn __ior__(&mut self, other: &Bound<'_, PyAny>) -> PyResult<()> {
        self.take_all(other)
    }

    #[pyo3(signature = (name, default = None))]
    fn get<'py>(
        &self,
        name: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(self.find(name)?.or(default))
    }

    #[pyo3(signature = (name, default = None))]
    fn setdefault<'py>(
        &mut self,
        name: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        if let Some(found) = self.find(name)? {
            return Ok(Some(found));
        }
        let value = default.clone().unwrap_or_else(|| name.py().None().into_bound(name.py()));
        self.set(name, &value)?;
        Ok(default)
    }

    #[pyo3(signature = (name, *default))]
    fn pop<'py>(&mut self, name: &Bound<'py, PyAny>, default: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        match self.find(name)? {
            Some(found) => self.remove(name).map(|()| found),
            None => default.get_item(0).map_err(|_| PyKeyError::new_err(name.clone().unbind())),
        }
    }

    fn update(&mut self, values: &Bound<'_, PyAny>) -> PyResult<()> {
        self.take_all(values)
    }

    fn keys<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        Ok(self.as_dict(py)?.keys())
    }

    fn values<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        Ok(self.as_dict(py)?.values())
    }

    fn items<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        Ok(self.as_dict(py)?.items())
    }
}
