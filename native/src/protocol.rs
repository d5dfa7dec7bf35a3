//! Line protocol to the JSON that Python would store of it: `operators/families/guance/line_protocol.py` for rows whose
//! reading and writing leave no choice. Any other row is left where it stands.

use crate::item::{Fact, Known};
use crate::names::{Names, UNKNOWN};

const DIGITS_MAX: usize = 15; // of a number that a float holds as it is written
const UNKNOWN_MAX: usize = 64; // names in a row that no column has

/// What is kept from row to row, so that nothing has to be made anew.
#[derive(Default)]
pub struct Desk {
    seen: Vec<u8>, // by the number of a name: the mark of the last section that had it
    mark: u8,
    unseen: Vec<(usize, usize)>, // names of this section that are not known
}

impl Desk {
    fn begin(&mut self, names: &Names) {
        self.seen.resize(names.count(), 0);
        self.mark = self.mark.wrapping_add(1);
        if self.mark == 0 {
            self.seen.fill(0);
            self.mark = 1;
        }
        self.unseen.clear();
    }
}

/// The parts of a row, with texts unescaped in `texts`.
pub struct Reader<'a> {
    pub text: &'a [u8],
    pub at: usize,
}

/// Where a value of the rules stands in the JSON: it is looked up there once all of it is written.
pub struct Found {
    is_tag: bool,
    name: (usize, usize), // in the body
    value: FoundValue,
}

