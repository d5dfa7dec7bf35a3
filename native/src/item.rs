//! What the session rules need of a line, and the item that is made of it: `operators/families/guance/decode.py` for a
//! line that cannot be refused.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};
use xxhash_rust::xxh3::Xxh3Default;

use crate::names::{Names, UNKNOWN};
use crate::numbers::DURATION_MAX_NS;
use crate::scan::{Scanned, Scanner, Span};

const TIME_MAX_MS: f64 = 7_258_118_400_000.0;
const US_PER_MS: i64 = 1_000;
const NS_PER_US: i64 = 1_000;

/// When a line was received, and how long its ids may be.
#[derive(Clone, Copy)]
pub struct Terms {
    pub received_ms: i64,
    pub id_length: usize, // characters
}

/// A value as a rule looks at it. A text that is not as it stands is `Other`.
#[derive(Clone, Copy)]
pub enum Fact<'a> {
    Text(&'a [u8]),
    Number(f64),
    Bool(bool),
    Other,
}

/// Attributes that the rules know, each once; `None` of a method: the line is Python's.
#[derive(Default)]
pub struct Known<'a> {
    pub measurement: &'a [u8],
    pub time_ms: f64,
    app_id: Option<&'a [u8]>,
    session_id: Option<&'a [u8]>,
    view_id: Option<&'a [u8]>,
    own_ids: [Option<&'a [u8]>; 8], // of tags, then of fields: action, resource, error, long task
    time_spent: Option<f64>,
    duration: Option<f64>,
    is_active: Option<bool>,
}

fn once<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

impl<'a> Known<'a> {
    pub fn tag(&mut self, name: &[u8], value: Fact<'a>) -> Option<()> {
        let place = match name {
            b"app_id" => &mut self.app_id,
            b"session_id" => &mut self.session_id,
            b"view_id" => &mut self.view_id,
            _ => match own_id(name) {
                Some(number) => self.own_ids.get_mut(number)?,
                None => return Some(()),
            },
        };
        let Fact::Text(text) = value else { return None };
        once(place, text)
    }

    pub fn field(&mut self, name: &[u8], value: Fact<'a>) -> Option<()> {
        match (name, value) {
            (b"time_spent", Fact::Number(number)) => once(&mut self.time_spent, number),
            (b"duration", Fact::Number(number)) => once(&mut self.duration, number),
            (b"session_is_active", Fact::Bool(is_active)) => once(&mut self.is_active, is_active),
            (b"time_spent" | b"duration" | b"session_is_active", _) => None,
            _ => match (own_id(name), value) {
                (Some(number), Fact::Text(text)) => once(self.own_ids.get_mut(number + 4)?, text),
                (Some(_), _) => None,
                (None, _) => Some(()),
            },
        }
    }

    /// (begin, end, identity, whether it ends the session); times in us.
    fn facts(&self, kind: &Kind, raw: &[u8]) -> Option<(i64, i64, u64, bool)> {
        let begin_us = time_us(self.time_ms)?;
        let number = kind.number;
        if kind.role == Role::View {
            let ends = self.is_active == Some(false);
            let ident = identity(number, &[self.view_id.unwrap_or_default(), raw]);
            return Some((begin_us, begin_us + duration_us(self.time_spent), ident, ends));
        }
        let lasts_us = if kind.role == Role::Error { 0 } else { duration_us(self.duration) };
        let own_id = kind.own_ids.iter().find_map(|place| (*self.own_ids.get(*place)?).filter(|id| !id.is_empty()));
        let ident = own_id.map_or_else(|| identity(number, &[b"", raw]), |id| identity(number, &[id]));
        Some((begin_us, begin_us + lasts_us, ident, false))
    }
}

fn own_id(name: &[u8]) -> Option<usize> {
    Some(match name {
        b"action_id" => 0,
        b"resource_id" => 1,
        b"error_id" => 2,
        b"long_task_id" => 3,
        _ => return None,
    })
}

#[derive(PartialEq)]
enum Role {
    View,
    Error,
    Other,
}

/// A measurement as items have it. `own_ids`: where its identity is, the first that is there counts.
struct Kind {
    name: Vec<u8>,
    object: Py<PyAny>,
    number: u8,
    role: Role,
    own_ids: [usize; 2],
}

impl Kind {
    fn new(name: &str, object: Py<PyAny>, number: u8) -> Option<Self> {
        let (role, own_ids) = match name {
            "view" => (Role::View, [8, 8]),
            "action" => (Role::Other, [4, 0]),
            "resource" => (Role::Other, [1, 5]),
            "error" => (Role::Error, [2, 6]),
            "long_task" | "console" => (Role::Other, [3, 7]),
            _ => return None,
        };
        Some(Kind { name: name.into(), object, number, role, own_ids })
    }
}

/// Makes items: the class, and what is the same for all of a family.
pub struct Maker {
    class: Py<PyAny>,
    family: Py<PyAny>,
    kinds: Vec<Kind>,
}

