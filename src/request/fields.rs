//! Headers and trailers, by their names.

use crate::octets::equal;

/// The headers or the trailers of a request, as the host gives them: names in lower case, with
/// those of pseudo-headers, and values, which may be any bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fields<'a>(pub &'a [Field<'a>]);

/// The name and the value of a header or trailer.
pub type Field<'a> = (&'a [u8], &'a [u8]);

impl<'a> Fields<'a> {
    /// The header `name`, which is in lower case.
    #[must_use]
    pub fn singleton(self, name: &str) -> SingletonField<'a> {
        let mut field = SingletonField::Absent;
        for (_, value) in self.0.iter().filter(|(found, _)| equal(found, name.as_bytes())) {
            field.add(value);
        }
        field
    }
}

/// A header that a request should have at most once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SingletonField<'a> {
    /// The request does not have it.
    #[default]
    Absent,
    /// The request has it once, with this value.
    Present(&'a [u8]),
    /// The request has it more than once.
    Repeated,
}

impl<'a> SingletonField<'a> {
    pub(super) fn add(&mut self, value: &'a [u8]) {
        *self = if *self == Self::Absent { Self::Present(value) } else { Self::Repeated };
    }
}
