//! A CRL in PEM (RFC 7468 §7), decoded in pieces: it may have tens of megabytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::error::CrlError;
use crate::limits;

const BEGIN: &[u8] = b"-----BEGIN X509 CRL-----";
const END: &[u8] = b"-----END X509 CRL-----";

/// A PEM that is being decoded.
#[derive(Debug)]
pub(super) struct PemDecoder {
    text: Vec<u8>,
    /// Where the rest of the base64 begins and ends.
    next: usize,
    end: usize,
    /// Characters that are not decoded yet.
    left: Vec<u8>,
    der: Vec<u8>,
}

impl PemDecoder {
    /// The decoder of `text`.
    ///
    /// # Errors
    /// The text, which is no PEM of one CRL.
    pub(super) fn new(text: Vec<u8>) -> Result<Self, Vec<u8>> {
        let start = text.len() - text.trim_ascii_start().len();
        let end = text.trim_ascii_end().len();
        let is_pem = text.get(start..end).is_some_and(|armoured| {
            armoured.starts_with(BEGIN)
                && armoured.ends_with(END)
                && armoured.len() >= BEGIN.len() + END.len()
        });
        if !is_pem {
            return Err(text);
        }
        let (next, end) = (start + BEGIN.len(), end - END.len());
        let der = Vec::with_capacity((end - next) / 4 * 3);
        Ok(Self { text, next, end, left: Vec::new(), der })
    }

    /// Decodes some more; `Some` = that was the last, and this is all.
    pub(super) fn step(&mut self) -> Result<Option<Vec<u8>>, CrlError> {
        let until = (self.next + limits::CRL_PEM_OCTETS_AT_ONCE).min(self.end);
        let piece = self.text.get(self.next..until).unwrap_or_default();
        self.left.extend(piece.iter().copied().filter(|octet| !octet.is_ascii_whitespace()));
        self.next = until;
        let is_last = until == self.end;
        let whole = if is_last {
            self.left.len()
        } else {
            // The last group may end with the padding, which nothing may follow.
            self.left.len().saturating_sub(1) / 4 * 4
        };
        let rest = self.left.split_off(whole);
        if !is_last && self.left.contains(&b'=') {
            return Err(CrlError::Base64);
        }
        STANDARD.decode_vec(&self.left, &mut self.der).map_err(|_| CrlError::Base64)?;
        self.left = rest;
        Ok(is_last.then(|| std::mem::take(&mut self.der)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &str) -> Option<Result<Vec<u8>, CrlError>> {
        let mut decoder = PemDecoder::new(text.as_bytes().to_vec()).ok()?;
        loop {
            match decoder.step() {
                Ok(None) => {}
                Ok(Some(der)) => return Some(Ok(der)),
                Err(error) => return Some(Err(error)),
            }
        }
    }

    fn armoured(base64: &str) -> String {
        format!("-----BEGIN X509 CRL-----\n{base64}\n-----END X509 CRL-----\n")
    }

    #[test]
    fn a_long_pem_is_decoded_in_pieces() {
        for length in [0, 1, 2, 3, 100, 49_151, 49_152, 49_153, 300_000] {
            let der: Vec<u8> = (0..length).map(|n| (n * 7 + n / 256) as u8).collect();
            let base64 = STANDARD.encode(&der);
            assert_eq!(decode(&armoured(&base64)), Some(Ok(der.clone())), "{length}");
            let lines: Vec<&str> =
                base64.as_bytes().chunks(64).map(|l| std::str::from_utf8(l).unwrap()).collect();
            assert_eq!(decode(&armoured(&lines.join("\r\n"))), Some(Ok(der)), "{length}");
        }
    }

    #[test]
    fn anything_but_the_pem_of_one_crl_is_refused() {
        for text in
            ["", "<html>", "AQID", "-----BEGIN X509 CRL-----", &armoured("").repeat(2)[..40]]
        {
            assert_eq!(decode(text), None, "{text}");
        }
        assert_eq!(decode(&armoured("AQID").replace("X509 CRL", "CERTIFICATE")), None);
        let inner = armoured("AQID");
        for base64 in ["AQI", "A*ID", "AQ==AQID", inner.as_str()] {
            assert_eq!(decode(&armoured(base64)), Some(Err(CrlError::Base64)), "{base64}");
        }
        let padded = format!("AQ=={}", "AQID".repeat(20_000));
        assert_eq!(decode(&armoured(&padded)), Some(Err(CrlError::Base64)));
    }
}
