//! Distinguished names as Java and .NET print them, for servers that compare that text.

use super::x509::{NameAttribute, Rdns};

const UTF8_STRING: u8 = 0x0C;
const PRINTABLE_STRING: u8 = 0x13;
const IA5_STRING: u8 = 0x16;
const T61_STRING: u8 = 0x14;
const GENERAL_STRING: u8 = 0x1B;
const BMP_STRING: u8 = 0x1E;

const DC: &str = "0.9.2342.19200300.100.1.25";

/// A name from which Keycloak makes the `X500Principal` of the certificate again.
///
/// # Errors
/// Why it makes another one.
pub fn keycloak(rdns: &Rdns) -> Result<String, String> {
    // Whatever the type of the string was, Java makes an IA5String of it, with "?" for others.
    if rdns.iter().flatten().any(|attribute| attribute.oid == DC && !attribute.value.is_ascii()) {
        return Err("Java reads DC as ASCII, and here it has other characters".to_owned());
    }
    java(rdns)
}

/// As `X500Principal.getName()` of Java prints it (RFC 2253): the types of that RFC with their
/// text, all others by object identifier with the DER in hexadecimal.
///
/// # Errors
/// Why it is not known what Java prints.
pub fn java(rdns: &Rdns) -> Result<String, String> {
    const KEYWORDS: [(&str, &str); 9] = [
        ("2.5.4.3", "CN"),
        ("2.5.4.6", "C"),
        ("2.5.4.7", "L"),
        ("2.5.4.8", "ST"),
        ("2.5.4.10", "O"),
        ("2.5.4.11", "OU"),
        ("2.5.4.9", "STREET"),
        (DC, "DC"),
        ("0.9.2342.19200300.100.1.1", "UID"),
    ];
    let attribute = |attribute: &NameAttribute| {
        let tag = attribute.tag.ok_or("an attribute has a value that is no string")?;
        let keyword = KEYWORDS.iter().find(|(oid, _)| *oid == attribute.oid);
        match (keyword, tag) {
            (Some((_, keyword)), UTF8_STRING | PRINTABLE_STRING | IA5_STRING) => {
                Ok(format!("{keyword}={}", escaped(&text(attribute)?)))
            }
            // Java reads these octets as UTF-8, whatever they are.
            (Some(_), T61_STRING | GENERAL_STRING | BMP_STRING) => {
                Err(format!("{} is a string of a type that Java prints wrongly", attribute.oid))
            }
            (Some((_, keyword)), _) => Ok(format!("{keyword}={}", hexadecimal(tag, attribute)?)),
            (None, _) => Ok(format!("{}={}", attribute.oid, hexadecimal(tag, attribute)?)),
        }
    };
    joined(rdns, attribute, "+", ",")
}

/// As `X509Certificate2.Subject` of .NET prints it.
///
/// # Errors
/// Why it is not known what .NET prints.
pub fn dotnet(rdns: &Rdns) -> Result<String, String> {
    // The types that .NET names alike on every system. Others depend on the system's libraries.
    const NAMES: [(&str, &str); 9] = [
        ("2.5.4.3", "CN"),
        ("2.5.4.5", "SERIALNUMBER"),
        ("2.5.4.6", "C"),
        ("2.5.4.7", "L"),
        ("2.5.4.8", "S"),
        ("2.5.4.10", "O"),
        ("2.5.4.11", "OU"),
        (DC, "DC"),
        ("1.2.840.113549.1.9.1", "E"),
    ];
    let attribute = |attribute: &NameAttribute| {
        let (_, name) = NAMES
            .iter()
            .find(|(oid, _)| *oid == attribute.oid)
            .ok_or_else(|| format!(".NET prints {} differently on each system", attribute.oid))?;
        if !matches!(attribute.tag, Some(UTF8_STRING | PRINTABLE_STRING | IA5_STRING)) {
            return Err(format!("{} is a string of an uncommon type", attribute.oid));
        }
        Ok(format!("{name}={}", quoted(&text(attribute)?)))
    };
    joined(rdns, attribute, " + ", ", ")
}

/// The most specific RDN first.
fn joined(
    rdns: &Rdns,
    print: impl Fn(&NameAttribute) -> Result<String, String>,
    plus: &str,
    comma: &str,
) -> Result<String, String> {
    let printed: Result<Vec<String>, String> = rdns
        .iter()
        .rev()
        .map(|rdn| {
            let attributes: Result<Vec<String>, String> = rdn.iter().map(&print).collect();
            attributes.map(|attributes| attributes.join(plus))
        })
        .collect();
    printed.map(|printed| printed.join(comma))
}

fn text(attribute: &NameAttribute) -> Result<String, String> {
    let text = String::from_utf8(attribute.value.clone());
    text.map_err(|_| format!("{} is not UTF-8", attribute.oid))
}

