//! Guance lines to rows: `operators/families/guance/rows.py` for a line as the SDK makes it.

use std::io::Write;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyFloat, PyList};

use crate::item::{read_json, Maker, Terms, RULE_NAMES};
use crate::names::{NameId, Names, UNKNOWN};
use crate::numbers::{double, is_duration, scaled, scaled_int, whole};
use crate::protocol::{known, Desk, Found, Reader};
use crate::row::{Row, Value};
use crate::scan::{unescape, Scanned, Scanner, Span};
use crate::tables::{Table, Tables};

const US_PER_MS: i64 = 1_000;
const NS_PER_MS: i64 = 1_000_000;
const CUSTOM_MAX: usize = 64; // a line with more of them is Python's

/// How a value as sent becomes one of its column.
#[derive(Clone, Copy, PartialEq)]
enum Conversion {
    Text,
    Id, // a text that may come as a number
    Int,
    Nanoseconds,
    MsAsNs,
    Double,
    Bool,
    Time,
}

impl Conversion {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "text" => Conversion::Text,
            "id" => Conversion::Id,
            "int" => Conversion::Int,
            "ns" => Conversion::Nanoseconds,
            "ms as ns" => Conversion::MsAsNs,
            "double" => Conversion::Double,
            "bool" => Conversion::Bool,
            "time" => Conversion::Time,
            _ => return None,
        })
    }
}

/// One measurement: its table, and by the number of a name the column that takes it.
struct Measurement {
    name: Vec<u8>,
    kind: Py<PyAny>,
    table: Arc<Table>,
    columns: Vec<Option<(u16, Conversion)>>,
}

struct Attribute {
    id: NameId,
    name: Span,
    value: Scanned,
    is_tag: bool,
}

/// A line's parts, in the order in which they stand.
#[derive(Default)]
struct Line {
    measurement: Option<Span>,
    time: Option<Scanned>,
    attributes: Vec<Attribute>,
    seen: Vec<bool>, // by the number of a name
    has_tags: bool,
    has_fields: bool,
}

/// What a line of Guance becomes: an item when it comes, a row when its window closes.
#[pyclass(module = "replaylake_native")]
pub struct GuanceLines {
    names: Names,
    is_rule: Vec<bool>, // by the number of a name
    maker: Maker,
    desk: Desk,
    measurements: Vec<Measurement>,
    as_text: Py<PyAny>,
    line: Line,
}

type Declared = (String, Py<PyAny>, String, Vec<(String, u16, String)>);

#[pymethods]
impl GuanceLines {
    /// `measurements`: name, kind, table, and what it reads: name, number of the column, conversion. `as_text`: the
    /// text of a float. `item`: the class of items, `kinds`: their numbers by measurement.
    #[new]
    fn new(
        py: Python<'_>,
        tables: &Tables,
        measurements: Vec<Declared>,
        as_text: Py<PyAny>,
        item: Py<PyAny>,
        family: Py<PyAny>,
    ) -> PyResult<Self> {
        let kinds = PyDict::new(py);
        for (name, kind, _, _) in &measurements {
            kinds.set_item(name, kind)?;
        }
        let maker = Maker::new(item, family, &kinds)?;
        let unknown = || pyo3::exceptions::PyValueError::new_err("unknown conversion, or too many names");
        let mut names = Names::default();
        let mut found = vec![];
        for (name, kind, table, sources) in measurements {
            let mut columns = vec![];
            for (source, column, conversion) in sources {
                let id = names.declare(&source).ok_or_else(unknown)? as usize;
                columns.resize(names.count().max(columns.len()), None);
                if let Some(place) = columns.get_mut(id) {
                    *place = Some((column, Conversion::named(&conversion).ok_or_else(unknown)?));
                }
            }
            found.push(Measurement { name: name.into_bytes(), kind, table: tables.table(&table)?, columns });
        }
        let mut is_rule = vec![];
        for name in RULE_NAMES {
            let id = names.declare(name).ok_or_else(unknown)? as usize;
            is_rule.resize(names.count(), false);
            if let Some(known) = is_rule.get_mut(id) {
                *known = true;
            }
        }
        Ok(GuanceLines {
            names,
            is_rule,
            maker,
            desk: Desk::default(),
            measurements: found,
            as_text,
            line: Line::default(),
        })
    }

