//! Distinguished names, compared by distinguishedNameMatch (RFC 4517 §4.2.15).
//!
//! A name is read from the string that a client registered, or from the DER of a certificate, into
//! one form in which equal names are equal values. Printed names are never compared.

mod attribute;
mod compare;
mod parse;
mod prepare;
mod print;
mod text;
mod unicode_3_2;
mod usual_der;

use std::cmp::Ordering;
use std::fmt;

pub use self::attribute::AttributeType;
use self::text::Text;
use super::der::{Elements, MalformedDer, Tlv, tag};
use crate::sort::sort;

/// Why a string or DER is not a distinguished name that can be compared. Offsets are in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameError {
    /// The string has no RDN. An empty subject identifies no client.
    Empty,
    /// This attribute type is neither a known name nor a dotted-decimal object identifier.
    UnknownAttributeType(String),
    /// The string does not match the grammar of RFC 4514 §3.
    Syntax {
        /// Offset of the first byte that does not match.
        offset: usize,
        /// What the grammar requires there.
        expected: &'static str,
    },
    /// The string has a line end or a control character that is not escaped (RFC 4514 §2.4).
    /// Several lines are not a name in the form of RFC 4514, and joined to one line they would be
    /// another name.
    RawControlCharacter {
        /// Offset of the character.
        offset: usize,
        /// The character.
        character: char,
    },
    /// The string has `\xHH` in OpenSSL's one-line form, which OpenSSL prints for an octet and for
    /// a backslash before `xHH` alike.
    Ambiguous {
        /// Offset of the backslash.
        offset: usize,
    },
    /// A value is not UTF-8 after its escapes are resolved.
    NotUtf8,
    /// A value has this control character. RFC 4518 deletes it, which would make `a\00b` equal to
    /// `ab`.
    ControlCharacter(char),
    /// A value has this character, which RFC 4518 §2.4 prohibits, so that it matches nothing.
    ProhibitedCharacter(char),
    /// The DER of the name or of a value is malformed, or a string violates the rules of its type.
    MalformedDer,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the name is empty"),
            Self::UnknownAttributeType(text) => {
                write!(f, "unknown attribute type \"{}\"", text.escape_debug())
            }
            Self::Syntax { offset, expected } => write!(f, "expected {expected} at byte {offset}"),
            Self::RawControlCharacter { offset, character } => write!(
                f,
                "line end or control character U+{:04X} at byte {offset}: expected one line, and \
                 `\\` with hexadecimal digits where the name has such a character",
                u32::from(*character)
            ),
            Self::Ambiguous { offset } => write!(
                f,
                "`\\x` at byte {offset}, which is ambiguous in OpenSSL's one-line form: expected \
                 the name in the form of RFC 4514"
            ),
            Self::NotUtf8 => f.write_str("a value is not UTF-8"),
            Self::ControlCharacter(c) => {
                write!(f, "control character U+{:04X} in a value", u32::from(*c))
            }
            Self::ProhibitedCharacter(c) => {
                write!(f, "character U+{:04X}, which RFC 4518 prohibits, in a value", u32::from(*c))
            }
            Self::MalformedDer => f.write_str("malformed DER"),
        }
    }
}

impl std::error::Error for NameError {}

/// A distinguished name: RDNs in the order of RFC 4514, most specific first, which is the reverse
/// of the order of the DER.
///
/// `==` is distinguishedNameMatch: the order of RDNs counts; letter case, runs of blanks, the types
/// of strings, and the order of the attributes in one RDN do not. `Display` writes the form of RFC
/// 4514.
///
/// ```
/// use tls_client_auth::{DistinguishedName, NameError};
///
/// let name = DistinguishedName::parse("CN=client.example.org, O=Client, C=JP")?;
/// // The one-line form of OpenSSL has the reverse order.
/// assert_eq!(name, DistinguishedName::parse("/C=jp/O=CLIENT/CN=client.example.org")?);
/// assert_ne!(name, DistinguishedName::parse("C=JP, O=Client, CN=client.example.org")?);
/// assert_eq!(name.to_string(), "CN=client.example.org,O=Client,C=JP");
/// assert_eq!(DistinguishedName::parse(""), Err(NameError::Empty));
/// # Ok::<(), NameError>(())
/// ```
#[derive(Clone, Debug)]
pub struct DistinguishedName {
    rdns: Vec<RelativeDistinguishedName>,
    /// The DER of this name as most CAs write it, [`usual_der::of`]; empty where there is none.
    usual_der: Box<[u8]>,
}

