//! Names that servers spell differently: in any letter case, and with `_`, `-` or neither.

/// The one of `names` that `name` is: exactly, or else in another spelling.
#[inline(never)]
pub(super) fn known(names: &[&'static str], name: &str) -> Option<&'static str> {
    let is_spelling = |known: &&&'static str| folded(known).eq(folded(name));
    names.iter().find(|known| **known == name).or_else(|| names.iter().find(is_spelling)).copied()
}

fn folded(name: &str) -> impl Iterator<Item = u8> {
    name.bytes()
        .filter(|octet| !matches!(octet, b'_' | b'-'))
        .map(|octet| octet.to_ascii_lowercase())
}
