//! Distinguished names as Java and .NET print and read them. A server compares the registered text
//! with what is printed for a certificate, so a text in another form matches no certificate.

use crate::certificate::AttributeType;

/// The names of attribute types that Keycloak reads, in any letter case: those of Java, and four
/// that Keycloak adds (`CUSTOM_OIDS_REVERSED` of its `X509ClientAuthenticator`). `X500Name` of Java
/// prints all but the first [`NEVER_PRINTED`].
const NAMES_OF_JAVA: &str = "S E EMAIL DNQUALIFIER BUSINESSCATEGORY JURISDICTIONCOUNTRYNAME \
    CN C L ST O OU T IP STREET DC DNQ SURNAME GIVENNAME INITIALS GENERATION EMAILADDRESS UID \
    SERIALNUMBER";
const NEVER_PRINTED: usize = 6;

/// The names in .NET's own table (`OidLookup`). Names of other types are those of the system's
/// libraries.
const NAMES_OF_DOTNET: &str = "CN C L S O OU DC E SERIALNUMBER SN G I T STREET PostalCode POBox \
    Phone Description X21Address dnQualifier";

/// The names that `X500Principal.getName()` of Java prints (RFC 2253).
const NAMES_OF_RFC_2253: &str = "CN C L ST O OU STREET DC UID";

/// Whether `new X500Principal(name)` of Java, as Keycloak calls it, knows every attribute type.
pub(super) fn is_read_by_java(name: &str) -> bool {
    let is_known = |kind: &str| {
        NAMES_OF_JAVA.split(' ').any(|known| known.eq_ignore_ascii_case(kind))
            // An identifier; a slash begins OpenSSL's form.
            || kind.contains('.') && !kind.starts_with('/')
    };
    name.split(separators())
        .all(|attribute| attribute.split_once('=').is_none_or(|(kind, _)| is_known(kind.trim())))
}

/// Whether `X500Name` of Java prints a name so: "CN=a, O=b + OU=c", with quotes around a value that
/// needs them and no other. (`X500Principal.getName()` of Java prints another form: see
/// [`is_rfc2253`].)
pub(super) fn is_printed_by_java(name: &str) -> bool {
    is_printed(
        name,
        |kind| is_usual(kind, NAMES_OF_JAVA.split(' ').skip(NEVER_PRINTED)),
        |text| text.contains("  "),
        // Java escapes it by a backslash.
        |text| !text.contains('"'),
    )
}

/// Whether `X509Certificate2.Subject` of .NET prints a name so. It is like the form of Java.
pub(super) fn is_printed_by_dotnet(name: &str) -> bool {
    is_printed(
        name,
        |kind| {
            let is_of_table = |name| AttributeType::parse(name) == AttributeType::parse(kind);
            is_usual(kind, NAMES_OF_DOTNET.split(' '))
                || AttributeType::is_name(kind) && !NAMES_OF_DOTNET.split(' ').any(is_of_table)
        },
        str::is_empty,
        |text| !text.replace("\"\"", "").contains('"'),
    )
}

/// Whether each attribute is printed so: `of_kind` decides about its type, `needs_quotes` whether
/// its value needs quotes beyond what all printers quote, `in_quotes` about quotation marks in it.
///
/// A backslash is refused: .NET prints it as it is, and RFC 4514 reads it as an escape.
fn is_printed(
    name: &str,
    of_kind: impl Fn(&str) -> bool,
    needs_quotes: impl Fn(&str) -> bool,
    in_quotes: impl Fn(&str) -> bool,
) -> bool {
    // A blank before the first attribute makes it like the others.
    format!(" {name}").split_inclusive(separators()).all(|attribute| {
        let attribute = attribute
            .strip_suffix(',')
            .or_else(|| attribute.strip_suffix(" +"))
            .unwrap_or(attribute);
        let Some((kind, value)) = attribute.strip_prefix(' ').and_then(|a| a.split_once('='))
        else {
            return false;
        };
        let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let text = quoted.unwrap_or(value);
        let needs = text.contains([',', '+', '=', '<', '>', '#', ';', '"'])
            || text.starts_with(' ')
            || text.ends_with(' ')
            || needs_quotes(text);
        of_kind(kind) && quoted.is_some() == needs && in_quotes(text) && !text.contains('\\')
    })
}

/// Whether a type is printed so: by its name, if it has one of these, else by its identifier.
fn is_usual<'a>(kind: &str, mut names: impl Iterator<Item = &'a str> + Clone) -> bool {
    let is_its_name = |name| AttributeType::parse(name) == AttributeType::parse(kind);
    names.clone().any(|name| name == kind)
        || kind.starts_with("OID.") && AttributeType::parse(kind).is_ok() && !names.any(is_its_name)
}

/// Which characters separate attributes: commas and pluses that are neither escaped nor in quotes.
fn separators() -> impl FnMut(char) -> bool {
    let (mut is_escaped, mut is_quoted) = (false, false);
    move |c| {
        if std::mem::take(&mut is_escaped) {
            return false;
        }
        is_escaped = c == '\\';
        is_quoted ^= c == '"';
        !is_quoted && matches!(c, ',' | '+')
    }
}

/// Whether `X500Principal.getName()` of Java prints a name so (RFC 2253): no spaces around
/// separators, the values of a few types as text, and those of all others in hexadecimal.
pub(super) fn is_rfc2253(name: &str) -> bool {
    let is_printed = |attribute: &str| {
        let Some((kind, value)) = attribute.split_once('=') else { return false };
        if NAMES_OF_RFC_2253.split(' ').any(|name| name == kind) {
            return is_escaped_where_needed(value);
        }
        let is_oid = kind.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.'));
        let is_hexadecimal =
            |hex: &str| hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        is_oid
            && is_usual(&format!("OID.{kind}"), NAMES_OF_RFC_2253.split(' '))
            && value.strip_prefix('#').is_some_and(is_hexadecimal)
    };
    name.split(separators()).all(is_printed)
}

/// Java escapes the characters of RFC 2253 §2.4, and blanks at the ends, and no others.
fn is_escaped_where_needed(value: &str) -> bool {
    let mut found = Vec::new();
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(escaped) => found.push((escaped, true)),
                None => return false,
            },
            c => found.push((c, false)),
        }
    }
    let is_blank = |(c, _): &&(char, bool)| *c == ' ';
    let lead = found.iter().take_while(is_blank).count();
    let trail = found.iter().rev().take_while(is_blank).count();
    let end = found.len() - trail;
    found.iter().enumerate().all(|(index, &(c, is_escaped))| {
        let is_at_end = c == ' ' && (index < lead || index >= end);
        is_escaped == (is_at_end || ",=+<>#;\"\\".contains(c))
    })
}
