//! Rows to columns, as the buffers of Arrow's layout: bits of validity, then values, or offsets and bytes.
//!
//! Rows may be ours or Python's dictionaries, mixed. What does not fit its column makes all of it Python's.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};

use crate::row::{Row, Value};
use crate::tables::{Table, Type};

const OFFSET_BYTES: usize = 4;
const NUMBER_BYTES: usize = 8;

struct Bits(Vec<u8>);

impl Bits {
    fn new(rows: usize) -> Self {
        Bits(vec![0; rows.div_ceil(8)])
    }

    fn set(&mut self, row: usize) -> Option<()> {
        *self.0.get_mut(row / 8)? |= 1 << (row % 8);
        Some(())
    }
}

/// Texts one after the other, and where each ends.
struct Texts {
    offsets: Vec<u8>,
    bytes: Vec<u8>,
}

impl Texts {
    fn new(rows: usize) -> Self {
        let mut offsets = Vec::with_capacity((rows + 1) * OFFSET_BYTES);
        offsets.extend_from_slice(&[0; OFFSET_BYTES]);
        Texts { offsets, bytes: vec![] }
    }

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
    fn new(kind: Type, rows: usize) -> Option<Self> {
        let values = match kind {
            Type::Int | Type::Double => Values::Numbers(vec![0; rows * NUMBER_BYTES]),
            Type::Bool => Values::Bools(Bits::new(rows)),
            Type::Text => Values::Texts(Texts::new(rows)),
            Type::Map => Values::Maps { entries: Texts::new(rows), names: Texts::new(rows), values: Texts::new(rows) },
            Type::Other => return None,
        };
        Some(Column { filled: 0, is_valid: Bits::new(rows), values })
    }

    fn mark(&mut self, row: usize) -> Option<()> {
        self.filled += 1;
        self.is_valid.set(row)
    }

    fn text(&mut self, row: usize, text: &[u8]) -> Option<()> {
        let Values::Texts(texts) = &mut self.values else { return None };
        texts.pad(row)?;
        texts.push(text)?;
        self.mark(row)
    }

    fn number(&mut self, row: usize, bytes: [u8; NUMBER_BYTES]) -> Option<()> {
        let Values::Numbers(numbers) = &mut self.values else { return None };
        let start = row * NUMBER_BYTES;
        numbers.get_mut(start..start + NUMBER_BYTES)?.copy_from_slice(&bytes);
        self.mark(row)
    }

    fn bool(&mut self, row: usize, is_so: bool) -> Option<()> {
        let Values::Bools(bits) = &mut self.values else { return None };
        if is_so {
            bits.set(row)?;
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

    /// (nulls, buffers)
    fn finish(mut self, py: Python<'_>, rows: usize) -> PyResult<Option<Py<PyAny>>> {
        let nulls = rows - self.filled;
        let bytes = |bytes: &[u8]| PyBytes::new(py, bytes).into_any();
        let mut buffers = vec![if nulls > 0 { bytes(&self.is_valid.0) } else { py.None().into_bound(py) }];
        match &mut self.values {
            Values::Numbers(numbers) => buffers.push(bytes(numbers)),
            Values::Bools(bits) => buffers.push(bytes(&bits.0)),
            Values::Texts(texts) => {
                if texts.pad(rows).is_none() {
                    return Ok(None);
                }
                buffers.extend([bytes(&texts.offsets), bytes(&texts.bytes)]);
            }
            Values::Maps { entries, names, values } => {
                if entries.pad(rows).is_none() {
                    return Ok(None);
                }
                for part in [&entries.offsets, &names.offsets, &names.bytes, &values.offsets, &values.bytes] {
                    buffers.push(bytes(part));
                }
            }
        }
        Ok(Some(
            PyTuple::new(py, [nulls.into_pyobject(py)?.into_any(), PyList::new(py, buffers)?.into_any()])?
                .into_any()
                .unbind(),
        ))
    }
}

/// What is filled in so far.
struct Filling<'t> {
    table: &'t Table,
    rows: usize,
    columns: Vec<Option<Column>>,
}

impl Filling<'_> {
    fn column(&mut self, number: u16) -> Option<&mut Column> {
        let column = self.columns.get_mut(number as usize)?;
        if column.is_none() {
            *column = Some(Column::new(*self.table.types.get(number as usize)?, self.rows)?);
        }
        column.as_mut()
    }

    fn add_row(&mut self, py: Python<'_>, at: usize, row: &Row) -> Option<()> {
        if !std::ptr::eq(&*row.table, self.table) || !row.is_all_declared() {
            return None;
        }
        for cell in row.filled() {
            let kind = *self.table.types.get(cell.column as usize)?;
            match &cell.value {
                Value::Object(object) => self.add_object(at, cell.column, object.bind(py))?,
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

    fn add_dict(&mut self, at: usize, row: &Bound<'_, PyDict>) -> Option<()> {
        for (name, value) in row.iter() {
            let column = self.table.number(&name)?;
            self.add_object(at, column, &value)?;
        }
        Some(())
    }

    /// A value of exactly the type that the column has.
    fn add_object(&mut self, at: usize, number: u16, value: &Bound<'_, PyAny>) -> Option<()> {
        if value.is_none() {
            return self.column(number).map(|_| ());
        }
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

pub fn columns(py: Python<'_>, table: &Table, rows: &Bound<'_, PyList>) -> PyResult<Option<Vec<Option<Py<PyAny>>>>> {
    let mut filling = Filling { table, rows: rows.len(), columns: table.names.iter().map(|_| None).collect() };
    for (at, row) in rows.iter().enumerate() {
        let added = if let Ok(row) = row.cast_exact::<Row>() {
            filling.add_row(py, at, &*row.try_borrow()?)
        } else if let Ok(row) = row.cast_exact::<PyDict>() {
            filling.add_dict(at, row)
        } else {
            None
        };
        if added.is_none() {
            return Ok(None);
        }
    }
    let count = filling.rows;
    let mut found = vec![];
    for column in filling.columns {
        match column.map(|column| column.finish(py, count)).transpose()? {
            Some(None) => return Ok(None),
            Some(column) => found.push(column),
            None => found.push(None),
        }
    }
    Ok(Some(found))
}