impl PartialEq for DistinguishedName {
    fn eq(&self, other: &Self) -> bool {
        self.rdns == other.rdns
    }
}

impl Eq for DistinguishedName {}

/// The first difference between a registered name and that of a certificate, for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameDifference {
    /// The names have the same RDNs in reverse order.
    ReverseOrder,
    /// An RDN differs.
    Rdn {
        /// Number of the RDN in the order of RFC 4514, from 1.
        position: usize,
        /// The RDN of the registered name; `None` = that name ends before it.
        expected: Option<String>,
        /// The RDN of the certificate; `None` = that name ends before it. A long one is cut.
        found: Option<String>,
    },
}

impl fmt::Display for NameDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Rdn { position, expected, found } = self else {
            return f.write_str(
                "reverse order: the registered name has the certificate's RDNs from last to first",
            );
        };
        let or_nothing = |rdn: &Option<String>| rdn.clone().unwrap_or_else(|| "nothing".to_owned());
        write!(
            f,
            "RDN {position}: expected {}, certificate has {}",
            or_nothing(expected),
            or_nothing(found)
        )
    }
}

impl DistinguishedName {
    /// Reads a registered name: the form of RFC 4514 with the extensions that contract §3 lists, or
    /// the one-line form of OpenSSL, such as `/C=JP/CN=client.example.org`.
    ///
    /// # Errors
    /// Any [`NameError`]. A name that can match no certificate is an error too.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if let Some((offset, character)) =
            text.char_indices().find(|(_, c)| print::is_raw_control(*c))
        {
            return Err(NameError::RawControlCharacter { offset, character });
        }
        let rdns =
            if text.starts_with('/') { parse::openssl(text)? } else { parse::rfc4514(text)? };
        if rdns.is_empty() {
            return Err(NameError::Empty);
        }
        Ok(Self { usual_der: usual_der::of(&rdns), rdns })
    }

    /// Reads the DER of a `Name` (RFC 5280 §4.1.2.4), outer tag included. An empty sequence is a
    /// name without RDNs.
    ///
    /// # Errors
    /// [`NameError::MalformedDer`], [`NameError::ControlCharacter`] or
    /// [`NameError::ProhibitedCharacter`].
    pub fn from_der(der: &[u8]) -> Result<Self, NameError> {
        let contents = Tlv::only(der)?.contents_of(tag::SEQUENCE)?;
        let rdns = Elements(contents)
            .map(|rdn| RelativeDistinguishedName::from_der_contents(rdn?.contents_of(tag::SET)?));
        let mut rdns = rdns.collect::<Result<Vec<_>, _>>()?;
        rdns.reverse();
        Ok(Self { rdns, usual_der: Box::default() })
    }

    /// Whether this configured name may be the one that is meant by a rule that takes something
    /// away, such as a revocation: it matches, or does in reverse order, as `openssl x509` prints
    /// names, or the `Name` cannot be compared.
    pub(crate) fn may_be(&self, der: &[u8]) -> bool {
        Self::check_der(der).is_err()
            || !matches!(self.difference(der), Ok(Some(NameDifference::Rdn { .. })))
    }

    /// Whether this is the `Name` in `der`, outer tag included, by distinguishedNameMatch (RFC 4517
    /// §4.2.15).
    ///
    /// # Errors
    /// The name in `der` cannot be compared.
    pub(crate) fn is_in(&self, der: &[u8]) -> Result<bool, NameError> {
        Self::check_der(der)?;
        self.matches(der)
    }

    /// The attributes of each RDN, most specific RDN first, as type and value in the form of RFC
    /// 4514.
    pub fn rdns(&self) -> impl Iterator<Item = Vec<(String, String)>> {
        let printed = |attribute: &AttributeTypeAndValue| {
            (attribute.attribute_type.to_string(), attribute.value.to_string())
        };
        self.rdns.iter().map(move |rdn| rdn.attributes.iter().map(printed).collect())
    }

    /// Each RDN in the form of RFC 4514, most specific first.
    pub fn printed_rdns(&self) -> impl Iterator<Item = String> {
        self.rdns.iter().map(ToString::to_string)
    }
}

