//! Tokens of strict JSON, as far as a usual line has them: objects, texts, numbers, truth values.
//!
//! Nothing is read here that Python's reader would refuse; what this one refuses, Python reads. A scanner of our own,
//! because a line is two flat objects, and a text without escapes is then no more than a place in the body.

/// A place in the body: from `start` up to `end`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(align(8))]
pub struct Span {
    pub start: u32,
    pub end: u32,
}

impl Span {
    pub fn of<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        text.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// A value as it stands in the body. A text is without its quotation marks.
///
/// Its tag takes a word: so it is moved as two whole words. Else it is read back in other pieces than it was written
/// in, which the processor waits for, at every value of a line.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
pub enum Scanned {
    Text(Span),
    Escaped(Span), // a text with an escape in it
    Int(i64),
    Float(f64),
    Bool(bool),
}

/// Reads a text from its beginning; every method says None where Python has to look.
pub struct Scanner<'a> {
    pub text: &'a [u8],
    pub at: usize,
}

impl<'a> Scanner<'a> {
    /// None for a text that is not UTF-8, or too long for a `Span`.
    pub fn new(text: &'a [u8]) -> Option<Self> {
        u32::try_from(text.len()).ok()?;
        if !text.is_ascii() {
            std::str::from_utf8(text).ok()?;
        }
        Some(Scanner { text, at: 0 })
    }

    pub fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    #[inline(always)]
    pub fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// This byte, behind white space.
    pub fn take(&mut self, byte: u8) -> Option<()> {
        self.skip_space();
        self.take_next(byte)
    }

    fn take_next(&mut self, byte: u8) -> Option<()> {
        if self.peek()? != byte {
            return None;
        }
        self.at += 1;
        Some(())
    }

    /// Nothing but white space is left.
    pub fn end(&mut self) -> Option<()> {
        self.skip_space();
        (self.at == self.text.len()).then_some(())
    }

    /// Calls `member` at the value of each member, with its name; a name with an escape is Python's.
    pub fn object(&mut self, mut member: impl FnMut(&mut Self, Span) -> Option<()>) -> Option<()> {
        self.members(|scanner| {
            let name = scanner.name()?;
            member(scanner, name)
        })
    }

