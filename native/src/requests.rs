//! What an intake looks for in the body of a request: which session its lines are of, and the fields of its form.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// App and session of every row of line protocol that has any, as `operators/families/guance/line_protocol.py` finds
/// them; None when there may be several.
#[pyfunction]
pub fn only_session(body: &[u8]) -> Option<(&str, &str)> {
    let (mut app, mut session) = (None, None);
    let mut at = 0;
    while let Some(length) = before(b',', body.get(at..)?) {
        at += length + 1;
        let rest = body.get(at..)?;
        if let Some(value) = rest.strip_prefix(b"app_id=") {
            only(&mut app, value)?;
        } else if let Some(value) = rest.strip_prefix(b"session_id=") {
            only(&mut session, value)?;
        }
    }
    Some((std::str::from_utf8(app?).ok()?, std::str::from_utf8(session?).ok()?))
}

/// The value here, which is the one that was found before. None: it is another, empty, or has an escape.
fn only<'a>(found: &mut Option<&'a [u8]>, text: &'a [u8]) -> Option<()> {
    let length = text.iter().position(|byte| matches!(byte, b'\\' | b',' | b' ' | b'\n')).unwrap_or(text.len());
    let value = text.get(..length)?;
    let is_same = found.is_none_or(|known| known == value);
    (is_same && length > 0 && text.get(length) != Some(&b'\\')).then(|| *found = Some(value))
}

/// Fields of a browser's form, as `operators/wire/multipart_body.py` splits it; None for any other.
#[pyfunction]
pub fn form_fields<'py>(py: Python<'py>, body: &[u8], boundary: &[u8], most: usize) -> Option<Bound<'py, PyDict>> {
    let fields = PyDict::new(py);
    let mut rest = body.strip_prefix(b"--")?.strip_prefix(boundary)?;
    for _ in 0..most {
        let (name, head) = part_head(rest)?;
        let content = rest.get(head..)?;
        let length = before_boundary(content, boundary)?;
        fields.set_item(name, PyBytes::new(py, content.get(..length)?)).ok()?;
        rest = content.get(length + 4 + boundary.len()..)?;
        if matches!(rest, b"--" | b"--\r\n") {
            return Some(fields);
        }
    }
    None
}

/// The name of a part, and how long its head is with the empty line.
fn part_head(text: &[u8]) -> Option<(&str, usize)> {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    let mut rest = text.strip_prefix(b"\r\nContent-Disposition: form-data; name=\"")?;
    let name = run(&mut rest, is_name);
    rest = rest.strip_prefix(b"\"")?;
    let mut is_usual = (1..=100).contains(&name.len());
    if let Some(file) = rest.strip_prefix(b"; filename=\"") {
        rest = file;
        is_usual &= run(&mut rest, is_name).len() <= 200;
        rest = rest.strip_prefix(b"\"")?;
    }
    if let Some(kind) = rest.strip_prefix(b"\r\nContent-Type: ") {
        rest = kind;
        let kind = run(&mut rest, |byte| byte.is_ascii_lowercase() || matches!(byte, b'/' | b'-'));
        is_usual &= (1..=100).contains(&kind.len());
    }
    rest = rest.strip_prefix(b"\r\n\r\n")?;
    is_usual.then_some((std::str::from_utf8(name).ok()?, text.len() - rest.len()))
}

/// The bytes of a kind at the beginning of a text, which then begins behind them.
fn run<'a>(text: &mut &'a [u8], is_of_it: impl Fn(&u8) -> bool) -> &'a [u8] {
    let length = text.iter().position(|byte| !is_of_it(byte)).unwrap_or(text.len());
    let (found, rest) = text.split_at(length);
    *text = rest;
    found
}

/// How many bytes there are before the line that ends a part.
fn before_boundary(text: &[u8], boundary: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += before(b'\r', text.get(at..)?)?;
        if text.get(at + 1..)?.strip_prefix(b"\n--").is_some_and(|rest| rest.starts_with(boundary)) {
            return Some(at);
        }
        at += 1;
    }
}

/// How many bytes there are before this one; eight are looked at at once.
fn before(byte: u8, text: &[u8]) -> Option<usize> {
    let words = text.chunks_exact(8);
    let rest = words.remainder();
    for (number, word) in words.enumerate() {
        let word = u64::from_le_bytes(word.try_into().unwrap_or_default()) ^ (LOW * u64::from(byte));
        let found = word.wrapping_sub(LOW) & !word & HIGH;
        if found != 0 {
            return Some(number * 8 + (found.trailing_zeros() / 8) as usize);
        }
    }
    rest.iter().position(|other| *other == byte).map(|place| text.len() - rest.len() + place)
}
