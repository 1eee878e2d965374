//! The string forms of distinguished names: RFC 4514 with extensions of its predecessors, and the
//! one-line form of OpenSSL.

use super::{
    AttributeType, AttributeTypeAndValue, AttributeValue, NameError, RelativeDistinguishedName,
};

/// Characters that a backslash escapes (RFC 4514 §3 `pair`).
const ESCAPABLE: &[u8] = b"\"+,;<>\\ #=";

/// Parses the form of RFC 4514 §3, extended by blanks around separators, `OID.` before an
/// identifier, and quoted values (RFC 2253 §4).
pub(super) fn rfc4514(text: &str) -> Result<Vec<RelativeDistinguishedName>, NameError> {
    let mut input = Input { text: text.as_bytes(), offset: 0 };
    let mut rdns = Vec::new();
    let mut attributes = Vec::with_capacity(1);
    input.skip_blanks();
    if input.peek().is_none() {
        return Ok(rdns);
    }
    loop {
        attributes.push(attribute(&mut input)?);
        let separator = input.peek();
        if separator != Some(b'+') {
            rdns.push(RelativeDistinguishedName::new(std::mem::take(&mut attributes)));
        }
        match separator {
            None => return Ok(rdns),
            Some(b'+' | b',') => input.offset += 1,
            Some(_) => return Err(input.expected("`,`, `+` or the end")),
        }
    }
}

/// One `type=value`, up to its separator.
fn attribute(input: &mut Input<'_>) -> Result<AttributeTypeAndValue, NameError> {
    input.skip_blanks();
    let start = input.offset;
    while input.peek().is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.')) {
        input.offset += 1;
    }
    let name = input.since(start)?;
    input.skip_blanks();
    if name.is_empty() || input.peek() != Some(b'=') {
        return Err(input.expected("an attribute type and `=`"));
    }
    let attribute_type = AttributeType::parse(&name)?;
    input.offset += 1;
    input.skip_blanks();
    let value = match input.peek() {
        Some(b'#') => AttributeValue::from_der(&hexstring(input)?)?,
        Some(b'"') => AttributeValue::text(&quoted(input)?)?,
        _ => AttributeValue::text(&string(input)?)?,
    };
    input.skip_blanks();
    Ok(AttributeTypeAndValue { attribute_type, value })
}

/// `#` and pairs of hexadecimal digits.
fn hexstring(input: &mut Input<'_>) -> Result<Vec<u8>, NameError> {
    input.offset += 1;
    let mut octets = Vec::new();
    while let Some(octet) = input.hexpair() {
        octets.push(octet);
    }
    if octets.is_empty() || input.peek().is_some_and(|b| b.is_ascii_hexdigit()) {
        return Err(input.expected("pairs of hexadecimal digits"));
    }
    Ok(octets)
}

/// A value in double quotes, in which only `"` and `\` need an escape. Windows and .NET write a
/// quotation mark twice instead.
fn quoted(input: &mut Input<'_>) -> Result<String, NameError> {
    input.offset += 1;
    let mut octets = Vec::new();
    loop {
        match input.peek() {
            None | Some(0) => return Err(input.expected("`\"`")),
            Some(b'"') => {
                input.offset += 1;
                if input.peek() != Some(b'"') {
                    break;
                }
                octets.push(b'"');
                input.offset += 1;
            }
            Some(b'\\') => octets.push(input.pair()?),
            Some(octet) => {
                octets.push(octet);
                input.offset += 1;
            }
        }
    }
    String::from_utf8(octets).map_err(|_| NameError::NotUtf8)
}

/// A plain value. Blanks at its end count only where they are escaped.
fn string(input: &mut Input<'_>) -> Result<String, NameError> {
    let mut octets = Vec::new();
    let mut significant = 0;
    loop {
        match input.peek() {
            None | Some(b',' | b'+') => break,
            Some(b'"' | b';' | b'<' | b'>' | 0) => {
                return Err(input.expected("this character to be escaped"));
            }
            Some(b'\\') => {
                octets.push(input.pair()?);
                significant = octets.len();
            }
            Some(octet) => {
                octets.push(octet);
                input.offset += 1;
                if octet != b' ' {
                    significant = octets.len();
                }
            }
        }
    }
    octets.truncate(significant);
    String::from_utf8(octets).map_err(|_| NameError::NotUtf8)
}

