//! Clients that send arbitrary bytes: every request is decided, and none traps or hangs.

use crate::fixture::{CLOCK, CONFIG, certificate, token_request, verified};
use crate::host::Verdict;
use crate::host::stream::PEER_CERTIFICATE;
use crate::random::Random;
use crate::run::{DELIVERIES, Delivery, close, code, headers, send, start, status};
use crate::support::case::Request;
use crate::support::certificate::{CertificateSpec, mint};
use crate::support::der::{self, to_hex};

/// Many times what a regular request takes, and far below what an operator would notice.
const MOST_FUEL: u64 = 100_000_000;

#[test]
fn invalid_utf8_in_every_header() {
    let mut vm = start(CONFIG.as_bytes(), CLOCK);
    let certificate = certificate();
    let names = [
        ":method",
        ":path",
        ":authority",
        ":scheme",
        "content-type",
        "content-encoding",
        "content-length",
        "authorization",
        "client-cert",
        "x-ssl-client-dn",
        "x-client-id",
        "x-request-id",
        "cookie",
        "user-agent",
        "x-forwarded-client-cert",
        "x-any",
    ];
    let values: [&[u8]; 6] =
        [b"", b"\xff", b"\xc3\x28", b"/token\xff", b"Basic \xff\xfe", b"\xf0\x9f\x92"];
    for name in names {
        for value in values {
            for end_of_stream in [false, true] {
                let id = vm.open(verified(&certificate)).expect("no fault");
                let mut map = headers(&token_request("client"));
                map.retain(|(header, _)| header != name);
                map.push((name.into(), value.to_vec()));
                vm.headers(id, map, end_of_stream)
                    .unwrap_or_else(|fault| panic!("{name} {value:?}: {fault}"));
                if !end_of_stream {
                    vm.body(id, b"client_id=client", true)
                        .unwrap_or_else(|fault| panic!("{name} {value:?}: {fault}"));
                }
                let outcome = close(&mut vm, id).expect("no fault");
                assert_ne!(outcome.verdict, Verdict::Held, "{name} {value:?}");
                assert_ne!(code(&outcome), "no code", "{name} {value:?}");
            }
        }
    }
}

#[test]
fn missing_pseudo_headers() {
    let mut vm = start(CONFIG.as_bytes(), CLOCK);
    for missing in [
        &[":method"][..],
        &[":path"],
        &[":authority"],
        &[":method", ":path", ":authority", ":scheme"],
    ] {
        let id = vm.open(verified(&certificate())).expect("no fault");
        let mut map = headers(&Request::form("/token", ""));
        map.retain(|(name, _)| !missing.contains(&name.as_str()));
        vm.headers(id, map, true).expect("no fault");
        let outcome = vm.close(id).expect("no fault");
        assert!(status(&outcome).is_some(), "{missing:?}: {outcome:?}");
    }
}

#[test]
fn random_requests() {
    let mut vm = start(CONFIG.as_bytes(), CLOCK);
    let certificate = certificate();
    let mut random = Random::seeded(2);
    for round in 0..4000 {
        let request = random_request(&mut random);
        let delivery = *random.pick(&DELIVERIES[1..]);
        let outcome = send(&mut vm, verified(&certificate), &request, delivery)
            .unwrap_or_else(|fault| panic!("round {round}, {delivery:?}, {request:?}: {fault}"));
        assert_ne!(outcome.verdict, Verdict::Held, "round {round}: {request:?}");
        assert!(
            outcome.account.fuel < MOST_FUEL,
            "round {round}: {} instructions: {request:?}",
            outcome.account.fuel
        );
        if code(&outcome) == "authenticated" {
            let names_client = request.body.windows(16).any(|part| part == b"client_id=client");
            assert!(names_client, "round {round}: {request:?}");
        }
    }
}

fn random_request(random: &mut Random) -> Request {
    const PIECES: &[&[u8]] = &[
        b"client_id=client",
        b"client_id",
        b"=",
        b"&",
        b"&&",
        b"%",
        b"%63",
        b"%zz",
        b"%00",
        b"+",
        b"%EF%BB%BF",
        b"client_secret=",
        b"scope=a",
        b"client_assertion=",
        b"eyJ9.eyJzdWIiOiJjbGllbnQifQ.",
        b"resource=a",
        b"Client_ID=",
        b"\xff",
        b"\xc3",
        b";",
        b"[]",
        b".",
    ];
    const PATHS: &[&str] = &[
        "/token",
        "//token",
        "/token?",
        "/%74oken",
        "/x",
        "",
        "*",
        "?",
        "/%",
        "/..;/",
        "/token?client_id=%zz",
        "\\",
        "/%25%32",
    ];
    const HEADERS: &[&str] = &[
        "authorization",
        "content-type",
        "content-encoding",
        "content-length",
        "client-cert",
        "x-client-id",
        "cookie",
    ];
    const VALUES: &[&[u8]] = &[
        b"Basic Y2xpZW50OnM=",
        b"Basic",
        b"Basic =",
        b"Bearer x",
        b"identity",
        b"gzip",
        b"application/json",
        b"charset=",
        b"18446744073709551616",
        b"-1",
        b"\xff",
        b"",
    ];
    let mut body = Vec::new();
    for _ in 0..random.below(12) {
        body.extend_from_slice(random.pick::<&[u8]>(PIECES));
        if random.below(6) == 0 {
            body.extend(random.bytes(20));
        }
    }
    let mut request = Request::form("/token", body);
    if random.below(3) == 0 {
        request.path = random.pick(PATHS).to_string();
    }
    if random.below(3) == 0 {
        request.headers.push((random.pick(HEADERS).to_string(), random.pick(VALUES).to_vec()));
    }
    if random.below(20) == 0 {
        request.headers.clear();
    }
    request
}

