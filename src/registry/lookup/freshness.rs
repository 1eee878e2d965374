//! For how long an answer may be used (RFC 9111 §4.2).

use std::time::Duration;

use super::super::fetched::RegistryAnswer;

/// A span of the host's clock, in milliseconds since 1970. After the clock was set back, it is
/// before the span, and an answer that was received "later" is not used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Freshness {
    from: u64,
    until: u64,
}

impl Freshness {
    pub(crate) fn new(now: u64, millis: u64) -> Self {
        Self { from: now, until: now.saturating_add(millis) }
    }

    pub(crate) fn contains(&self, now: u64) -> bool {
        (self.from..self.until).contains(&now)
    }
}

/// The freshness lifetime of an answer, in milliseconds: `max-age` less `age` (RFC 9111 §4.2.1 and
/// §4.2.3, as far as the contract has it), or else `refresh`.
pub(crate) fn lifetime(answer: &RegistryAnswer<'_>, refresh: Duration, max_stale: Duration) -> u64 {
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let directives = answer.all("cache-control").to_ascii_lowercase();
    let mut max_age = None;
    for directive in directives.split(',').map(str::trim) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        let value = value.trim();
        match name.trim_end() {
            "no-store" | "no-cache" => return 0,
            // A value that cannot be read counts as stale (RFC 9111 §4.2.1).
            "max-age" if max_age.is_none() => {
                let value = value.trim_matches('"');
                // One that is too large is the largest one (RFC 9111 §1.2.2).
                let is_number = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
                let other = if is_number { u64::MAX } else { 0 };
                max_age = Some(value.parse().unwrap_or(other))
            }
            _ => {}
        }
    }
    let Some(max_age) = max_age else { return millis(refresh.min(max_stale)) };
    // The first member of a list (RFC 9111 §5.1).
    let age = answer.first("age").and_then(|age| age.split(',').next()?.trim().parse().ok());
    let age: u64 = age.unwrap_or(0);
    let left: u64 = u64::saturating_sub(max_age, age);
    left.saturating_mul(1000).min(millis(max_stale))
}