    /// The item of a line in JSON, or None for one that Python has to look at.
    fn json_item(
        &mut self,
        py: Python<'_>,
        raw: Py<PyBytes>,
        received_ms: i64,
        line_bytes: usize,
        id_length: usize,
    ) -> PyResult<Option<Py<PyAny>>> {
        let text = raw.as_bytes(py);
        if text.len() > line_bytes {
            return Ok(None);
        }
        let Some(known) = read_json(text, &mut self.names, &self.is_rule) else { return Ok(None) };
        self.maker.item(py, &known, &raw, Terms { received_ms, id_length })
    }

    /// Items of the rows of line protocol from `start` on, and where the first row begins that Python has to look at.
    #[allow(clippy::too_many_arguments)]
    fn protocol_items<'py>(
        &mut self,
        py: Python<'py>,
        body: &Bound<'py, PyBytes>,
        start: usize,
        received_ms: i64,
        line_bytes: usize,
        id_length: usize,
    ) -> PyResult<(Bound<'py, PyList>, usize)> {
        let terms = Terms { received_ms, id_length };
        let text = body.as_bytes();
        let items = PyList::empty(py);
        let mut reader = Reader { text, at: start };
        let is_utf8 = std::str::from_utf8(text).is_ok();
        let (mut json, mut found): (Vec<u8>, Vec<Found>) = (vec![], vec![]);
        loop {
            reader.skip_breaks();
            let begin = reader.at;
            if !is_utf8 {
                return Ok((items, begin));
            }
            json.clear();
            found.clear();
            let Some((measurement, time_ms)) = reader.row(&mut self.names, &mut self.desk, &mut json, &mut found)
            else {
                return Ok((items, begin));
            };
            let Some(known) =
                known(measurement, time_ms, text, &json, &found).filter(|_| reader.at - begin <= line_bytes)
            else {
                return Ok((items, begin));
            };
            let raw = PyBytes::new(py, &json).unbind();
            match self.maker.item(py, &known, &raw, terms)? {
                Some(item) => items.append(item)?,
                None => return Ok((items, begin)),
            }
        }
    }

    fn row(&mut self, py: Python<'_>, body: Py<PyBytes>) -> PyResult<Option<(Py<PyAny>, Row)>> {
        let mut line = std::mem::take(&mut self.line);
        let found = read(&mut line, &mut self.names, body.as_bytes(py)).is_some();
        let made = if found { self.made(py, &line, &body) } else { None };
        line.attributes.clear();
        line.seen.clear();
        self.line = Line { attributes: line.attributes, seen: line.seen, ..Line::default() };
        Ok(made)
    }
}

impl GuanceLines {
    fn made(&self, py: Python<'_>, line: &Line, body: &Py<PyBytes>) -> Option<(Py<PyAny>, Row)> {
        let text = body.as_bytes(py);
        let measurement =
            self.measurements.iter().find(|one| line.measurement.is_some_and(|name| name.of(text) == one.name))?;
        let time_us = match line.time? {
            Scanned::Int(number) => scaled_int(number, US_PER_MS)?,
            Scanned::Float(number) => scaled(number, US_PER_MS)?,
            _ => return None,
        };
        let mut row = Row::new(measurement.table.clone(), body.clone_ref(py), line.attributes.len() + 12);
        for one in &line.attributes {
            let column = measurement.columns.get(one.id as usize).copied().flatten();
            let value = match column {
                Some((_, conversion)) => self.converted(py, &mut row, text, one, conversion),
                None => None,
            };
            match (column, value) {
                (Some((column, _)), Some(value)) => row.add(column, value)?,
                _ if one.is_tag => return None,
                _ => self.keep(py, &mut row, text, one)?,
            }
        }
        row.add(measurement.table.time?, Value::Int(time_us))?;
        if !row.custom.is_empty() {
            row.add(measurement.table.custom?, Value::Custom)?;
        }
        Some((measurement.kind.clone_ref(py), row))
    }