#[test]
fn random_damage_to_certificates() {
    let mut vm = start(CONFIG.as_bytes(), CLOCK);
    let spec = serde_json::json!({
        "subject": [
            [["C", "printable", "JP"]],
            [["O", "bmp", "Cliént"], ["OU", "teletex", "x"]],
            [["CN", "client"]],
        ],
        "san": [{"dns": "a.example"}, {"ip": "192.0.2.7"},
            {"email": "a@b.c"}, {"uri": "https://a/"}],
    });
    let spec: CertificateSpec = serde_json::from_value(spec).expect("a constant description");
    let good = mint(&spec).expect("it can be minted").der.expect("it has a DER form");
    let mut random = Random::seeded(3);
    for round in 0..4000 {
        let mut damaged = good.clone();
        for _ in 0..1 + random.below(3) {
            let at = random.below(damaged.len());
            match random.below(4) {
                0 => damaged[at] = random.below(256) as u8,
                1 => damaged[at] ^= 1 << random.below(8),
                2 => damaged.truncate(at.max(1)),
                _ => damaged.insert(at, *random.pick(&[0x00, 0x30, 0x80, 0x84, 0xff])),
            }
        }
        let hex = to_hex(&damaged);
        let certificate =
            mint(&CertificateSpec { der_hex: Some(hex.clone()), ..CertificateSpec::default() })
                .expect("bytes");
        for client in ["client", "san"] {
            let outcome =
                send(&mut vm, verified(&certificate), &token_request(client), Delivery::WholeBody)
                    .unwrap_or_else(|fault| panic!("round {round}, {hex}: {fault}"));
            assert_ne!(outcome.verdict, Verdict::Held);
            assert!(
                outcome.account.fuel < MOST_FUEL,
                "round {round}: {} instructions: {hex}",
                outcome.account.fuel
            );
        }
    }
}

#[test]
fn random_text_instead_of_a_pem() {
    let mut vm = start(CONFIG.as_bytes(), CLOCK);
    let good = certificate();
    let mut random = Random::seeded(4);
    for round in 0..2000 {
        let mut text = good.host_text.clone().into_bytes();
        for _ in 0..1 + random.below(4) {
            let at = random.below(text.len());
            match random.below(3) {
                0 => text[at] = random.below(256) as u8,
                1 => text.truncate(at.max(1)),
                _ => text
                    .splice(
                        at..at,
                        random
                            .pick(&[&b"-----"[..], b"%", b"%2", b"\n", b"=", b"\xff"])
                            .iter()
                            .copied(),
                    )
                    .for_each(drop),
            }
        }
        let connection = verified(&good).with(PEER_CERTIFICATE, &text);
        let outcome = send(&mut vm, connection, &token_request("client"), Delivery::WholeBody)
            .unwrap_or_else(|fault| {
                panic!("round {round}, {:?}: {fault}", String::from_utf8_lossy(&text))
            });
        assert_ne!(outcome.verdict, Verdict::Held);
    }
}

#[test]
fn nested_names_and_long_lists_take_linear_time() {
    let mut vm = start(CONFIG.as_bytes(), CLOCK);
    let attribute = der::tlv(
        der::SEQUENCE,
        &[der::oid("2.5.4.3").expect("an OID"), der::tlv(der::UTF8_STRING, &["client"])],
    );
    let rdn = der::tlv(der::SET, std::slice::from_ref(&attribute));
    let mut cost = |spec: CertificateSpec| {
        let certificate = mint(&spec).expect("it can be minted");
        let outcomes = ["client", "san"].map(|client| {
            send(&mut vm, verified(&certificate), &token_request(client), Delivery::WholeBody)
                .expect("no fault")
        });
        assert!(outcomes.iter().all(|outcome| status(outcome) == Some(401)));
        outcomes.iter().map(|outcome| outcome.account.fuel).sum::<u64>()
    };
    let mut many_rdns = |n| {
        cost(CertificateSpec {
            subject_hex: Some(to_hex(&der::tlv(der::SEQUENCE, &vec![rdn.clone(); n]))),
            ..CertificateSpec::default()
        })
    };
    assert!(many_rdns(4000) < 12 * many_rdns(400), "RDNs");
    let mut many_attributes = |n| {
        cost(CertificateSpec {
            subject_hex: Some(to_hex(&der::tlv(
                der::SEQUENCE,
                &[der::tlv(der::SET, &vec![attribute.clone(); n])],
            ))),
            ..CertificateSpec::default()
        })
    };
    assert!(many_attributes(4000) < 14 * many_attributes(400), "attributes of one RDN");
    let mut many_names = |n| {
        cost(CertificateSpec {
            subject: Some(Vec::new()),
            san: Some(Vec::new()),
            san_filler: n,
            ..CertificateSpec::default()
        })
    };
    assert!(many_names(4000) < 12 * many_names(400), "alternative names");
}