/// RFC 2253 §2.4, as Java does it: blanks at the ends are escaped, and `#` everywhere.
fn escaped(text: &str) -> String {
    let core = text.trim_matches(' ');
    let lead = text.len() - text.trim_start_matches(' ').len();
    let trail = if core.is_empty() { 0 } else { text.len() - lead - core.len() };
    let mut printed = "\\ ".repeat(lead);
    for c in core.chars() {
        if ",=+<>#;\"\\".contains(c) {
            printed.push('\\');
        }
        printed.push(c);
    }
    printed + &"\\ ".repeat(trail)
}

/// In quotes where .NET needs them, a quotation mark twice.
fn quoted(text: &str) -> String {
    let is_blank = |c: char| matches!(c, ' ' | '\t' | '\n' | '\x0B' | '\x0C' | '\r');
    let needs_quotes = text.is_empty()
        || text.starts_with(is_blank)
        || text.ends_with(is_blank)
        || text.contains([',', '+', '=', '"', '\n', '<', '>', '#', ';']);
    if needs_quotes { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

/// `#` and the DER of the value.
fn hexadecimal(tag: u8, attribute: &NameAttribute) -> Result<String, String> {
    let length = attribute.value.len();
    let header = match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length @ 0..=0x7F), _) => vec![tag, length],
        (Ok(length), _) => vec![tag, 0x81, length],
        (_, Ok(length)) => [&[tag, 0x82][..], &length.to_be_bytes()].concat(),
        _ => return Err(format!("{} is too long", attribute.oid)),
    };
    let octets = header.iter().chain(&attribute.value);
    Ok(octets.fold("#".to_owned(), |printed, octet| format!("{printed}{octet:02x}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(rdns: &[&[(&str, u8, &str)]]) -> Rdns {
        let attribute = |(oid, tag, value): &(&str, u8, &str)| NameAttribute {
            oid: (*oid).to_owned(),
            tag: Some(*tag),
            value: value.as_bytes().to_vec(),
        };
        rdns.iter().map(|rdn| rdn.iter().map(attribute).collect()).collect()
    }

    #[test]
    fn names_as_each_language_prints_them() {
        const C: &str = "2.5.4.6";
        const O: &str = "2.5.4.10";
        const CN: &str = "2.5.4.3";
        for (rdns, of_java, of_dotnet) in [
            (
                name(&[&[(C, 0x13, "JP")], &[(O, 0x0C, "Client, \"Inc\"")], &[(CN, 0x0C, "a")]]),
                Ok("CN=a,O=Client\\, \\\"Inc\\\",C=JP"),
                Ok("CN=a, O=\"Client, \"\"Inc\"\"\", C=JP"),
            ),
            (
                name(&[&[(CN, 0x0C, "a"), (O, 0x0C, "#b")]]),
                Ok("CN=a+O=\\#b"),
                Ok("CN=a + O=\"#b\""),
            ),
            (name(&[&[(CN, 0x0C, " a ")]]), Ok("CN=\\ a\\ "), Ok("CN=\" a \"")),
            (name(&[&[(CN, 0x0C, "  ")]]), Ok("CN=\\ \\ "), Ok("CN=\"  \"")),
            (
                name(&[&[("2.5.4.8", 0x13, "Tokyo")], &[("1.2.840.113549.1.9.1", 0x16, "a@b.c")]]),
                Ok("1.2.840.113549.1.9.1=#16056140622e63,ST=Tokyo"),
                Ok("E=a@b.c, S=Tokyo"),
            ),
            (
                name(&[&[("2.5.4.97", 0x0C, "X")]]),
                Ok("2.5.4.97=#0c0158"),
                Err(".NET prints 2.5.4.97 differently on each system"),
            ),
            (
                name(&[&[(CN, 0x1E, "\0a")]]),
                Err("2.5.4.3 is a string of a type that Java prints wrongly"),
                Err("2.5.4.3 is a string of an uncommon type"),
            ),
        ] {
            assert_eq!(java(&rdns).as_deref().map_err(String::as_str), of_java);
            assert_eq!(dotnet(&rdns).as_deref().map_err(String::as_str), of_dotnet);
        }
        let japanese = name(&[&[(DC, 0x0C, "日本")], &[(CN, 0x0C, "日本")]]);
        assert!(keycloak(&japanese).is_err_and(|why| why.contains("reads DC as ASCII")));
        assert_eq!(java(&japanese).as_deref(), Ok("CN=日本,DC=日本"));
        let japanese = name(&[&[(DC, 0x0C, "jp")], &[(CN, 0x0C, "日本")]]);
        assert_eq!(keycloak(&japanese).as_deref(), Ok("CN=日本,DC=jp"));
        let long = name(&[&[("1.2.3", 0x0C, &"x".repeat(300))]]);
        assert!(java(&long).is_ok_and(|name| name.starts_with("1.2.3=#0c82012c7878")));
    }
}
