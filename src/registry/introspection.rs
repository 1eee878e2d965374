//! Token introspection (RFC 7662): what an authorization server says about an access token. An
//! answer is held for some time, and the server is asked once, however many requests wait.

use std::fmt;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use lru::LruCache;

use super::error::{FetchError, RegistryFault};
use super::fetched::{RegistryAnswer, RegistryRequest};
use super::lookup::{Freshness, PendingAnswers};
use crate::certificate::Thumbprint;
use crate::json::{Json, JsonError};
use crate::limits;
use crate::percent;

/// `introspection` of `bound_tokens` (contract §10): which server is asked, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntrospectionSource {
    /// The Envoy cluster of the server.
    pub cluster: Box<str>,
    /// `:authority` of the requests.
    pub authority: Box<str>,
    /// `:path` of the requests.
    pub path: Box<str>,
    /// Further headers of the requests, such as the credentials of this resource server.
    pub headers: Vec<(Box<str>, Box<str>)>,
    /// How long each request waits for its answer.
    pub timeout: Duration,
    /// For how long an answer is used at most.
    pub cache: Duration,
}

/// An access token about which its server is asked. `Debug` does not write it.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken {
    text: Box<[u8]>,
    key: TokenKey,
}

/// The key of the questions about a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenKey {
    /// SHA-256 of the token.
    digest: Thumbprint,
    /// Whether the server has issued it a moment ago.
    is_issued: bool,
}

/// What a server says about a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntrospectedToken {
    /// It is not active: not known, expired or revoked (RFC 7662 §2.2).
    Inactive,
    /// It is active, without `cnf` or without `x5t#S256` in it.
    Unbound,
    /// It is active, and its `x5t#S256` cannot be read.
    Unreadable,
    /// It is active, and bound to this certificate (RFC 8705 §3.2).
    BoundTo(Thumbprint),
}

type KnownTokens = LruCache<Thumbprint, (IntrospectedToken, Freshness)>;

/// One VM's part in the introspection at one server. `W` = what waits for an answer.
#[derive(Debug)]
pub struct Introspections<W> {
    source: Arc<IntrospectionSource>,
    /// By the SHA-256 of a token.
    active: KnownTokens,
    inactive: KnownTokens,
    /// Tokens that somebody presents.
    presented: PendingAnswers<W>,
    /// Tokens that the server has just issued. Questions about others must not delay them.
    issued: PendingAnswers<W>,
    /// The tokens of which the host must ask now.
    unsent: Vec<AccessToken>,
}

/// A question about a token, to be sent.
#[derive(Clone, PartialEq, Eq)]
pub struct IntrospectionRequest {
    /// By which the answer is reported.
    pub token: TokenKey,
    /// The headers.
    pub request: RegistryRequest,
    /// The form.
    pub body: String,
}

/// The result of a question.
#[derive(Debug)]
pub struct IntrospectionOutcome<W> {
    /// The result for all that wait.
    pub result: Result<IntrospectedToken, RegistryFault>,
    /// All that wait.
    pub waiting: Vec<W>,
}

impl AccessToken {
    /// The token `text`, which somebody presents.
    #[must_use]
    pub(crate) fn new(text: &[u8]) -> Self {
        let key = TokenKey { digest: Thumbprint::of(text), is_issued: false };
        Self { text: text.into(), key }
    }

    /// The token `text`, which its server has just issued. What the server said about it before
    /// does not count: it knew no such token, or an older one.
    #[must_use]
    pub(crate) fn issued(text: &[u8]) -> Self {
        let key = TokenKey { digest: Thumbprint::of(text), is_issued: true };
        Self { text: text.into(), key }
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken")
    }
}

impl fmt::Debug for IntrospectionRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntrospectionRequest").finish_non_exhaustive()
    }
}

impl IntrospectionSource {
    /// RFC 7662 §2.1: the question about a token.
    fn request(&self, token: &AccessToken) -> IntrospectionRequest {
        let text = percent::encode_octets(&token.text);
        let body = format!("token={text}&token_type_hint=access_token");
        let length = body.len().to_string();
        let fixed = [
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", &*self.authority),
            (":path", &*self.path),
            ("content-type", "application/x-www-form-urlencoded"),
            ("content-length", &*length),
        ];
        let mut headers: Vec<(Box<str>, Box<str>)> =
            fixed.map(|(name, value)| (name.into(), value.into())).into();
        if self.headers.iter().all(|(name, _)| **name != *"accept") {
            headers.push(("accept".into(), "application/json".into()));
        }
        headers.extend(self.headers.iter().cloned());
        IntrospectionRequest { token: token.key, request: RegistryRequest { headers }, body }
    }
}

impl<W> Introspections<W> {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(source: Arc<IntrospectionSource>) -> Self {
        Self {
            source,
            active: LruCache::new(limits::ACTIVE_TOKENS),
            inactive: LruCache::new(limits::INACTIVE_TOKENS),
            presented: PendingAnswers::default(),
            issued: PendingAnswers::default(),
            unsent: Vec::new(),
        }
    }

    /// What is known of a token at `now`, in milliseconds since 1970; pending =
    /// [`Introspections::wait`] for it.
    pub fn find(&mut self, token: &AccessToken, now: u64) -> Poll<IntrospectedToken> {
        if token.key.is_issued {
            return Poll::Pending;
        }
        for tokens in [&mut self.active, &mut self.inactive] {
            if let Some((known, freshness)) = tokens.get(&token.key.digest)
                && freshness.contains(now)
            {
                return Poll::Ready(*known);
            }
        }
        Poll::Pending
    }

