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
        match name {
            "no-store" | "no-cache" => return 0,
            // A value that cannot be read counts as stale (RFC 9111 §4.2.1).
            "max-age" if max_age.is_none() => {
                max_age = Some(value.trim_matches('"').parse().unwrap_or(0))
            }
            _ => {}
        }
    }
    let Some(max_age) = max_age else { return millis(refresh) };
    let age: u64 = answer.first("age").and_then(|age| age.trim().parse().ok()).unwrap_or(0);
    let left: u64 = u64::saturating_sub(max_age, age);
    left.saturating_mul(1000).min(millis(max_stale))
}
