//! The one decision of an exchange: what the host does with the request, counts, writes into filter
//! state and logs.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use crate::certificate::PeerCertificate;
use crate::checks::Checks;
use crate::limits;
use crate::policy::{LogDecisions, Mode};
use crate::rejection::{Code, Rejection};
use crate::request::{ClaimedClient, Head, SingletonField};
use crate::response::{Challenge, Response};
use crate::time::UnixTime;

/// A decision, and what a host needs to carry it out and to log it.
///
/// `Display` writes the decision line of contract §8, which never contains a secret, a body or a
/// whole certificate.
#[derive(Clone, Debug)]
pub struct Decision {
    /// The outcome as one stable word.
    pub code: Code,
    /// What the host does with the request.
    pub action: Action,
    /// Why the request is refused, or would be refused if the mode were not shadow; `None` = it is
    /// not refused.
    pub rejection: Option<Rejection>,
    /// What is known of the request.
    pub request: RequestSummary,
    /// The checks that were made.
    pub checks: Checks,
    /// Whether this is a form that was not gated although its path ends like that of an endpoint. A
    /// route that rewrites the path may lead it to the endpoint.
    pub is_lookalike: bool,
}

/// What the host does with the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Lets it go on. These headers are set, and replace those that the client sent.
    Continue {
        /// Names in lower case, and values.
        set: Vec<(String, String)>,
    },
    /// Answers it. Nothing of the request may reach the backend.
    Reply(Response),
}

/// What logs and filter state show of a request.
#[derive(Clone, Debug, Default)]
pub struct RequestSummary {
    /// The tenant whose policy decides, by its first host and its first path. `None` = the top
    /// level's.
    pub tenant: Option<Arc<str>>,
    /// The claimed identifier; `None` = the request names no client, or not one client.
    pub client_id: Option<String>,
    /// The certificate; `None` = it was not read.
    pub certificate: Option<Arc<PeerCertificate>>,
    /// What an answer with status 401 asks for.
    pub challenge: Challenge,
    /// The path without its query, and behind it the `x-request-id`, if there is one.
    endpoint_and_id: Vec<u8>,
    endpoint_length: usize,
    has_id: bool,
}

impl RequestSummary {
    /// What the headers show.
    #[must_use]
    pub fn new(head: &Head<'_>) -> Self {
        fn cut(text: &[u8]) -> &[u8] {
            text.get(..limits::LOGGED_BYTES).unwrap_or(text)
        }
        let (endpoint, id) =
            (cut(head.target.path()), head.request_id.map(cut).unwrap_or_default());
        let mut endpoint_and_id = Vec::with_capacity(endpoint.len() + id.len());
        endpoint_and_id.extend_from_slice(endpoint);
        endpoint_and_id.extend_from_slice(id);
        Self {
            tenant: None,
            client_id: None,
            certificate: None,
            challenge: match head.authorization {
                SingletonField::Absent => Challenge::None,
                _ => Challenge::Basic,
            },
            endpoint_and_id,
            endpoint_length: endpoint.len(),
            has_id: head.request_id.is_some(),
        }
    }

    /// The same, of a request that claims to come from this client.
    #[must_use]
    pub(crate) fn of(self, claimed: ClaimedClient) -> Self {
        Self { client_id: Some(claimed.client_id), ..self }
    }

    /// The path without its query, in printable ASCII, at most 128 bytes of it.
    #[must_use]
    pub fn printable_path(&self) -> String {
        printable(self.endpoint_and_id.split_at_checked(self.endpoint_length).unwrap_or_default().0)
    }

    /// `x-request-id` in printable ASCII, at most 128 bytes of it.
    fn printable_id(&self) -> Option<String> {
        let id = self.endpoint_and_id.get(self.endpoint_length..).filter(|_| self.has_id)?;
        Some(printable(id))
    }

    /// The claimed identifier in printable ASCII, at most 128 bytes of it.
    #[must_use]
    pub fn printable_client_id(&self) -> Option<String> {
        self.client_id.as_ref().map(|id| printable(id.as_bytes()))
    }
}

/// `text` in printable ASCII without quotes, cut to 128 bytes.
pub(crate) fn printable(text: &[u8]) -> String {
    let mut out = String::new();
    for escaped in text.iter().map(|&b| std::ascii::escape_default(b)) {
        if out.len() + escaped.len() > limits::LOGGED_BYTES {
            break;
        }
        out.extend(escaped.map(char::from));
    }
    out
}

impl Decision {
    /// The request goes on with the headers `set`.
    pub(crate) fn pass(
        code: Code,
        set: Vec<(String, String)>,
        request: RequestSummary,
        checks: Checks,
    ) -> Self {
        let action = Action::Continue { set };
        Self { code, action, rejection: None, request, checks, is_lookalike: false }
    }

