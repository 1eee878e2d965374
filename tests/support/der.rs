//! A DER writer without checks: tests need certificates with exactly one error.

pub const BOOLEAN: u8 = 0x01;
pub const INTEGER: u8 = 0x02;
pub const BIT_STRING: u8 = 0x03;
pub const OCTET_STRING: u8 = 0x04;
pub const OBJECT_IDENTIFIER: u8 = 0x06;
pub const ENUMERATED: u8 = 0x0a;
pub const UTF8_STRING: u8 = 0x0c;
pub const NUMERIC_STRING: u8 = 0x12;
pub const PRINTABLE_STRING: u8 = 0x13;
pub const TELETEX_STRING: u8 = 0x14;
pub const IA5_STRING: u8 = 0x16;
pub const UTC_TIME: u8 = 0x17;
pub const GENERALIZED_TIME: u8 = 0x18;
pub const VISIBLE_STRING: u8 = 0x1a;
pub const UNIVERSAL_STRING: u8 = 0x1c;
pub const BMP_STRING: u8 = 0x1e;
pub const SEQUENCE: u8 = 0x30;
pub const SET: u8 = 0x31;

/// `[n]` IMPLICIT of a primitive type.
pub const fn context(n: u8) -> u8 {
    0x80 | n
}

/// `[n]` EXPLICIT, or IMPLICIT of a constructed type.
pub const fn context_constructed(n: u8) -> u8 {
    0xa0 | n
}

/// One tag, length and value; the value is the concatenation of `parts`.
pub fn tlv<P: AsRef<[u8]>>(tag: u8, parts: &[P]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.as_ref().len()).sum();
    let mut out = vec![tag];
    if length < 0x80 {
        out.push(length as u8);
    } else {
        let bytes = length.to_be_bytes();
        let significant = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
        out.push(0x80 | significant.len() as u8);
        out.extend_from_slice(significant);
    }
    for part in parts {
        out.extend_from_slice(part.as_ref());
    }
    out
}

pub fn bit_string(bytes: &[u8]) -> Vec<u8> {
    tlv(BIT_STRING, &[&[0], bytes])
}

/// An unsigned INTEGER.
pub fn integer(value: u64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count().min(7);
    let significant = &bytes[zeros..];
    let sign: &[u8] = if significant[0] & 0x80 != 0 { &[0] } else { &[] };
    tlv(INTEGER, &[sign, significant])
}

/// An OBJECT IDENTIFIER from its dotted form.
pub fn oid(dotted: &str) -> Result<Vec<u8>, String> {
    let arcs = dotted
        .split('.')
        .map(|arc| {
            arc.parse::<u64>().map_err(|_| format!("{dotted:?} is not a dotted object identifier"))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let [first, second, rest @ ..] = arcs.as_slice() else {
        return Err(format!("{dotted:?} is not a dotted object identifier"));
    };
    let mut body = base128(first * 40 + second);
    for arc in rest {
        body.extend(base128(*arc));
    }
    Ok(tlv(OBJECT_IDENTIFIER, &[body]))
}

fn base128(mut value: u64) -> Vec<u8> {
    let mut digits = vec![(value & 0x7f) as u8];
    while value > 0x7f {
        value >>= 7;
        digits.push(0x80 | (value & 0x7f) as u8);
    }
    digits.reverse();
    digits
}

/// Lower-case hexadecimal digits.
pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes from hexadecimal digits; blanks between the digits are ignored.
pub fn hex(text: &str) -> Result<Vec<u8>, String> {
    let digits = text
        .chars()
        .filter(|c| !c.is_ascii_whitespace())
        .map(|c| c.to_digit(16).map(|digit| digit as u8))
        .collect::<Option<Vec<_>>>()
        .filter(|digits| digits.len() % 2 == 0)
        .ok_or_else(|| {
            format!("{:?} is not hexadecimal", text.chars().take(60).collect::<String>())
        })?;
    Ok(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}
