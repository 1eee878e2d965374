//! The two forms of a time in a certificate (RFC 5280 §4.1.2.5).

use super::UnixTime;
use super::der::{MalformedDer, Tlv, tag};

impl UnixTime {
    /// A UTCTime or GeneralizedTime. Beside RFC 5280's forms, what older certificates have is read too: no seconds, an
    /// offset from UTC, and, in a GeneralizedTime, a fraction, which is cut off.
    pub(super) fn from_der(time: Tlv<'_>) -> Result<Self, MalformedDer> {
        let read = match time.tag {
            tag::UTC_TIME => utc(time.contents),
            tag::GENERALIZED_TIME => generalized(time.contents),
            _ => None,
        };
        read.ok_or(MalformedDer)
    }
}

fn utc(text: &[u8]) -> Option<UnixTime> {
    let mut digits = Digits(text);
    // RFC 5280 §4.1.2.5.1: 50 is 1950, 49 is 2049.
    let year = digits.pair()?;
    let year = if year >= 50 { 1900 + year } else { 2000 + year };
    since_month(year, digits, false)
}

fn generalized(text: &[u8]) -> Option<UnixTime> {
    let mut digits = Digits(text);
    let year = digits.pair()? * 100 + digits.pair()?;
    since_month(year, digits, true)
}

fn since_month(year: i64, mut digits: Digits<'_>, may_have_fraction: bool) -> Option<UnixTime> {
    let [month, day, hour, minute] = [digits.pair()?, digits.pair()?, digits.pair()?, digits.pair()?];
    let second = if digits.0.first().is_some_and(u8::is_ascii_digit) { digits.pair()? } else { 0 };
    if may_have_fraction && let Some((b'.' | b',', fraction)) = digits.0.split_first() {
        let length = fraction.iter().take_while(|octet| octet.is_ascii_digit()).count();
        digits.0 = fraction.get(length..).filter(|_| length > 0)?;
    }
    let offset = match digits.0 {
        [b'Z'] => 0,
        [sign @ (b'+' | b'-'), rest @ ..] => {
            let mut rest = Digits(rest);
            let (hours, minutes) = (rest.pair()?, rest.pair()?);
            if !rest.0.is_empty() || hours > 23 || minutes > 59 {
                return None;
            }
            let seconds = hours * 3_600 + minutes * 60;
            if *sign == b'+' { seconds } else { -seconds }
        }
        _ => return None,
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=longest).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // Days since 0000-03-01, so that the leap day is a year's last: the reverse of the printing of a `UnixTime`.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + (153 * month + 2) / 5 + day - 1;
    let days = era * 146_097 + day_of_era - 719_468;
    Some(UnixTime(days * 86_400 + hour * 3_600 + minute * 60 + second - offset))
}

struct Digits<'a>(&'a [u8]);

impl Digits<'_> {
    fn pair(&mut self) -> Option<i64> {
        let (&[tens, ones], rest) = self.0.split_first_chunk::<2>()?;
        self.0 = rest;
        (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use x509_parser::prelude::{ASN1Time, FromDer as _};

    use super::*;

    fn read(tag: u8, text: &str) -> Option<i64> {
        let der = [&[tag, text.len() as u8][..], text.as_bytes()].concat();
        UnixTime::from_der(Tlv::only(&der).unwrap()).ok().map(|time| time.0)
    }

    /// What an independent reader makes of it.
    fn expected(tag: u8, text: &str) -> Option<i64> {
        let der = [&[tag, text.len() as u8][..], text.as_bytes()].concat();
        ASN1Time::from_der(&der).ok().map(|(_, time)| time.timestamp())
    }

    #[test]
    fn times_that_certificates_have() {
        for (tag, text, seconds) in [
            (tag::UTC_TIME, "700101000000Z", Some(0)),
            (tag::UTC_TIME, "491231235959Z", Some(2_524_607_999)),
            (tag::UTC_TIME, "500101000000Z", Some(-631_152_000)),
            (tag::UTC_TIME, "0001010000Z", Some(946_684_800)),
            (tag::UTC_TIME, "000101013000+0130", Some(946_684_800)),
            (tag::UTC_TIME, "991231233000-0030", Some(946_684_800)),
            (tag::UTC_TIME, "000229000000Z", Some(951_782_400)),
            (tag::UTC_TIME, "010229000000Z", None),
            (tag::UTC_TIME, "000101000000", None),
            (tag::UTC_TIME, "000101000000.5Z", None),
            (tag::UTC_TIME, "000101000060Z", None),
            (tag::UTC_TIME, "000101240000Z", None),
            (tag::UTC_TIME, "001301000000Z", None),
            (tag::UTC_TIME, "000100000000Z", None),
            (tag::UTC_TIME, "000101000000Zx", None),
            (tag::UTC_TIME, "000101000000+01", None),
            (tag::UTC_TIME, "+00101000000Z", None),
            (tag::UTC_TIME, "", None),
            (tag::GENERALIZED_TIME, "20000101000000Z", Some(946_684_800)),
            (tag::GENERALIZED_TIME, "20000101000000.999Z", Some(946_684_800)),
            (tag::GENERALIZED_TIME, "20000101000000.Z", None),
            (tag::GENERALIZED_TIME, "99991231235959Z", Some(253_402_300_799)),
            (tag::GENERALIZED_TIME, "21000229000000Z", None),
            (tag::GENERALIZED_TIME, "19000101000000Z", Some(-2_208_988_800)),
            (tag::GENERALIZED_TIME, "00000101000000Z", Some(-62_167_219_200)),
            // Local time of nobody knows where.
            (tag::GENERALIZED_TIME, "20000101000000", None),
            (0x0c, "000101000000Z", None),
        ] {
            assert_eq!(read(tag, text), seconds, "{text}");
        }
    }

    proptest! {
        #[test]
        fn as_another_reader_reads_it(text in "[0-9]{2}(0[0-9]|1[0-3])[0-3][0-9][0-2][0-9][0-6][0-9]([0-6][0-9])?Z") {
            prop_assert_eq!(read(tag::UTC_TIME, &text), expected(tag::UTC_TIME, &text));
            let century = format!("20{text}");
            prop_assert_eq!(read(tag::GENERALIZED_TIME, &century), expected(tag::GENERALIZED_TIME, &century));
        }
    }
}