    /// The value of its column; None where it does not fit.
    fn converted(
        &self,
        py: Python<'_>,
        row: &mut Row,
        text: &[u8],
        one: &Attribute,
        conversion: Conversion,
    ) -> Option<Value> {
        if one.is_tag && !matches!(conversion, Conversion::Text | Conversion::Id) {
            return None;
        }
        match (one.value, conversion) {
            (Scanned::Text(span), Conversion::Text | Conversion::Id) => Some(Value::Text(span)),
            (Scanned::Escaped(span), Conversion::Text | Conversion::Id) => {
                made(row, |texts| unescape(span.of(text), texts))
            }
            (Scanned::Int(_) | Scanned::Float(_), Conversion::Id) => self.as_text(py, row, text, one.value),
            (Scanned::Int(number), Conversion::Int) => Some(Value::Int(number)),
            (Scanned::Float(number), Conversion::Int) => whole(number).map(Value::Int),
            (Scanned::Int(number), Conversion::Nanoseconds) => is_duration(number).then_some(Value::Int(number)),
            (Scanned::Float(number), Conversion::Nanoseconds) => {
                whole(number).filter(|one| is_duration(*one)).map(Value::Int)
            }
            (Scanned::Int(number), Conversion::MsAsNs) => scaled_int(number, NS_PER_MS).map(Value::Int),
            (Scanned::Float(number), Conversion::MsAsNs) => scaled(number, NS_PER_MS).map(Value::Int),
            (Scanned::Int(number), Conversion::Double) => double(number).map(Value::Float),
            (Scanned::Float(number), Conversion::Double) => Some(Value::Float(number)),
            (Scanned::Bool(is_so), Conversion::Bool) => Some(Value::Bool(is_so)),
            (Scanned::Int(number), Conversion::Time) => scaled_int(number, US_PER_MS).map(Value::Int),
            (Scanned::Float(number), Conversion::Time) => scaled(number, US_PER_MS).map(Value::Int),
            _ => None,
        }
    }

    /// Puts a field that no column takes into `custom`; None where the line is Python's.
    fn keep(&self, py: Python<'_>, row: &mut Row, text: &[u8], one: &Attribute) -> Option<()> {
        let name = one.name.of(text);
        if row.custom.len() >= CUSTOM_MAX || row.custom.iter().any(|(known, _)| known.of(text) == name) {
            return None;
        }
        let value = self.as_text(py, row, text, one.value)?;
        row.custom.push((one.name, value));
        Some(())
    }

    /// A scalar as text.
    fn as_text(&self, py: Python<'_>, row: &mut Row, text: &[u8], value: Scanned) -> Option<Value> {
        match value {
            Scanned::Text(span) => Some(Value::Text(span)),
            Scanned::Escaped(span) => made(row, |texts| unescape(span.of(text), texts)),
            Scanned::Int(number) => made(row, |texts| write!(texts, "{number}").ok()),
            Scanned::Bool(is_so) => made(row, |texts| write!(texts, "{is_so}").ok()),
            Scanned::Float(number) => {
                let written: String = self.as_text.call1(py, (PyFloat::new(py, number),)).ok()?.extract(py).ok()?;
                made(row, |texts| write!(texts, "{written}").ok())
            }
        }
    }
}

/// A text that is written behind the others of the row.
fn made(row: &mut Row, write: impl FnOnce(&mut Vec<u8>) -> Option<()>) -> Option<Value> {
    let start = u32::try_from(row.made.len()).ok()?;
    write(&mut row.made)?;
    Some(Value::Made(Span { start, end: u32::try_from(row.made.len()).ok()? }))
}

/// The parts of a usual line: both objects once, a time and a measurement, nothing else, no value but scalars.
fn read(line: &mut Line, names: &mut Names, body: &[u8]) -> Option<()> {
    let mut scanner = Scanner::new(body)?;
    line.seen.resize(names.count(), false);
    scanner.object(|scanner, name| match name.of(body) {
        b"tags" if !line.has_tags => {
            line.has_tags = true;
            attributes(scanner, names, line, true)
        }
        b"fields" if !line.has_fields => {
            line.has_fields = true;
            attributes(scanner, names, line, false)
        }
        b"measurement" if line.measurement.is_none() => {
            let (span, is_escaped) = scanner.string()?;
            line.measurement = Some(span);
            (!is_escaped).then_some(())
        }
        b"time" if line.time.is_none() => {
            line.time = Some(scanner.scalar()?);
            Some(())
        }
        _ => None,
    })?;
    scanner.end()?;
    (line.has_tags && line.has_fields).then_some(())
}

/// Tags or fields. No name that is known may come twice, in both together.
fn attributes(scanner: &mut Scanner<'_>, names: &mut Names, line: &mut Line, is_tag: bool) -> Option<()> {
    let mut before = UNKNOWN;
    scanner.members(|scanner| {
        let (id, name) = names.read(scanner, before)?;
        if let Some(seen) = line.seen.get_mut(id as usize) {
            if std::mem::replace(seen, true) {
                return None;
            }
            before = id;
        }
        let value = scanner.scalar()?;
        if is_tag && !matches!(value, Scanned::Text(_) | Scanned::Escaped(_)) {
            return None;
        }
        line.attributes.push(Attribute { id, name, value, is_tag });
        Some(())
    })
}
