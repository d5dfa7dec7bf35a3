//! Numbers as the columns take them; the rules are those of `operators/rows/values.py`.

const EXACT_MAX: i64 = 1 << 53;
const INT64_END: f64 = 9_223_372_036_854_775_808.0;
pub const DURATION_MAX_NS: i64 = 366 * 86_400 * 1_000_000_000;

/// An integral float as the integer that it is.
pub fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && (-INT64_END..INT64_END).contains(&number)).then_some(number as i64)
}

/// An integer that is exact as a float.
pub fn double(number: i64) -> Option<f64> {
    (number.unsigned_abs() <= EXACT_MAX as u64).then_some(number as f64)
}

/// In a finer unit, rounded to a whole.
pub fn scaled_int(number: i64, factor: i64) -> Option<i64> {
    match number.checked_mul(factor) {
        Some(scaled) if scaled.unsigned_abs() <= EXACT_MAX as u64 => Some(scaled),
        _ => scaled(double(number)?, factor),
    }
}

pub fn scaled(number: f64, factor: i64) -> Option<i64> {
    if !number.is_finite() || number.abs() * factor as f64 > INT64_END {
        return None;
    }
    whole((number * factor as f64).round_ties_even())
}

pub fn is_duration(number: i64) -> bool {
    (0..DURATION_MAX_NS).contains(&number)
}