/// Parses OpenSSL's one-line form, least specific RDN first, such as
/// `/C=JP/O=Client/CN=client.example.org`.
///
/// OpenSSL does not escape separators. So a slash begins an RDN, and a plus a further attribute,
/// only where a known attribute type and `=` follow; elsewhere they belong to the value. It does
/// not escape a backslash either, so that one stands for itself, except in `\/` and `\+`, which
/// `openssl req -subj` reads. `\xHH` is an error, because OpenSSL prints it both for an octet that
/// is not printable ASCII and for a backslash before `xHH`.
pub(super) fn openssl(text: &str) -> Result<Vec<RelativeDistinguishedName>, NameError> {
    let mut input = Input { text: text.as_bytes(), offset: 0 };
    let mut rdns = Vec::new();
    let mut attributes = Vec::with_capacity(1);
    while input.peek().is_some() {
        // The separator: the first slash, or the one at which the last value ended.
        input.offset += 1;
        let Some(attribute_type) = openssl_type(&mut input) else {
            return Err(input.expected("an attribute type and `=`"));
        };
        let value = AttributeValue::text(&openssl_value(&mut input)?)?;
        attributes.push(AttributeTypeAndValue { attribute_type, value });
        if input.peek() != Some(b'+') {
            rdns.push(RelativeDistinguishedName::new(std::mem::take(&mut attributes)));
        }
    }
    rdns.reverse();
    Ok(rdns)
}

/// The type before a `=`. Without one nothing is consumed.
fn openssl_type(input: &mut Input<'_>) -> Option<AttributeType> {
    let rest = input.text.get(input.offset..)?;
    let length =
        rest.iter().position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.')))?;
    let name = std::str::from_utf8(rest.get(..length)?).ok()?;
    if rest.get(length) != Some(&b'=') {
        return None;
    }
    let attribute_type = AttributeType::parse(name).ok()?;
    input.offset += length + 1;
    Some(attribute_type)
}

fn openssl_value(input: &mut Input<'_>) -> Result<String, NameError> {
    let mut octets = Vec::new();
    while let Some(octet) = input.peek() {
        let separates = matches!(octet, b'/' | b'+') && {
            let mut ahead = Input { text: input.text, offset: input.offset + 1 };
            openssl_type(&mut ahead).is_some()
        };
        if separates {
            break;
        }
        input.offset += 1;
        let ahead = |n| input.text.get(input.offset + n);
        match (octet, ahead(0)) {
            (b'\\', Some(&escaped @ (b'/' | b'+'))) => {
                octets.push(escaped);
                input.offset += 1;
            }
            (b'\\', Some(b'x'))
                if [1, 2].into_iter().all(|n| ahead(n).is_some_and(u8::is_ascii_hexdigit)) =>
            {
                return Err(NameError::Ambiguous { offset: input.offset - 1 });
            }
            _ => octets.push(octet),
        }
    }
    String::from_utf8(octets).map_err(|_| NameError::NotUtf8)
}

struct Input<'a> {
    text: &'a [u8],
    offset: usize,
}

impl Input<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.offset).copied()
    }

    fn skip_blanks(&mut self) {
        while self.peek() == Some(b' ') {
            self.offset += 1;
        }
    }

    fn since(&self, start: usize) -> Result<String, NameError> {
        let octets = self.text.get(start..self.offset).unwrap_or_default();
        String::from_utf8(octets.to_vec()).map_err(|_| NameError::NotUtf8)
    }

    /// The octet of two hexadecimal digits. Without them nothing is consumed.
    fn hexpair(&mut self) -> Option<u8> {
        let digit =
            |ahead| self.text.get(self.offset + ahead).and_then(|&b| char::from(b).to_digit(16));
        let octet = digit(0)? * 16 + digit(1)?;
        self.offset += 2;
        u8::try_from(octet).ok()
    }

    /// A backslash and what it escapes (RFC 4514 §3 `pair`).
    fn pair(&mut self) -> Result<u8, NameError> {
        self.offset += 1;
        match self.peek() {
            Some(special) if ESCAPABLE.contains(&special) => {
                self.offset += 1;
                Ok(special)
            }
            _ => self.hexpair().ok_or_else(|| {
                self.expected("a special character or two hexadecimal digits after `\\`")
            }),
        }
    }

    fn expected(&self, expected: &'static str) -> NameError {
        NameError::Syntax { offset: self.offset, expected }
    }
}
