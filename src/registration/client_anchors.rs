//! The member `trust_anchors` of a client (contract §9): the CAs under which alone its certificates
//! are issued, so that no other trusted CA can issue one in its name.

use std::sync::Arc;

use crate::certificate::{DistinguishedName, Thumbprint};
use crate::json::{Json, JsonError, Members};
use crate::limits;
use crate::trust::{CaCertificate, Trust};

/// The anchors of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAnchors {
    anchors: Vec<ClientAnchor>,
    /// A digest of them, a part of the key of remembered verdicts.
    id: Thumbprint,
}

/// One anchor of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientAnchor {
    /// This certificate.
    Certificate(Arc<CaCertificate>),
    /// The anchor in force for the tenant that has this subject.
    Subject(DistinguishedName),
}

/// The name of the member.
pub(crate) const MEMBER: &str = "trust_anchors";

impl ClientAnchors {
    pub(crate) fn new(anchors: Vec<ClientAnchor>) -> Self {
        let mut octets = Vec::new();
        for anchor in &anchors {
            match anchor {
                ClientAnchor::Certificate(certificate) => {
                    octets.push(0);
                    octets.extend_from_slice(certificate.thumbprint().octets());
                }
                ClientAnchor::Subject(name) => {
                    let name = name.to_string();
                    octets.push(1);
                    octets.extend_from_slice(&name.len().to_be_bytes());
                    octets.extend_from_slice(name.as_bytes());
                }
            }
        }
        Self { id: Thumbprint::of(&octets), anchors }
    }

    /// Reads the member.
    ///
    /// # Errors
    /// The pointer is relative to the member.
    #[inline(never)]
    pub(crate) fn from_json(json: &Json) -> Result<Self, JsonError> {
        let anchors = json.some_elements("at least one trust anchor", ClientAnchor::from_json)?;
        if anchors.len() > limits::CLIENT_ANCHORS {
            let most = limits::CLIENT_ANCHORS;
            return Err(JsonError::expected(format!("at most {most} trust anchors")));
        }
        Ok(Self::new(anchors))
    }

    pub(crate) fn anchors(&self) -> &[ClientAnchor] {
        &self.anchors
    }

    pub(crate) fn id(&self) -> Thumbprint {
        self.id
    }

    /// The certificates that are meant where `trust` is in force.
    ///
    /// # Errors
    /// A subject is that of no anchor, or of several with different keys: then nothing says which
    /// of them the client means.
    pub(crate) fn in_force(&self, trust: &Trust) -> Result<Vec<Arc<CaCertificate>>, String> {
        let mut found = Vec::new();
        for anchor in &self.anchors {
            match anchor {
                ClientAnchor::Certificate(certificate) => found.push(certificate.clone()),
                ClientAnchor::Subject(name) => {
                    let mut all = trust.anchors().iter().filter(|ca| ca.subject() == Some(name));
                    let Some(first) = all.next() else {
                        return Err(format!("none of the trust_anchors has the subject {name}"));
                    };
                    found.push(first.clone());
                    for other in all {
                        if other.public_key() != first.public_key() {
                            return Err(format!(
                                "several of the trust_anchors, with different keys, have the \
                                 subject {name}"
                            ));
                        }
                        found.push(other.clone());
                    }
                }
            }
        }
        Ok(found)
    }

    /// Checks that [`ClientAnchors::in_force`] is no error.
    pub(crate) fn check(&self, trust: &Trust) -> Result<(), String> {
        let names_subjects =
            self.anchors.iter().any(|anchor| matches!(anchor, ClientAnchor::Subject(_)));
        if names_subjects { self.in_force(trust).map(drop) } else { Ok(()) }
    }
}

impl ClientAnchor {
    fn from_json(json: &Json) -> Result<Self, JsonError> {
        if !matches!(json, Json::Object(_)) {
            let text = json.string("a certificate in PEM, or {\"subject\": NAME}")?;
            return CaCertificate::from_pem(text.as_bytes())
                .map(|certificate| Self::Certificate(Arc::new(certificate)))
                .map_err(JsonError::expected);
        }
        let mut members = Members::of(json, "an object")?;
        let name = members.read("subject", |json| {
            DistinguishedName::parse(json.string("a distinguished name")?)
                .map_err(|error| JsonError::expected(format!("a distinguished name: {error}")))
        })?;
        members.finish()?;
        name.map(Self::Subject).ok_or_else(|| JsonError::expected("the member subject"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_so_many_anchors_at_most() {
        for (number, is_read) in [
            (0, false),
            (1, true),
            (limits::CLIENT_ANCHORS, true),
            (limits::CLIENT_ANCHORS + 1, false),
        ] {
            let anchors = vec![r#"{"subject": "CN=a"}"#; number].join(",");
            let json = Json::parse(format!("[{anchors}]").as_bytes()).unwrap();
            assert_eq!(ClientAnchors::from_json(&json).is_ok(), is_read, "{number}");
        }
    }
}