impl Maker {
    pub fn new(class: Py<PyAny>, family: Py<PyAny>, kinds: &Bound<'_, PyDict>) -> PyResult<Self> {
        let mut found = vec![];
        for (name, kind) in kinds.iter() {
            found.extend(Kind::new(&name.extract::<String>()?, kind.clone().unbind(), kind.extract()?));
        }
        Ok(Maker { class, family, kinds: found })
    }

    /// The item of a line; None where Python has to say why there is none.
    pub fn item(
        &self,
        py: Python<'_>,
        known: &Known<'_>,
        raw: &Py<PyBytes>,
        terms: Terms,
    ) -> PyResult<Option<Py<PyAny>>> {
        let ids = id(known.app_id, terms).zip(id(known.session_id, terms));
        let kind = self.kinds.iter().find(|kind| kind.name == known.measurement);
        let (Some((app_id, session_id)), Some(kind)) = (ids, kind) else { return Ok(None) };
        let Some((begin_us, end_us, ident, ends)) = known.facts(kind, raw.as_bytes(py)) else { return Ok(None) };
        let made = self.class.call1(
            py,
            (
                PyString::new(py, app_id),
                PyString::new(py, session_id),
                &kind.object,
                &self.family,
                begin_us,
                end_us,
                terms.received_ms,
                ident,
                !ends,
                ends,
                raw,
            ),
        );
        made.map(Some)
    }
}

fn id(value: Option<&[u8]>, terms: Terms) -> Option<&str> {
    let text = std::str::from_utf8(value.filter(|id| !id.is_empty())?).ok()?;
    (text.len() <= terms.id_length || text.chars().count() <= terms.id_length).then_some(text)
}

fn time_us(value_ms: f64) -> Option<i64> {
    if !(1.0..TIME_MAX_MS).contains(&value_ms) {
        return None;
    }
    let whole_ms = value_ms as i64;
    Some(if value_ms == whole_ms as f64 { whole_ms * US_PER_MS } else { (value_ms * US_PER_MS as f64) as i64 })
}

fn duration_us(value_ns: Option<f64>) -> i64 {
    value_ns.filter(|value| (0.0..DURATION_MAX_NS as f64).contains(value)).map_or(0, |value| value as i64 / NS_PER_US)
}

fn identity(kind: u8, parts: &[&[u8]]) -> u64 {
    let mut hasher = Xxh3Default::new();
    hasher.update(&[kind]);
    for part in parts {
        hasher.update(part);
        hasher.update(b"\0");
    }
    hasher.digest() >> 1
}

/// The names that `Known` takes: of any other it is enough to know that.
pub const RULE_NAMES: [&str; 10] = [
    "app_id",
    "session_id",
    "view_id",
    "action_id",
    "resource_id",
    "error_id",
    "long_task_id",
    "time_spent",
    "duration",
    "session_is_active",
];

/// What is known of a line that is a JSON object; None for one that is not as usual, or without a time. `is_rule`: by
/// the number of a name, whether it is one of `RULE_NAMES`.
pub fn read_json<'a>(raw: &'a [u8], names: &mut Names, is_rule: &[bool]) -> Option<Known<'a>> {
    let mut known = Known::default();
    let (mut measurement, mut time_ms, mut parts) = (None, None, [false; 2]);
    let mut scanner = Scanner::new(raw)?;
    scanner.object(|scanner, name| match name.of(raw) {
        b"tags" if !std::mem::replace(&mut parts[0], true) => {
            rule_members(scanner, names, is_rule, |name, value| known.tag(name.of(raw), fact(value, raw)))
        }
        b"fields" if !std::mem::replace(&mut parts[1], true) => {
            rule_members(scanner, names, is_rule, |name, value| known.field(name.of(raw), fact(value, raw)))
        }
        b"measurement" => match fact(scanner.scalar()?, raw) {
            Fact::Text(text) => once(&mut measurement, text),
            _ => None,
        },
        b"time" => match fact(scanner.scalar()?, raw) {
            Fact::Number(number) => once(&mut time_ms, number),
            _ => None,
        },
        _ => None,
    })?;
    scanner.end()?;
    known.measurement = measurement?;
    known.time_ms = time_ms?;
    (parts == [true; 2]).then_some(known)
}

/// Calls `member` for each of the rules' names in an object of scalars.
#[inline(always)]
fn rule_members(
    scanner: &mut Scanner<'_>,
    names: &mut Names,
    is_rule: &[bool],
    mut member: impl FnMut(Span, Scanned) -> Option<()>,
) -> Option<()> {
    let mut before = UNKNOWN;
    scanner.members(|scanner| {
        let (id, name) = names.read(scanner, before)?;
        let value = scanner.scalar()?;
        if id == UNKNOWN {
            return Some(());
        }
        before = id;
        if is_rule.get(id as usize) == Some(&true) {
            member(name, value)?;
        }
        Some(())
    })
}

fn fact(value: Scanned, raw: &[u8]) -> Fact<'_> {
    match value {
        Scanned::Text(span) => Fact::Text(span.of(raw)),
        Scanned::Escaped(_) => Fact::Other,
        Scanned::Int(number) => Fact::Number(number as f64),
        Scanned::Float(number) => Fact::Number(number),
        Scanned::Bool(is_so) => Fact::Bool(is_so),
    }
}
