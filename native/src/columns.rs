//! Rows to columns, as the buffers of Arrow's layout: bits of validity, then values, or offsets and bytes.
//!
//! Rows may be ours or Python's dictionaries, mixed. What does not fit its column is Python's.

use std::sync::Arc;

use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};

use crate::row::{Row, Value};
use crate::tables::{Table, Type};

const OFFSET_BYTES: usize = 4;
const NUMBER_BYTES: usize = 8;

#[derive(Default)]
struct Bits(Vec<u8>);

impl Bits {
    fn set(&mut self, row: usize) {
        self.pad(row + 1);
        if let Some(byte) = self.0.get_mut(row / 8) {
            *byte |= 1 << (row % 8);
        }
    }

    /// Room for so many rows.
    fn pad(&mut self, rows: usize) {
        if self.0.len() < rows.div_ceil(8) {
            self.0.resize(rows.div_ceil(8), 0);
        }
    }

    /// Nothing from this row on; whether it was set there.
    fn cut(&mut self, row: usize) -> bool {
        let is_set = self.0.get(row / 8).is_some_and(|byte| byte & (1 << (row % 8)) != 0);
        self.0.truncate(row.div_ceil(8));
        if let Some(byte) = self.0.get_mut(row / 8) {
            *byte &= (1 << (row % 8)) - 1;
        }
        is_set
    }
}

/// Texts one after the other, and where each ends.
struct Texts {
    offsets: Vec<u8>,
    bytes: Vec<u8>,
}

impl Default for Texts {
    fn default() -> Self {
        Texts { offsets: vec![0; OFFSET_BYTES], bytes: vec![] }
    }
}

impl Texts {
    fn count(&self) -> usize {
        self.offsets.len() / OFFSET_BYTES - 1
    }

    /// Empty ones up to a row; None where there is more text than an offset can say.
    fn pad(&mut self, row: usize) -> Option<()> {
        let end = i32::try_from(self.bytes.len()).ok()?.to_le_bytes();
        while self.count() < row {
            self.offsets.extend_from_slice(&end);
        }
        Some(())
    }

    fn push(&mut self, text: &[u8]) -> Option<()> {
        self.bytes.extend_from_slice(text);
        self.pad(self.count() + 1)
    }

    /// Nothing from this one on.
    fn cut(&mut self, count: usize) {
        if count <= self.count() {
            self.offsets.truncate((count + 1) * OFFSET_BYTES);
            let end = self.offsets.last_chunk().map_or(0, |end| u32::from_le_bytes(*end));
            self.bytes.truncate(end as usize);
        }
    }
}

enum Values {
    Numbers(Vec<u8>), // eight bytes each, of integers or floats
    Bools(Bits),
    Texts(Texts),
    Maps { entries: Texts, names: Texts, values: Texts }, // of `entries` only the offsets count
}

struct Column {
    filled: usize,
    is_valid: Bits,
    values: Values,
}

impl Column {
    fn new(kind: Type) -> Option<Self> {
        let values = match kind {
            Type::Int | Type::Double => Values::Numbers(vec![]),
            Type::Bool => Values::Bools(Bits::default()),
            Type::Text => Values::Texts(Texts::default()),
            Type::Map => Values::Maps { entries: Texts::default(), names: Texts::default(), values: Texts::default() },
            Type::Other => return None,
        };
        Some(Column { filled: 0, is_valid: Bits::default(), values })
    }

    fn mark(&mut self, row: usize) -> Option<()> {
        self.filled += 1;
        self.is_valid.set(row);
        Some(())
    }

    fn text(&mut self, row: usize, text: &[u8]) -> Option<()> {
        let Values::Texts(texts) = &mut self.values else { return None };
        texts.pad(row)?;
        texts.push(text)?;
        self.mark(row)
    }

    fn number(&mut self, row: usize, bytes: [u8; NUMBER_BYTES]) -> Option<()> {
        let Values::Numbers(numbers) = &mut self.values else { return None };
        numbers.resize(row * NUMBER_BYTES, 0);
        numbers.extend_from_slice(&bytes);
        self.mark(row)
    }