    /// The request is answered, or goes on as it is where `mode` is shadow.
    pub(crate) fn refuse(
        rejection: Rejection,
        mode: Mode,
        request: RequestSummary,
        checks: Checks,
    ) -> Self {
        let action = match mode {
            Mode::Shadow => Action::Continue { set: Vec::new() },
            Mode::Enforce => Action::Reply(Response::to(&rejection, request.challenge)),
        };
        let code = rejection.code();
        Self { code, action, rejection: Some(rejection), request, checks, is_lookalike: false }
    }

    /// Whether the request goes on. In shadow mode a refused one does too.
    #[must_use]
    pub fn passes(&self) -> bool {
        matches!(self.action, Action::Continue { .. })
    }

    /// Whether the configuration `log` asks for a line about this decision.
    #[must_use]
    pub fn is_logged(&self, log: LogDecisions) -> bool {
        match log {
            LogDecisions::All => true,
            LogDecisions::Rejections => self.rejection.is_some(),
            LogDecisions::None => false,
        }
    }

    /// The value of the filter state `tls_client_auth_client_id`: the identifier itself where it is
    /// proven, [`RequestSummary::printable_client_id`] where it is only claimed.
    #[must_use]
    pub fn client_id_state(&self) -> Option<Cow<'_, str>> {
        let client_id = self.request.client_id.as_deref()?;
        Some(if self.code == Code::Authenticated {
            Cow::Borrowed(client_id)
        } else {
            Cow::Owned(printable(client_id.as_bytes()))
        })
    }
}

/// The decision line (contract §8).
impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tls_client_auth code={}", self.code)?;
        if self.rejection.is_some() && self.passes() {
            f.write_str(match self.code {
                Code::ResponseUnbound => " response_check=count",
                _ => " mode=shadow",
            })?;
        }
        if let Some(tenant) = &self.request.tenant {
            write!(f, " tenant=\"{tenant}\"")?;
        }
        if let Some(client_id) = self.request.printable_client_id() {
            write!(f, " client_id=\"{client_id}\"")?;
        }
        if let Some(certificate) = &self.request.certificate {
            write!(f, " thumbprint={}", certificate.thumbprint())?;
        }
        write!(f, " endpoint=\"{}\"", self.request.printable_path())?;
        if let Some(id) = self.request.printable_id() {
            write!(f, " request_id=\"{id}\"")?;
        }
        if let Some(rejection) = &self.rejection {
            f.write_str(" detail=\"")?;
            let detail = rejection.to_string();
            for c in detail.chars().take(limits::DETAIL_CHARACTERS) {
                // The text may contain names of certificates, which their issuers chose.
                if c == '\'' { f.write_char(c)? } else { write!(f, "{}", c.escape_debug())? }
            }
            if detail.chars().nth(limits::DETAIL_CHARACTERS).is_some() {
                f.write_str("...")?;
            }
            f.write_str("\"")?;
        }
        Ok(())
    }
}

/// Bounds the decision lines of a worker to [`limits::LINES_PER_SECOND`] and counts the rest.
#[derive(Debug, Default)]
pub struct LineBudget {
    second: Option<UnixTime>,
    lines: u32,
    suppressed: u64,
}

impl LineBudget {
    /// Whether a line may be written at `now`: the number of lines that were suppressed since the
    /// last one; `None` = it is suppressed too.
    pub fn admit(&mut self, now: UnixTime) -> Option<u64> {
        // A clock that goes backwards begins a new second too.
        if self.second != Some(now) {
            self.second = Some(now);
            self.lines = 0;
        }
        if self.lines == limits::LINES_PER_SECOND {
            self.suppressed += 1;
            return None;
        }
        self.lines += 1;
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_lines_a_second() {
        let mut budget = LineBudget::default();
        let admitted = |budget: &mut LineBudget, second| {
            (0..25).filter_map(|_| budget.admit(UnixTime(second))).collect::<Vec<_>>()
        };
        assert_eq!(admitted(&mut budget, 7), [0; 10]);
        assert_eq!(admitted(&mut budget, 8), [[15].as_slice(), &[0; 9]].concat());
        assert_eq!(admitted(&mut budget, 7).len(), 10, "the clock went backwards");
    }

    #[test]
    fn what_a_client_chose_is_printable_and_short() {
        assert_eq!(printable(b"a\"\\\n\xff"), "a\\\"\\\\\\n\\xff");
        assert_eq!(printable(&[b'a'; 500]).len(), 128);
        assert_eq!(printable(&[0; 500]).len(), 128);
    }

    #[test]
    fn lines_are_written_for_what_the_operator_chose() {
        let (request, checks) = (RequestSummary::default(), Checks::default());
        let pass = Decision::pass(Code::NotGated, Vec::new(), request.clone(), checks);
        let rejection = Rejection::MissingClientId;
        let refused = Decision::refuse(rejection, Mode::Shadow, request, checks);
        for (log, of_pass, of_refused) in [
            (LogDecisions::All, true, true),
            (LogDecisions::Rejections, false, true),
            (LogDecisions::None, false, false),
        ] {
            assert_eq!((pass.is_logged(log), refused.is_logged(log)), (of_pass, of_refused));
        }
    }
}