/// The name in the form of RFC 4514.
impl fmt::Display for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_separated(f, &self.rdns, ",")
    }
}

/// A set of attributes, sorted, so that equal sets are equal sequences.
#[derive(Clone, Debug, PartialEq, Eq)]
struct RelativeDistinguishedName {
    attributes: Vec<AttributeTypeAndValue>,
}

impl RelativeDistinguishedName {
    fn new(mut attributes: Vec<AttributeTypeAndValue>) -> Self {
        sort(&mut attributes);
        Self { attributes }
    }

    fn from_der_contents(set: &[u8]) -> Result<Self, NameError> {
        if set.is_empty() {
            return Err(NameError::MalformedDer);
        }
        let attributes = Elements(set).map(|attribute| {
            let mut parts = Elements(attribute?.contents_of(tag::SEQUENCE)?);
            let oid = parts.required()?.contents_of(tag::OBJECT_IDENTIFIER)?;
            let attribute_type = AttributeType::from_der_contents(oid)?;
            Ok(AttributeTypeAndValue { attribute_type, value: AttributeValue::from_der(parts.0)? })
        });
        attributes.collect::<Result<_, NameError>>().map(Self::new)
    }
}

impl fmt::Display for RelativeDistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_separated(f, &self.attributes, "+")
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct AttributeTypeAndValue {
    attribute_type: AttributeType,
    value: AttributeValue,
}

impl fmt::Display for AttributeTypeAndValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.attribute_type, self.value)
    }
}

/// A value in the form in which it is compared.
#[derive(Clone, Debug)]
enum AttributeValue {
    /// Text of any type of string. Only `prepared` is compared.
    Text { prepared: Box<str>, printed: Box<str> },
    /// Any other syntax: the DER encoding, compared byte for byte.
    Der(Box<[u8]>),
}

impl AttributeValue {
    fn text(text: &str) -> Result<Self, NameError> {
        Ok(Self::Text { prepared: prepare::prepare(text)?, printed: text.into() })
    }

    /// The value whose complete DER encoding is `der`.
    fn from_der(der: &[u8]) -> Result<Self, NameError> {
        match Text::of(Tlv::only(der)?)? {
            Some(text) => {
                text.check()?;
                Self::text(&text.to_text())
            }
            None => Ok(Self::Der(der.into())),
        }
    }

    fn key(&self) -> (bool, &[u8]) {
        match self {
            Self::Text { prepared, .. } => (true, prepared.as_bytes()),
            Self::Der(der) => (false, der),
        }
    }
}

impl PartialEq for AttributeValue {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for AttributeValue {}

impl PartialOrd for AttributeValue {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for AttributeValue {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// RFC 4514 §2.4: escaped text, or `#` and the hexadecimal form of the DER.
impl fmt::Display for AttributeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text { printed, .. } => print::write_escaped(f, printed),
            Self::Der(der) => print::write_hexadecimal(f, der),
        }
    }
}

impl From<MalformedDer> for NameError {
    fn from(_: MalformedDer) -> Self {
        Self::MalformedDer
    }
}

fn write_separated<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    items: &[T],
    separator: &str,
) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            f.write_str(separator)?;
        }
        item.fmt(f)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