    /// Waits for the answer about a token.
    ///
    /// # Errors
    /// As many questions as may be are not answered.
    pub fn wait(&mut self, token: &AccessToken, waiting: W) -> Result<(), RegistryFault> {
        let key = token.key.digest.to_string();
        let was_active = self.active.contains(&token.key.digest);
        let more = if was_active { limits::INTROSPECTIONS_OF_ACTIVE_TOKENS } else { 0 };
        let pending = self.pending(token.key);
        if pending.len() >= limits::INTROSPECTIONS + more && !pending.has(&key) {
            return Err(RegistryFault::Introspection(FetchError::NotSent));
        }
        if pending.wait(&key, waiting) {
            self.unsent.push(token.clone());
        }
        Ok(())
    }

    /// The requests that must be sent now.
    pub fn take_requests(&mut self) -> Vec<IntrospectionRequest> {
        self.presented.take_unsent();
        self.issued.take_unsent();
        let unsent = std::mem::take(&mut self.unsent);
        unsent.iter().map(|token| self.source.request(token)).collect()
    }

    /// Takes the answer about a token; `None` = the request was not sent. `now` is in milliseconds
    /// since 1970.
    pub fn on_answer(
        &mut self,
        token: TokenKey,
        answer: Option<&RegistryAnswer<'_>>,
        now: u64,
    ) -> IntrospectionOutcome<W> {
        let TokenKey { digest, is_issued } = token;
        let waiting = self.pending(token).finish(&digest.to_string());
        let cache = u64::try_from(self.source.cache.as_millis()).unwrap_or(u64::MAX);
        let result = read(answer, now).map_err(RegistryFault::Introspection);
        let result = result.map(|(found, expires_in)| {
            let mut millis = cache.min(expires_in);
            let (into, from) = if found == IntrospectedToken::Inactive {
                millis = millis.min(limits::LONGEST_INACTIVITY_MILLIS);
                (&mut self.inactive, &mut self.active)
            } else {
                (&mut self.active, &mut self.inactive)
            };
            // Of several servers, one may not know a new token yet.
            if !is_issued || found != IntrospectedToken::Inactive {
                from.pop(&digest);
                into.put(digest, (found, Freshness::new(now, millis)));
            }
            found
        });
        IntrospectionOutcome { result, waiting }
    }

    fn pending(&mut self, token: TokenKey) -> &mut PendingAnswers<W> {
        if token.is_issued { &mut self.issued } else { &mut self.presented }
    }
}

/// What an answer says, and after how many milliseconds the token expires; `None` = the request was
/// not sent.
fn read(
    answer: Option<&RegistryAnswer<'_>>,
    now: u64,
) -> Result<(IntrospectedToken, u64), FetchError> {
    let answer = answer.ok_or(FetchError::NotSent)?;
    match answer.status.ok_or(FetchError::NoAnswer)? {
        200 => {}
        status => return Err(FetchError::Status(status)),
    }
    let malformed = |error: JsonError| FetchError::Malformed(error.in_entry().into());
    let json = Json::parse(&answer.body(limits::INTROSPECTION_BYTES)?).map_err(malformed)?;
    token(&json, now).map_err(malformed)
}

/// RFC 7662 §2.2. Members that say nothing about the binding are not read.
fn token(json: &Json, now: u64) -> Result<(IntrospectedToken, u64), JsonError> {
    if !matches!(json, Json::Object(_)) {
        return Err(JsonError::expected("an object"));
    }
    let active = once(json, "active")?.ok_or_else(|| JsonError::expected("the member active"))?;
    if !active.boolean().map_err(|error| error.within("active"))? {
        return Ok((IntrospectedToken::Inactive, u64::MAX));
    }
    let expires_in = match once(json, "exp")? {
        None | Some(Json::Null) => u64::MAX,
        Some(exp) => {
            let seconds = if let Json::Number(seconds) = exp { seconds.as_f64() } else { None };
            let seconds = seconds.ok_or_else(|| JsonError::expected("a number").within("exp"))?;
            // A negative number, and one of more than 64 bits, become the nearest of 64 bits.
            ((seconds * 1000.0) as u64).saturating_sub(now)
        }
    };
    if expires_in == 0 {
        return Ok((IntrospectedToken::Inactive, u64::MAX));
    }
    let thumbprint = match once(json, "cnf")? {
        None => None,
        Some(cnf) => once(cnf, "x5t#S256").map_err(|error| error.within("cnf"))?,
    };
    let found = match thumbprint {
        None => IntrospectedToken::Unbound,
        Some(Json::String(text)) => Thumbprint::from_base64url(text.as_bytes())
            .map_or(IntrospectedToken::Unreadable, IntrospectedToken::BoundTo),
        Some(_) => IntrospectedToken::Unreadable,
    };
    Ok((found, expires_in))
}

/// The member `name`. Of one that is there twice, two readers may take different values.
fn once<'a>(json: &'a Json, name: &'a str) -> Result<Option<&'a Json>, JsonError> {
    let mut members = json.members(name);
    match (members.next(), members.next()) {
        (found, None) => Ok(found),
        _ => Err(JsonError::new("expected this member once, found it twice").within(name)),
    }
}

#[cfg(test)]
mod tests;
