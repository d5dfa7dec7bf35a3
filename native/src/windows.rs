//! The window of a usual session: `operators/windows/rules.py: plain_window` over moments as the tracker packs them.

use std::collections::HashMap;

use pyo3::prelude::*;
use pyo3::types::PyByteArray;

const MOMENT_BYTES: usize = 41; // begin, end, received: i64; identity: u64; epoch, ordinal: u32; flags: u8
const ENDS: u8 = 2;
const SEGMENT: u8 = 4;
const US_PER_MS: i64 = 1_000;

struct Moment {
    begin_us: i64,
    end_us: i64,
    received_ms: i64,
    ident: u64,
    flags: u8,
}

impl Moment {
    fn read(bytes: &[u8]) -> Option<Self> {
        let number = |start: usize| Some(i64::from_le_bytes(bytes.get(start..start + 8)?.try_into().ok()?));
        Some(Moment {
            begin_us: number(0)?,
            end_us: number(8)?,
            received_ms: number(16)?,
            ident: number(24)? as u64,
            flags: *bytes.get(MOMENT_BYTES - 1)?,
        })
    }

    fn is_segment(&self) -> bool {
        self.flags & SEGMENT != 0
    }

    fn instant_us(&self) -> i64 {
        if self.is_segment() {
            self.begin_us
        } else {
            self.end_us
        }
    }

    fn activity_end_us(&self, gap_us: i64) -> i64 {
        if self.is_segment() && self.end_us - self.begin_us >= gap_us {
            self.begin_us
        } else {
            self.end_us
        }
    }

    fn is_copy_of(&self, other: &Moment) -> bool {
        (self.begin_us, self.end_us, self.flags) == (other.begin_us, other.end_us, other.flags)
    }
}

/// (start, end, last activity received, first received, distinct moments); None when only a fold of them can tell.
#[pyfunction]
pub fn plain_window(packed: &Bound<'_, PyByteArray>, gap_ms: i64, cap_ms: i64) -> Option<(i64, i64, i64, i64, usize)> {
    let packed = packed.to_vec();
    let moments: Vec<Moment> = packed.chunks(MOMENT_BYTES).map(Moment::read).collect::<Option<_>>()?;
    let first = moments.first()?;
    let (gap_us, cap_us) = (gap_ms * US_PER_MS, cap_ms * US_PER_MS);
    let mut instants = Vec::with_capacity(moments.len());
    let (mut start_us, mut end_us, mut latest_us, mut first_ms) =
        (first.begin_us, i64::MIN, i64::MIN, first.received_ms);
    let mut known: HashMap<u64, (&Moment, i64)> = HashMap::with_capacity(moments.len()); // with the earliest receipt
    for one in &moments {
        if one.flags & ENDS != 0 {
            return None;
        }
        let (copy, received_ms) = known.entry(one.ident).or_insert((one, one.received_ms));
        if !copy.is_copy_of(one) {
            return None;
        }
        *received_ms = one.received_ms.min(*received_ms);
        instants.push(one.instant_us());
        start_us = start_us.min(one.begin_us);
        latest_us = latest_us.max(one.end_us);
        end_us = end_us.max(one.activity_end_us(gap_us));
        first_ms = first_ms.min(one.received_ms);
    }
    instants.sort_unstable();
    let is_paused = instants.windows(2).any(|pair| matches!(pair, [before, after] if after - before >= gap_us));
    if is_paused || latest_us - start_us >= cap_us {
        return None;
    }
    let last_ms = known.values().map(|(_, received_ms)| *received_ms).max()?;
    Some((start_us, end_us, last_ms, first_ms, known.len()))
}