    fn bool(&mut self, row: usize, is_so: bool) -> Option<()> {
        let Values::Bools(bits) = &mut self.values else { return None };
        if is_so {
            bits.set(row);
        }
        self.mark(row)
    }

    fn map<'a>(&mut self, row: usize, pairs: impl Iterator<Item = Option<(&'a [u8], &'a [u8])>>) -> Option<()> {
        let Values::Maps { entries, names, values } = &mut self.values else { return None };
        entries.bytes.resize(names.count(), 0); // the offset of a map counts pairs
        entries.pad(row)?;
        for pair in pairs {
            let (name, value) = pair?;
            names.push(name)?;
            values.push(value)?;
        }
        entries.bytes.resize(names.count(), 0);
        entries.pad(row + 1)?;
        self.mark(row)
    }

    /// Takes back what the row says, which is the last one.
    fn cut(&mut self, row: usize) {
        self.filled -= usize::from(self.is_valid.cut(row));
        match &mut self.values {
            Values::Numbers(numbers) => numbers.truncate(row * NUMBER_BYTES),
            Values::Bools(bits) => {
                bits.cut(row);
            }
            Values::Texts(texts) => texts.cut(row),
            Values::Maps { entries, names, values } => {
                entries.cut(row);
                names.cut(entries.bytes.len());
                values.cut(entries.bytes.len());
            }
        }
    }

    /// (nulls, buffers)
    fn finish(mut self, py: Python<'_>, rows: usize) -> PyResult<Py<PyAny>> {
        let too_long = || PyOverflowError::new_err("more text than a column holds");
        let nulls = rows - self.filled;
        let bytes = |bytes: &[u8]| PyBytes::new(py, bytes).into_any();
        self.is_valid.pad(rows);
        let mut buffers = vec![if nulls > 0 { bytes(&self.is_valid.0) } else { py.None().into_bound(py) }];
        match &mut self.values {
            Values::Numbers(numbers) => {
                numbers.resize(rows * NUMBER_BYTES, 0);
                buffers.push(bytes(numbers));
            }
            Values::Bools(bits) => {
                bits.pad(rows);
                buffers.push(bytes(&bits.0));
            }
            Values::Texts(texts) => {
                texts.pad(rows).ok_or_else(too_long)?;
                buffers.extend([bytes(&texts.offsets), bytes(&texts.bytes)]);
            }
            Values::Maps { entries, names, values } => {
                entries.pad(rows).ok_or_else(too_long)?;
                for part in [&entries.offsets, &names.offsets, &names.bytes, &values.offsets, &values.bytes] {
                    buffers.push(bytes(part));
                }
            }
        }
        let column = [nulls.into_pyobject(py)?.into_any(), PyList::new(py, buffers)?.into_any()];
        Ok(PyTuple::new(py, column)?.into_any().unbind())
    }
}

/// Rows of a table that have become columns.
#[pyclass(module = "replaylake_native")]
pub struct Columns {
    table: Arc<Table>,
    rows: usize,
    columns: Vec<Option<Column>>,
}

#[pymethods]
impl Columns {
    fn __len__(&self) -> usize {
        self.rows
    }

    /// Takes rows up to the first that is Python's; how many it has taken.
    fn add(&mut self, rows: &Bound<'_, PyList>) -> PyResult<usize> {
        let py = rows.py();
        for (number, row) in rows.iter().enumerate() {
            let added = if let Ok(row) = row.cast_exact::<Row>() {
                self.add_row(py, &*row.try_borrow()?)
            } else if let Ok(row) = row.cast_exact::<PyDict>() {
                self.add_dict(row)
            } else {
                None
            };
            if added.is_none() {
                for column in self.columns.iter_mut().flatten() {
                    column.cut(self.rows);
                }
                return Ok(number);
            }
            self.rows += 1;
        }
        Ok(rows.len())
    }

