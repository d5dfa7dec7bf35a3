//! What a scan of a replay segment looks for in its bytes: whether they are UTF-8, and the style sheets of a page.

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use xxhash_rust::xxh3::xxh3_128;

use crate::scan::{Scanner, Span};

const DEPTH_MAX: usize = 100; // of nodes, and of what is skipped; Python's reader takes more, and the page's is below

/// Whether it is UTF-8.
#[pyfunction]
pub fn is_utf8(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok()
}

/// Length and XXH3-128 of each text of a `link` with so many bytes, of a page that is a tree of nodes.
#[pyfunction]
pub fn link_styles<'py>(
    py: Python<'py>,
    page: &[u8],
    least: u32,
    most: u32,
) -> Option<Vec<(u32, Bound<'py, PyBytes>)>> {
    let mut found = Vec::new();
    let mut scanner = Scanner::new(page)?;
    let mut nodes = 0;
    scanner.object(|scanner, name| match name.of(page) {
        b"node" => {
            nodes += 1;
            node(scanner, &mut found, DEPTH_MAX)
        }
        _ => scanner.skip(DEPTH_MAX),
    })?;
    scanner.end()?;
    if nodes != 1 {
        return None;
    }
    let fits = |style: &&Span| (least..=most).contains(&(style.end - style.start));
    let marked = |style: &Span| (style.end - style.start, PyBytes::new(py, &xxh3_128(style.of(page)).to_be_bytes()));
    Some(found.iter().filter(fits).map(marked).collect())
}

/// A node with all below it. A member that comes twice, or is not of its type, is Python's.
fn node(scanner: &mut Scanner, found: &mut Vec<Span>, depth: usize) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    let text = scanner.text;
    let (mut tag, mut style, mut attributes, mut children) = (None, None, 0, 0);
    scanner.object(|scanner, name| match name.of(text) {
        b"tagName" => {
            let (span, is_escaped) = scanner.string()?;
            (!is_escaped && span.of(text).is_ascii() && tag.replace(span).is_none()).then_some(())
        }
        b"attributes" => {
            attributes += 1;
            scanner.object(|scanner, name| {
                if name.of(text) != b"_cssText" {
                    return scanner.skip(depth);
                }
                style.replace(scanner.string()?.0).is_none().then_some(())
            })
        }
        b"childNodes" => {
            children += 1;
            scanner.array(|scanner| node(scanner, found, depth))
        }
        _ => scanner.skip(depth),
    })?;
    if attributes > 1 || children > 1 {
        return None;
    }
    if let (Some(tag), Some(style)) = (tag, style) {
        if tag.of(text).eq_ignore_ascii_case(b"link") {
            found.push(style);
        }
    }
    Some(())
}
