//! Distinguished names as Java and .NET print them. A server compares the registered text with what
//! is printed for a certificate, so a text in another form matches no certificate.

/// Whether `X500Name` of Java or `X500DistinguishedName` of .NET can print a name so: "CN=a, O=b +
/// OU=c", with quotes around a value that needs them; Java prints each type in capitals.
/// (`X500Principal.getName()` of Java prints another form: see [`is_rfc2253`].) A backslash is
/// refused: .NET prints it as it is, and RFC 4514 reads it as an escape.
pub(super) fn is_printed(name: &str, in_capitals: bool) -> bool {
    #[derive(Clone, Copy)]
    enum Position {
        Type,
        Value,
        Quoted,
        Separator,
    }
    let (mut position, mut before) = (Position::Type, b' ');
    for byte in name.bytes() {
        position = match (position, byte) {
            (Position::Type, b'=') | (Position::Quoted, b'"') => Position::Value,
            (Position::Type, b'A'..=b'Z' | b'0'..=b'9' | b'.') => position,
            (Position::Type, b'a'..=b'z') if !in_capitals => position,
            (Position::Value, b',') if before != b' ' => Position::Separator,
            (Position::Value, b'+') if before == b' ' => Position::Separator,
            (Position::Separator, b' ') => Position::Type,
            (Position::Value, b'"') => Position::Quoted,
            (Position::Value, b' ') if before == b'=' => return false,
            (Position::Type | Position::Separator, _)
            | (_, b'\\')
            | (Position::Value, b',' | b'+' | b'=' | b'<' | b'>' | b'#' | b';') => {
                return false;
            }
            (Position::Value | Position::Quoted, _) => position,
        };
        before = byte;
    }
    matches!(position, Position::Value) && before != b' '
}

/// Whether `X500Principal.getName()` of Java can print a name so (RFC 2253): no spaces around
/// separators, the values of a few types as text, and those of all others in hexadecimal.
pub(super) fn is_rfc2253(name: &str) -> bool {
    const ESCAPED: &str = ",=+<>#;\"\\ ";
    let mut plain = String::new();
    let mut chars = name.chars();
    while let Some(c) = chars.next() {
        match c {
            // An escaped character is not a separator.
            '\\' if chars.next().is_some_and(|escaped| ESCAPED.contains(escaped)) => {
                plain.push('x')
            }
            '\\' => return false,
            c => plain.push(c),
        }
    }
    plain.split([',', '+']).all(|attribute| match attribute.split_once('=') {
        Some(("CN" | "C" | "L" | "ST" | "O" | "OU" | "STREET" | "DC" | "UID", value)) => {
            value.trim() == value && !value.contains(|c| ESCAPED.contains(c) && c != ' ')
        }
        Some((oid, value)) => {
            let is_oid = !oid.is_empty() && oid.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.'));
            is_oid
                && value
                    .strip_prefix('#')
                    .is_some_and(|hex| hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
        }
        None => false,
    })
}