    /// Gives the columns away, and begins anew: for each that has a value the number of nulls and its buffers as Arrow
    /// lays them out, None for one without.
    fn take(&mut self, py: Python<'_>) -> PyResult<Vec<Option<Py<PyAny>>>> {
        let rows = std::mem::take(&mut self.rows);
        let empty = self.table.names.iter().map(|_| None).collect();
        let mut found = vec![];
        for column in std::mem::replace(&mut self.columns, empty) {
            let column = column.filter(|column| column.filled > 0);
            found.push(column.map(|column| column.finish(py, rows)).transpose()?);
        }
        Ok(found)
    }
}

impl Columns {
    /// None for a table with a column that only Python can fill.
    pub fn of(table: Arc<Table>) -> Option<Self> {
        let columns = table.names.iter().map(|_| None).collect();
        (!table.types.contains(&Type::Other)).then_some(Columns { table, rows: 0, columns })
    }

    fn column(&mut self, number: u16) -> Option<&mut Column> {
        let column = self.columns.get_mut(number as usize)?;
        if column.is_none() {
            *column = Some(Column::new(*self.table.types.get(number as usize)?)?);
        }
        column.as_mut()
    }

    fn add_row(&mut self, py: Python<'_>, row: &Row) -> Option<()> {
        if !Arc::ptr_eq(&row.table, &self.table) || !row.is_all_declared() {
            return None;
        }
        let at = self.rows;
        for cell in row.filled() {
            let kind = *self.table.types.get(cell.column as usize)?;
            match &cell.value {
                Value::Object(object) => self.add_object(cell.column, object.bind(py))?,
                Value::Int(number) if kind == Type::Int => {
                    self.column(cell.column)?.number(at, number.to_le_bytes())?
                }
                Value::Float(number) if kind == Type::Double => {
                    self.column(cell.column)?.number(at, number.to_bits().to_le_bytes())?
                }
                Value::Bool(is_so) => self.column(cell.column)?.bool(at, *is_so)?,
                Value::Custom => self.column(cell.column)?.map(at, row.custom(py).map(Some))?,
                text => self.column(cell.column)?.text(at, row.text(py, text)?)?,
            }
        }
        Some(())
    }

    fn add_dict(&mut self, row: &Bound<'_, PyDict>) -> Option<()> {
        for (name, value) in row.iter() {
            let column = self.table.number(&name)?;
            self.add_object(column, &value)?;
        }
        Some(())
    }

    /// A value of exactly the type that the column has.
    fn add_object(&mut self, number: u16, value: &Bound<'_, PyAny>) -> Option<()> {
        if value.is_none() {
            return Some(());
        }
        let at = self.rows;
        let kind = *self.table.types.get(number as usize)?;
        let column = self.column(number)?;
        match kind {
            Type::Text => column.text(at, text_of(value)?),
            Type::Int => {
                let number: i64 = value.cast_exact::<PyInt>().ok()?.extract().ok()?;
                column.number(at, number.to_le_bytes())
            }
            Type::Double => {
                let number: f64 = value.cast_exact::<PyFloat>().ok()?.extract().ok()?;
                column.number(at, number.to_bits().to_le_bytes())
            }
            Type::Bool => column.bool(at, value.cast_exact::<PyBool>().ok()?.is_true()),
            Type::Map => {
                let pairs: Vec<(Bound<'_, PyAny>, Bound<'_, PyAny>)> =
                    value.cast_exact::<PyDict>().ok()?.iter().collect();
                column.map(at, pairs.iter().map(|(name, value)| Some((text_of(name)?, text_of(value)?))))
            }
            Type::Other => None,
        }
    }
}

/// None for what is no text, or none of Unicode.
fn text_of<'a>(value: &'a Bound<'_, PyAny>) -> Option<&'a [u8]> {
    value.cast::<PyString>().ok()?.to_str().ok().map(str::as_bytes)
}