enum FoundValue {
    Text(usize, usize), // in the JSON
    Number(f64),
    Bool(bool),
    Other,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    pub fn skip_breaks(&mut self) {
        while matches!(self.peek(), Some(b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn run(&mut self, stops: impl Fn(u8) -> bool) -> &'a [u8] {
        let start = self.at;
        while self.peek().is_some_and(|byte| !stops(byte)) {
            self.at += 1;
        }
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// One row as JSON, written to `json`, and what the rules may want of it. None: the row is Python's.
    pub fn row(
        &mut self,
        names: &mut Names,
        desk: &mut Desk,
        json: &mut Vec<u8>,
        found: &mut Vec<Found>,
    ) -> Option<(&'a [u8], f64)> {
        let measurement = self.run(|byte| !byte.is_ascii_lowercase() && byte != b'_');
        json.extend_from_slice(b"{\"measurement\":\"");
        json.extend_from_slice(measurement);
        json.extend_from_slice(b"\",\"tags\":{");
        self.tags(names, desk, json, found)?;
        json.extend_from_slice(b"},\"fields\":{");
        self.fields(names, desk, json, found)?;
        json.extend_from_slice(b"},\"time\":");
        let stamp = self.run(|byte| !byte.is_ascii_digit());
        if stamp.is_empty() || stamp.len() > DIGITS_MAX || stamp.first() == Some(&b'0') {
            return None;
        }
        json.extend_from_slice(stamp);
        json.push(b'}');
        self.run(|byte| byte != b' ');
        match (self.peek(), self.text.get(self.at + 1)) {
            (None, _) => {}
            (Some(b'\n'), _) => self.at += 1,
            (Some(b'\r'), Some(b'\n')) => self.at += 2,
            _ => return None,
        }
        Some((measurement, std::str::from_utf8(stamp).ok()?.parse().ok()?))
    }

    fn tags(&mut self, names: &mut Names, desk: &mut Desk, json: &mut Vec<u8>, found: &mut Vec<Found>) -> Option<()> {
        desk.begin(names);
        let mut before = UNKNOWN;
        loop {
            match self.peek()? {
                b',' => self.at += 1,
                b' ' => {
                    self.at += 1;
                    return Some(());
                }
                _ => return None,
            }
            let name =
                self.name(names, desk, json, &mut before, |byte| matches!(byte, b'\\' | b'=' | b',' | b' ' | b'\n'))?;
            let start = json.len();
            let is_plain = self.tag_value(json)?;
            let value = if is_plain { FoundValue::Text(start, json.len()) } else { FoundValue::Other };
            found.push(Found { is_tag: true, name, value });
            json.push(b'"');
        }
    }

    /// A name and the equals sign behind it; as JSON with colon, and the quotation mark of a text.
    fn name(
        &mut self,
        names: &mut Names,
        desk: &mut Desk,
        json: &mut Vec<u8>,
        before: &mut u16,
        stops: impl Fn(u8) -> bool,
    ) -> Option<(usize, usize)> {
        let start = self.at;
        let name = self.run(stops);
        if name.is_empty() || self.peek()? != b'=' {
            return None;
        }
        let id = names.find(name, *before);
        if id == UNKNOWN {
            let is_known = desk.unseen.iter().any(|(start, end)| self.text.get(*start..*end) == Some(name));
            if is_known || desk.unseen.len() >= UNKNOWN_MAX {
                return None;
            }
            desk.unseen.push((start, self.at));
        } else {
            let seen = desk.seen.get_mut(id as usize)?;
            if std::mem::replace(seen, desk.mark) == desk.mark {
                return None;
            }
            *before = id;
        }
        if json.last() != Some(&b'{') {
            json.push(b',');
        }
        json.push(b'"');
        for byte in name {
            write_byte(json, *byte);
        }
        json.extend_from_slice(b"\":\"");
        let end = self.at;
        self.at += 1;
        Some((start, end))
    }

    /// A tag's value, written as JSON text; whether it is there as it stands.
    fn tag_value(&mut self, json: &mut Vec<u8>) -> Option<bool> {
        let start = json.len();
        let begin = self.at;
        loop {
            let plain = self.run(|byte| matches!(byte, b'\\' | b',' | b' ' | b'\n' | b'"') || byte < 0x20);
            json.extend_from_slice(plain);
            match self.peek()? {
                b',' | b' ' => {
                    return Some(
                        json.len() - start == self.at - begin && json.get(start..) == self.text.get(begin..self.at),
                    )
                }
                b'\n' => return None,
                b'\\' => self.tag_escape(json)?,
                byte => {
                    self.at += 1;
                    write_byte(json, byte);
                }
            }
        }
    }

    /// A backslash: it is taken away before a sign that the SDK escapes, and stays before any other.
    fn tag_escape(&mut self, json: &mut Vec<u8>) -> Option<()> {
        match *self.text.get(self.at + 1)? {
            b' ' if self.may_begin_tag(self.at + 2) => None,
            sign @ (b' ' | b'=' | b'"' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r') => {
                self.at += 2;
                write_byte(json, sign);
                Some(())
            }
            b',' | 0x80.. => None,
            _ => {
                self.at += 1;
                json.extend_from_slice(b"\\\\");
                Some(())
            }
        }
    }

    /// Whether a name and an equals sign could stand here, so that a backslash before it would be the end of a value.
    fn may_begin_tag(&self, start: usize) -> bool {
        let rest = self.text.get(start..).unwrap_or_default();
        let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"_.$-".contains(byte)).count();
        match rest.get(length) {
            Some(b'=') => length > 0,
            Some(byte) => !byte.is_ascii(),
            None => false,
        }
    }

    fn fields(&mut self, names: &mut Names, desk: &mut Desk, json: &mut Vec<u8>, found: &mut Vec<Found>) -> Option<()> {
        desk.begin(names);
        let mut before = UNKNOWN;
        loop {
            let name = self.name(names, desk, json, &mut before, |byte| {
                matches!(byte, b'\\' | b'=' | b',' | b' ' | b'\n' | b'"')
            })?;
            let value = if self.peek()? == b'"' {
                self.at += 1;
                self.field_text(json)?
            } else {
                json.pop();
                self.bare(json)?
            };
            found.push(Found { is_tag: false, name, value });
            let sign = self.peek()?;
            self.at += 1;
            match sign {
                b',' => {}
                b' ' => return Some(()),
                _ => return None,
            }
        }
    }

    fn field_text(&mut self, json: &mut Vec<u8>) -> Option<FoundValue> {
        let (start, begin) = (json.len(), self.at);
        loop {
            let length = crate::scan::plain_length(self.text.get(self.at..)?);
            json.extend_from_slice(self.text.get(self.at..self.at + length)?);
            self.at += length;
            match self.peek()? {
                b'"' => {
                    let is_plain = json.get(start..) == self.text.get(begin..self.at);
                    let end = json.len();
                    self.at += 1;
                    json.push(b'"');
                    return Some(if is_plain { FoundValue::Text(start, end) } else { FoundValue::Other });
                }
                b'\\' => match *self.text.get(self.at + 1)? {
                    sign @ (b'"' | b'\\') => {
                        self.at += 2;
                        write_byte(json, sign);
                    }
                    _ => {
                        self.at += 1;
                        json.extend_from_slice(b"\\\\");
                    }
                },
                byte => {
                    self.at += 1;
                    write_byte(json, byte);
                }
            }
        }
    }

    /// A number or a truth value whose JSON is certain.
    fn bare(&mut self, json: &mut Vec<u8>) -> Option<FoundValue> {
        let token = self.run(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'.' | b'-'));
        if let Some(is_so) = truth(token) {
            json.extend_from_slice(if is_so { b"true" } else { b"false" });
            return Some(FoundValue::Bool(is_so));
        }
        let number = match token.split_last()? {
            (b'i', number) if is_plain_integer(number) => number,
            _ if is_plain_integer(token) || is_plain_decimal(token) => token,
            _ => return None,
        };
        json.extend_from_slice(number);
        std::str::from_utf8(number).ok()?.parse().ok().map(FoundValue::Number)
    }
}

fn truth(token: &[u8]) -> Option<bool> {
    match token {
        b"true" | b"True" | b"TRUE" | b"t" | b"T" => Some(true),
        b"false" | b"False" | b"FALSE" | b"f" | b"F" => Some(false),
        _ => None,
    }
}

/// Without a zero in front, and not `-0`.
fn is_plain_integer(token: &[u8]) -> bool {
    let digits = token.strip_prefix(b"-").unwrap_or(token);
    let is_short = (1..=DIGITS_MAX).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    is_short && (digits.first() != Some(&b'0') || token == b"0")
}

/// Digits, a point, digits: no zero too much on either side, and not so small that a writer would use an exponent.
fn is_plain_decimal(token: &[u8]) -> bool {
    let digits = token.strip_prefix(b"-").unwrap_or(token);
    let Some(point) = digits.iter().position(|byte| *byte == b'.') else { return false };
    let (Some(whole), Some(part)) = (digits.get(..point), digits.get(point + 1..)) else { return false };
    let is_short = digits.len() <= DIGITS_MAX && part.iter().all(u8::is_ascii_digit);
    let is_zero = whole == b"0";
    is_short
        && (is_zero || is_plain_integer(whole))
        && !part.is_empty()
        && part.last() != Some(&b'0')
        && !(is_zero && part.starts_with(b"0000"))
}

fn write_byte(json: &mut Vec<u8>, byte: u8) {
    const HEXADECIMAL: &[u8; 16] = b"0123456789abcdef";
    let sign = match byte {
        b'"' | b'\\' => byte,
        8 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        12 => b'f',
        b'\r' => b'r',
        0..0x20 => {
            json.extend_from_slice(b"\\u00");
            json.extend([byte >> 4, byte & 15].iter().filter_map(|digit| HEXADECIMAL.get(*digit as usize)));
            return;
        }
        _ => return json.push(byte),
    };
    json.extend_from_slice(&[b'\\', sign]);
}

/// What the rules know of a row, from its parts.
pub fn known<'a>(
    measurement: &'a [u8],
    time_ms: f64,
    body: &'a [u8],
    json: &'a [u8],
    found: &[Found],
) -> Option<Known<'a>> {
    let mut known = Known::default();
    known.measurement = measurement;
    known.time_ms = time_ms;
    for one in found {
        let name = body.get(one.name.0..one.name.1)?;
        let value = match one.value {
            FoundValue::Text(start, end) => Fact::Text(json.get(start..end)?),
            FoundValue::Number(number) => Fact::Number(number),
            FoundValue::Bool(is_so) => Fact::Bool(is_so),
            FoundValue::Other => Fact::Other,
        };
        if one.is_tag {
            known.tag(name, value)?
        } else {
            known.field(name, value)?
        }
    }
    Some(known)
}