    /// Calls `member` at each member, which begins there with its name.
    #[inline(always)]
    pub fn members(&mut self, mut member: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.take(b'{')?;
        self.skip_space();
        if self.peek()? == b'}' {
            self.at += 1;
            return Some(());
        }
        loop {
            self.skip_space();
            member(self)?;
            self.skip_space();
            match self.peek()? {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    return Some(());
                }
                _ => return None,
            }
        }
    }

    /// The name of a member, which begins here; then its value does.
    #[inline(always)]
    pub fn name(&mut self) -> Option<Span> {
        let (name, is_escaped) = self.string()?;
        self.take(b':')?;
        self.skip_space();
        (!is_escaped).then_some(name)
    }

    /// The same where it is this one, `"name":` as it mostly stands; None, and nowhere else, where it is not.
    #[inline(always)]
    pub fn expected_name(&mut self, quoted: &[u8]) -> Option<Span> {
        if !self.text.get(self.at..)?.starts_with(quoted) {
            return None;
        }
        let start = self.at as u32 + 1;
        self.at += quoted.len();
        let end = self.at as u32 - 2;
        self.skip_space();
        Some(Span { start, end })
    }

    /// Calls `element` at each element, which begins there.
    pub fn array(&mut self, mut element: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.take(b'[')?;
        self.skip_space();
        if self.peek()? == b']' {
            self.at += 1;
            return Some(());
        }
        loop {
            self.skip_space();
            element(self)?;
            self.skip_space();
            match self.peek()? {
                b',' => self.at += 1,
                b']' => {
                    self.at += 1;
                    return Some(());
                }
                _ => return None,
            }
        }
    }

    /// Goes behind a value, which begins here and is no deeper than that.
    pub fn skip(&mut self, depth: usize) -> Option<()> {
        match self.peek()? {
            b'"' => self.string().map(|_| ()),
            b'{' => {
                let depth = depth.checked_sub(1)?;
                self.object(|scanner, _| scanner.skip(depth))
            }
            b'[' => {
                let depth = depth.checked_sub(1)?;
                self.array(|scanner| scanner.skip(depth))
            }
            b'n' => self.word(b"null"),
            _ => self.scalar().map(|_| ()),
        }
    }

    /// A text, number or truth value, which begins here.
    #[inline(always)]
    pub fn scalar(&mut self) -> Option<Scanned> {
        match self.peek()? {
            b'"' => match self.string()? {
                (span, false) => Some(Scanned::Text(span)),
                (span, true) => Some(Scanned::Escaped(span)),
            },
            b't' => self.word(b"true").map(|()| Scanned::Bool(true)),
            b'f' => self.word(b"false").map(|()| Scanned::Bool(false)),
            _ => self.number(),
        }
    }

    /// A text, and whether there is an escape in it; None also for an escape that `unescaped` does not take.
    #[inline(always)]
    pub fn string(&mut self) -> Option<(Span, bool)> {
        self.take_next(b'"')?;
        let start = self.at as u32;
        let mut is_escaped = false;
        loop {
            self.at += plain_length(self.text.get(self.at..)?);
            match self.peek()? {
                b'"' => {
                    let span = Span { start, end: self.at as u32 };
                    self.at += 1;
                    return Some((span, is_escaped));
                }
                b'\\' => {
                    is_escaped = true;
                    self.at += escape(self.text.get(self.at + 1..)?)?.1 + 1;
                }
                _ => return None, // a control character
            }
        }
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.text.get(self.at..)?.starts_with(word).then(|| self.at += word.len())
    }

    /// A number that has 64 bits; not `-0`, which is a float to some and an integer to others.
    fn number(&mut self) -> Option<Scanned> {
        let start = self.at;
        let is_negative = self.peek()? == b'-';
        self.at += usize::from(is_negative);
        let first = self.peek()?;
        let digits = self.digits();
        if digits == 0 || (first == b'0' && digits > 1) {
            return None;
        }
        let mut is_whole = true;
        if self.peek() == Some(b'.') {
            is_whole = false;
            self.at += 1;
            if self.digits() == 0 {
                return None;
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            is_whole = false;
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            if self.digits() == 0 {
                return None;
            }
        }
        let token = std::str::from_utf8(self.text.get(start..self.at)?).ok()?;
        if is_whole {
            return if is_negative && first == b'0' { None } else { token.parse().ok().map(Scanned::Int) };
        }
        token.parse::<f64>().ok().filter(|number| number.is_finite()).map(Scanned::Float)
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }
}

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// How many bytes there are before a quotation mark, a backslash or a control character; eight are looked at at once.
pub fn plain_length(text: &[u8]) -> usize {
    let words = text.chunks_exact(8);
    let rest = words.remainder();
    for (number, word) in words.enumerate() {
        let word = u64::from_le_bytes(word.try_into().unwrap_or_default());
        let quote = word ^ (LOW * b'"' as u64);
        let backslash = word ^ (LOW * b'\\' as u64);
        let found = (quote.wrapping_sub(LOW) & !quote)
            | (backslash.wrapping_sub(LOW) & !backslash)
            | (word.wrapping_sub(LOW * 0x20) & !word);
        let found = found & HIGH;
        if found != 0 {
            return number * 8 + (found.trailing_zeros() / 8) as usize;
        }
    }
    let is_plain = |byte: &u8| *byte >= 0x20 && *byte != b'"' && *byte != b'\\';
    text.len() - rest.len() + rest.iter().take_while(|byte| is_plain(byte)).count()
}

/// Adds a text of the body without its escapes; None for half of a surrogate pair, or what is no escape.
pub fn unescape(text: &[u8], found: &mut Vec<u8>) -> Option<()> {
    let mut rest = text;
    loop {
        let place = plain_length(rest);
        found.extend_from_slice(rest.get(..place)?);
        if place == rest.len() {
            return Some(());
        }
        if rest.get(place) != Some(&b'\\') {
            return None;
        }
        let (character, length) = escape(rest.get(place + 1..)?)?;
        if character.is_ascii() {
            found.push(character as u8);
        } else {
            found.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
        rest = rest.get(place + 1 + length..)?;
    }
}

/// The character that an escape stands for, from behind its backslash, and how many bytes it takes there.
fn escape(text: &[u8]) -> Option<(char, usize)> {
    let character = match text.first()? {
        sign @ (b'"' | b'\\' | b'/') => *sign as char,
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode(text.get(1..)?).map(|(character, length)| (character, length + 1)),
        _ => return None,
    };
    Some((character, 1))
}

/// The character of four digits, or of a surrogate pair's twice four.
fn unicode(text: &[u8]) -> Option<(char, usize)> {
    let unit = hexadecimal(text.get(..4)?)?;
    if let Some(character) = char::from_u32(unit) {
        return Some((character, 4));
    }
    if text.get(4..6)? != b"\\u" {
        return None;
    }
    let second = hexadecimal(text.get(6..10)?)?;
    if !(0xD800..0xDC00).contains(&unit) || !(0xDC00..0xE000).contains(&second) {
        return None;
    }
    char::from_u32(0x10000 + ((unit - 0xD800) << 10) + (second - 0xDC00)).map(|character| (character, 10))
}

fn hexadecimal(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, digit| Some(number * 16 + (*digit as char).to_digit(16)?))
}
