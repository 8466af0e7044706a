//! The heads of CBOR items and the shortest form of numbers.
//!
//! <https://www.rfc-editor.org/rfc/rfc8949.html#section-3>

/// Major type 0: an integer from 0.
pub const UNSIGNED: u8 = 0;
/// Major type 1: the integer -1 - n.
pub const NEGATIVE: u8 = 1;
/// Major type 2: a byte string.
pub const BYTES: u8 = 2;
/// Major type 3: a text.
pub const TEXT: u8 = 3;
/// Major type 4: an array.
pub const ARRAY: u8 = 4;
/// Major type 5: a map.
pub const MAP: u8 = 5;
/// Major type 6: a tag, which no record has.
pub const TAG: u8 = 6;
/// The simple value false.
pub const FALSE: u8 = 0xf4;
/// The simple value true.
pub const TRUE: u8 = 0xf5;
/// The simple value null.
pub const NULL: u8 = 0xf6;

/// Writes the head of an item in its shortest form.
pub fn put_head(out: &mut Vec<u8>, major: u8, value: u64) {
    let major = major << 5;
    if value < 24 {
        out.push(major | value as u8);
    } else if let Ok(value) = u8::try_from(value) {
        out.extend_from_slice(&[major | 0x18, value]);
    } else if let Ok(value) = u16::try_from(value) {
        out.push(major | 0x19);
        out.extend_from_slice(&value.to_be_bytes());
    } else if let Ok(value) = u32::try_from(value) {
        out.push(major | 0x1a);
        out.extend_from_slice(&value.to_be_bytes());
    } else {
        out.push(major | 0x1b);
        out.extend_from_slice(&value.to_be_bytes());
    }
}

/// Writes a text.
pub fn put_text(out: &mut Vec<u8>, text: &str) {
    put_head(out, TEXT, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Writes the shortest of the three widths that keeps the value.
pub fn put_float(out: &mut Vec<u8>, value: f64) {
    let single = value as f32;
    if value.is_nan() {
        out.extend_from_slice(&[0xf9, 0x7e, 0x00]);
    } else if f64::from(single).to_bits() != value.to_bits() {
        out.push(0xfb);
        out.extend_from_slice(&value.to_be_bytes());
    } else if let Some(half) = half_of_single(single) {
        out.push(0xf9);
        out.extend_from_slice(&half.to_be_bytes());
    } else {
        out.push(0xfa);
        out.extend_from_slice(&single.to_be_bytes());
    }
}

/// The binary16 of a binary32, if it keeps the value. Not for NaN.
fn half_of_single(value: f32) -> Option<u16> {
    let bits = value.to_bits();
    let sign = (bits >> 16 & 0x8000) as u16;
    let (exponent, fraction) = ((bits >> 23 & 0xff) as i32 - 127, bits & 0x7f_ffff);
    let (magnitude, dropped) = match exponent {
        -127 => (0, fraction),
        128 => (0x7c00, fraction),
        -14..=15 => (
            ((exponent + 15) as u32) << 10 | fraction >> 13,
            fraction & 0x1fff,
        ),
        -24..=-15 => {
            let (significand, shift) = (fraction | 0x80_0000, (-exponent - 1) as u32);
            (significand >> shift, significand & ((1 << shift) - 1))
        }
        _ => return None,
    };
    (dropped == 0).then_some(sign | magnitude as u16)
}

/// The value of a binary16.
pub fn double_of_half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    let magnitude = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
    };
    if bits & 0x8000 == 0 {
        magnitude
    } else {
        -magnitude
    }
}
